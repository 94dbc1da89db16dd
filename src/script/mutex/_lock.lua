-- Shared by the scripts of the mutex. Its lock key is a plain string, as other libraries use it.
-- include _common.lua

local FOREIGN = '~'             -- the queue entry of all clients that do not use the queue
local LOOKS_AGAIN_MS = 2500     -- a waiter asks again after this time
local FOREIGN_TURN_MS = 150     -- how long the lock stays free for those when it is their turn
local NO_TTL = 'ERR a ttl of 1 ms or more is needed'

-- To be called before the first write: an error undoes nothing.
local function is_ttl(ttl_ms)
  return (tonumber(ttl_ms) or 0) >= 1
end

local function holds(value, token)
  return value == token or value and string.sub(value, 1, #token + 1) == token .. ':'
end

local function is_ours(value)
  return string.sub(value, 1, 7) == 'dlock1:'
end

-- A value has one of three forms:
--   TOKEN                   bare: taken without a script, and since then nobody has queued
--   TOKEN:                  nothing is recorded, and somebody queued
--   TOKEN:COUNTER:SEQUENCE  recorded
-- The first waiter puts `SEAL:` behind `TOKEN:`, and a client that breaks the lock puts `break:` before
-- the counter, which asks the holder to give up. Returns the counter and the sequence, if recorded.
local function fence_of(value)
  return string.match(value, ':(%d+):(%d+)$', 58)
end

-- Returns the counter of a holder that asks again; nil if it is not recorded, or another program wrote
-- something else.
local function counter_of(value)
  local counter = fence_of(value)
  return is_exact(tonumber(counter)) and counter
end

local function seal_of(value)
  return string.match(value, ':(%d+%.%d+):', 57)
end

local function is_to_break(value)
  return string.find(value, ':break:', 57, true)
end

-- Returns the claim time in a token of a mutex; nil if it is no such token.
local function claim_of(token)
  local claim_ms = #token < 90 and string.match(token, '^dlock1:%x+:%x+:(%d+)$')
  return claim_ms and math.min(tonumber(claim_ms), MAX_CLAIM_MS)
end

local function own(lock, token, counter, life_ms)
  local seal = lock.seal and lock.seal .. ':' or ''
  redis.call('SET', lock.key, token .. ':' .. seal .. digits(counter) .. ':0', 'PX', life_ms)
end

local function tell_head(lock, in_ms)
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head == FOREIGN then
    head = redis.call('ZRANGE', lock.queue, 1, 1)[1]
  end
  if head then
    tell(head, in_ms)
  end
end

-- Makes the first live waiter the holder and tells it, proven by `lock.seal` if there is one, which
-- stays with the lock. To be called when the lock is free or about to be. `me` is the waiter that asks,
-- if any; it `yields` if it gives up a lease for that. `head` is the first waiter, if the caller took
-- it from the queue already. Returns one of:
--   'granted'           another waiter has the lock
--   'yours'             `me` left the queue, and the caller must take the lock for it
--   'nobody'            the lock is free
--   'foreign', left_ms  the lock stays free for clients that do not use the queue
--   'mute', error       the lock is free, and this user may not publish
local function hand_off(lock, now, me, yields, head)
  for _ = 1, MAX_DEAD do
    head = head or redis.call('ZPOPMIN', lock.queue)
    local token, ticket = head[1], tonumber(head[2])
    if not token then
      redis.call('DEL', lock.key)
      return 'nobody'
    elseif token == FOREIGN then
      -- If the clock went back, the turn must not last longer for that.
      local left = math.min(-ticket - now, FOREIGN_TURN_MS * 1000)
      if ticket >= 0 and (yields or not me and redis.call('EXISTS', lock.queue) == 1) then
        left = FOREIGN_TURN_MS * 1000
      end
      if left > 0 then
        redis.call('DEL', lock.key)
        redis.call('ZADD', lock.queue, digits(-(now + left)), FOREIGN)
        redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
        local left_ms = digits(math.ceil(left / 1000))
        if ticket >= 0 then
          tell_head(lock, left_ms)
        end
        return 'foreign', left_ms
      end
    elseif token == me then
      redis.call('HDEL', lock.seen, token)
      return 'yours'
    else
      local alive, seen = is_alive(lock.seen, token, ticket, now)
      if seen then
        redis.call('HDEL', lock.seen, token)
      end
      local claim_ms = claim_of(token)
      if alive and claim_ms and claim_ms >= 1 then
        local counter = next_fence(lock, now)
        own(lock, token, counter, claim_ms)
        local told = publish_grant(token, counter, now, lock.seal)
        if type(told) == 'table' then
          redis.call('DEL', lock.key)
          put_back(lock, token, ticket, seen)
          return 'mute', told.err
        elseif told > 0 then
          -- With a longer claim, the new head asks within it anyway, and learns when it ends.
          if claim_ms < LOOKS_AGAIN_MS then
            tell_head(lock, claim_ms)
          end
          return 'granted'
        end
      end
    end
    head = nil
  end
  redis.call('DEL', lock.key)
  tell_head(lock, 0)
  return 'nobody'
end
