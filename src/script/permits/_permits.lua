-- Shared by the scripts of permits: a semaphore with weights, which is a reader-writer lock too. The
-- lock key is a sorted set of the holders' tokens; the score is the end of the lease. The other members
-- have negative scores, so that the holders whose lease is over are a range. All is in one key, so that
-- a deletion removes all of it.
-- include _common.lua

local CAPACITY, USED = '=capacity', '=used'
local WRITTEN = '=written'   -- the greatest fence that permits_write_fence wrote for a holder that left
local SEAL_1, SEAL_2 = '=seal1', '=seal2'  -- the two halves of the seal, once there is a waiter
local SHARED = 1073741824  -- the capacity of a reader-writer lock; no semaphore has it
local LINGER_MS = 1000     -- the key outlives its holders by this, so that a script can count them off
local NO_PERMITS = 'WRONGTYPE this sorted set does not hold permits'
local values = table.unpack or unpack  -- the second in Lua 5.1

-- Returns the claim time and the weight in a token; nil if it is not a token of permits.
local function terms_of(token)
  local claim_ms, weight
  if #token < 90 then
    claim_ms, weight = string.match(token, '^dlock1:%x+:%x+:(%d+):(%d+)$')
  end
  return claim_ms and math.min(tonumber(claim_ms), MAX_CLAIM_MS), tonumber(weight)
end

-- The member that asks a holder to give up.
local function mark_of(token)
  return '=!' .. token
end

local function write_seal(lock, seal)
  local one, two = string.match(seal, '^(%d+)%.(%d+)$')
  redis.call('ZADD', lock.key, '-' .. one, SEAL_1, '-' .. two, SEAL_2)
  lock.seal, lock.is_sealed = seal, true
end

local function set_used(lock, used)
  lock.used = used
  if used > 0 then
    redis.call('ZADD', lock.key, digits(-used), USED)
  else
    redis.call('DEL', lock.key)
    lock.is_sealed = false
  end
end

-- To be called for a holder that leaves: permits_write_fence must not write its fence again.
local function forget_written(lock, token)
  local written = redis.call('ZSCORE', lock.key, '=' .. token)
  if written then
    lock.written = math.max(lock.written, -written)
    redis.call('ZREM', lock.key, '=' .. token)
    redis.call('ZADD', lock.key, digits(-lock.written), WRITTEN)
  end
end

-- Reads the lock key, and removes at most 64 holders whose lease is over. Returns an error if the key
-- holds something else. The capacity is nil if the key does not exist.
local function look(lock, now)
  lock.used = 0
  local numbers = redis.pcall('ZMSCORE', lock.key, CAPACITY, USED, WRITTEN, SEAL_1, SEAL_2)
  if numbers.err then
    return numbers
  elseif not (numbers[1] and numbers[2]) then
    return redis.call('EXISTS', lock.key) == 1
      and redis.error_reply(NO_PERMITS) or nil
  end
  local capacity, used = -numbers[1], -numbers[2]
  if not (is_exact(capacity) and capacity >= 1 and capacity <= SHARED and is_exact(used) and used >= 1) then
    return redis.error_reply(NO_PERMITS)
  end
  lock.capacity, lock.used = capacity, used
  lock.written = numbers[3] and -numbers[3]
  if lock.written and lock.written > now + MAX_AHEAD then
    lock.written = 1
  end
  if numbers[4] and numbers[5] then
    lock.seal, lock.is_sealed = digits(-numbers[4]) .. '.' .. digits(-numbers[5]), true
  end
  local over = redis.call('ZRANGEBYSCORE', lock.key, '(0', digits(now), 'LIMIT', 0, MAX_DEAD)
  if #over > 0 then
    lock.freed = true
    local used = lock.used
    for _, token in ipairs(over) do
      local _, weight = terms_of(token)
      used = used - (weight or 0)
      if lock.written then
        forget_written(lock, token)
      end
    end
    redis.call('ZREM', lock.key, values(over))
    redis.pcall('HDEL', lock.seen, values(over))
    for i, token in ipairs(over) do
      over[i] = mark_of(token)
    end
    redis.call('ZREM', lock.key, values(over))
    set_used(lock, used)
  end
end

local function holds(lock, token)
  return lock.used > 0 and redis.call('ZSCORE', lock.key, token)
end

-- The seen key also has the holders' fence counters, which are hints: a lost counter is replaced by a
-- new one. If the user has rights to the lock key alone, that stands in its place, and there are no
-- hints.
local function note_fence(lock, token, counter, life_ms)
  local noted = redis.pcall('HSET', lock.seen, token, digits(counter))
  if type(noted) == 'table' and string.find(noted.err, 'WRONGTYPE') and lock.seen ~= lock.key then
    redis.call('DEL', lock.seen)
    redis.call('HSET', lock.seen, token, digits(counter))
  end
  extend_expiry(lock.seen, life_ms + LINGER_MS)
