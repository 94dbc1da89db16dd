-- What the scripts share. A lock is four keys: the lock itself (a plain string, the only one that
-- exclusion rests on), its queue, the times its waiters were last seen, and the node's fence counter.
-- Times are microseconds of this server's clock unless a name ends in _ms.

local WAITER_LIFE = 15000000    -- a waiter not heard of for so long is dead
local WAITER_REFRESH = 4000000  -- from this age on a waiter's repeats are written down
local QUEUE_LIFE_MS = 20000     -- an abandoned queue goes away by itself
local FOREIGN = '~'             -- the queue entry of all clients that do not queue with us
local FOREIGN_TURN_MS = 150     -- how long the lock stays free for them when it is their turn
local MOST_DEAD = 64            -- dead waiters passed over in one call, so that no call is long

local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function digits(number)
  return string.format('%.0f', number)
end

-- The first bytes of the random part: a reply that carries another's is somebody else's.
local function echo(token)
  return string.sub(token, 25, 32)
end

local function channel(token)
  return 'dlock1:c:' .. string.sub(token, 8, 23)
end

local function holds(value, token)
  return value and string.sub(value, 1, #token + 1) == token .. ':'
end

local function is_ours(value)
  return string.sub(value, 1, 7) == 'dlock1:'
end

-- A value is token:counter:sequence.
local function fence_of(value)
  return string.match(value, ':(%d+):(%d+)$')
end

-- Strictly growing, also when the counter or the clock went back.
local function next_fence(lock, now)
  local counter = redis.call('INCR', lock.fence)
  if counter < now then
    counter = now
    redis.call('SET', lock.fence, digits(counter))
  end
  return counter
end

local function own(lock, token, counter, life_ms)
  redis.call('SET', lock.key, token .. ':' .. digits(counter) .. ':0', 'PX', life_ms)
end

local function leave_queue(lock, token)
  if redis.call('ZREM', lock.queue, token) == 1 then
    redis.call('HDEL', lock.seen, token)
  end
end

-- Whether a waiter taken from the queue is alive, and when it was seen if that is written down.
local function is_alive(lock, token, ticket, now)
  if now - ticket <= WAITER_REFRESH then
    return true
  end
  local seen = redis.call('HGET', lock.seen, token)
  if seen then
    redis.call('HDEL', lock.seen, token)
  end
  return now - (tonumber(seen) or ticket) <= WAITER_LIFE, seen
end

-- Puts a waiter taken from the queue back.
local function put_back(lock, token, ticket, seen)
  redis.call('ZADD', lock.queue, digits(ticket), token)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if seen then
    redis.call('HSET', lock.seen, token, seen)
    redis.call('PEXPIRE', lock.seen, QUEUE_LIFE_MS)
  end
end

local function tell_head(lock, in_ms)
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head == FOREIGN then
    head = redis.call('ZRANGE', lock.queue, 1, 1)[1]
  end
  if head then
    redis.pcall('SPUBLISH', channel(head), 'next ' .. head .. ' ' .. in_ms)
  end
end

-- Makes the first live waiter the owner and tells it. To be called when the lock is free or about to
-- be. `me` asks for the lock itself; it `yields` if it gives it up for that. Ends in one of:
--   'granted'           somebody else has the lock
--   'yours'             it is the turn of `me`, who left the queue; the lock is still to be taken
--   'nobody'            the lock is free
--   'foreign', left_ms  the lock stays free for clients that do not queue
--   'mute', error       the lock is free: this user may not publish
local function hand_off(lock, now, me, yields)
  for _ = 1, MOST_DEAD do
    local head = redis.call('ZPOPMIN', lock.queue)
    local token, ticket = head[1], tonumber(head[2])
    if not token then
      redis.call('DEL', lock.key)
      return 'nobody'
    elseif token == FOREIGN then
      -- The end of a turn that the clock moved away from must not come later for it.
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
      local alive, seen = is_alive(lock, token, ticket, now)
      local claim_ms = tonumber(string.sub(token, 58))
      if alive and claim_ms and claim_ms >= 1 then
        local counter = next_fence(lock, now)
        own(lock, token, counter, claim_ms)
        local told = redis.pcall('SPUBLISH', channel(token),
          'grant ' .. token .. ' ' .. digits(counter) .. ' ' .. digits(now))
        if type(told) == 'table' then
          redis.call('DEL', lock.key)
          put_back(lock, token, ticket, seen)
          return 'mute', told.err
        elseif told > 0 then
          tell_head(lock, claim_ms)
          return 'granted'
        end
      end
    end
  end
  redis.call('DEL', lock.key)
  tell_head(lock, 0)
  return 'nobody'
end