end

-- Returns the counter of a holder; nil if it was lost, or another program wrote it.
local function noted_fence(lock, token, now)
  local counter = redis.pcall('HGET', lock.seen, token)
  counter = type(counter) == 'string' and tonumber(counter)
  return counter and counter >= 1 and counter < now + MAX_AHEAD and counter % 1 == 0 and counter or nil
end

-- Removes the counter of a holder whose lease is over; the key may be gone already.
local function forget_fence(lock, token)
  redis.pcall('HDEL', lock.seen, token)
end

local function enter(lock, token, weight, life_ms, now)
  local counter = next_fence(lock, now)
  lock.used = lock.used + weight
  redis.call('ZADD', lock.key, digits(-lock.capacity), CAPACITY, digits(-lock.used), USED,
    digits(now + life_ms * 1000), token)
  if lock.seal and not lock.is_sealed then
    write_seal(lock, lock.seal)
  end
  extend_expiry(lock.key, life_ms + LINGER_MS)
  note_fence(lock, token, counter, life_ms)
  return counter
end

local function leave(lock, token)
  if lock.used == 0 or redis.call('ZREM', lock.key, token, mark_of(token)) == 0 then
    return false
  end
  forget_fence(lock, token)
  if lock.written then
    forget_written(lock, token)
  end
  local _, weight = terms_of(token)
  set_used(lock, lock.used - weight)
  return true
end

-- Returns the time until the first lease ends, in ms; -1 if there is no holder.
local function left_ms(lock, now)
  local first = redis.call('ZRANGEBYSCORE', lock.key, '(0', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local left = first[2] and math.ceil((first[2] - now) / 1000)
  return left and digits(math.min(math.max(0, left), MAX_LEFT_MS)) or '-1'
end

-- Makes the head of the queue a holder, unless it is dead.
local function grant(lock, token, ticket, weight, claim_ms, now)
  local alive, seen = is_alive(lock.seen, token, ticket, now)
  leave_queue(lock, token)
  if not alive then
    return
  end
  local counter = enter(lock, token, weight, claim_ms, now)
  local told = publish_grant(token, counter, now, lock.seal)
  if type(told) == 'table' then
    leave(lock, token)
    put_back(lock, token, ticket, seen)
    return 'mute', told.err
  elseif told == 0 then
    leave(lock, token)
  end
end

-- Makes waiters holders, from the head of the queue on, while they fit. No waiter overtakes the head.
-- `me` is the waiter that asks, if any; it `stays` in the queue if it does not fit. Returns one of:
--   'empty'        there are no waiters
--   'yours'        `me` left the queue, and the caller must make it a holder
--   'waits'        the head does not fit
--   'more'         the limit of one call is reached; the head was told to ask at once
--   'mute', error  this user may not publish
local function hand_off(lock, now, me, stays)
  for _ = 1, MAX_DEAD do
    local two = redis.call('ZRANGE', lock.queue, 0, 1, 'WITHSCORES')
    local token, ticket, second = two[1], tonumber(two[2]), two[3]
    if not token then
      return 'empty'
    end
    local claim_ms, weight = terms_of(token)
    if not weight or weight < 1 or claim_ms < 1 then
      leave_queue(lock, token)
    elseif weight > lock.capacity then
      -- The capacity was reduced after it had asked.
      leave_queue(lock, token)
      tell(token, 0)
    elseif lock.used + weight > lock.capacity then
      -- The call of the next waiter, or the next change, finds out whether it is alive.
      if token == me or me and not (stays and (second or me) == me) then
        return 'waits'
      end
      local told = tell(token, left_ms(lock, now))
      if type(told) == 'table' or told > 0 and is_alive(lock.seen, token, ticket, now) then
        return 'waits'
      end
      leave_queue(lock, token)
    elseif token == me then
      leave_queue(lock, token)
      return 'yours'
    else
      local outcome, problem = grant(lock, token, ticket, weight, claim_ms, now)
      if outcome then
        return outcome, problem
      end
    end
  end
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head then
    tell(head, 0)
  end
  return 'more'
end

-- The hand-off of a script that no waiter called. If the lock key is gone, only the waiters know the
-- capacity.
local function pass_on(lock, now)
  if lock.capacity then
    return hand_off(lock, now)
  end
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head then
    tell(head, 0)
  end
end
