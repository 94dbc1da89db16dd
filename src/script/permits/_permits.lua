-- What the scripts of permits share: a semaphore with weights, which is a reader-writer lock too.
-- The lock key is a sorted set of the holders by their tokens; the score is when they end. Beside
-- them stand two numbers, as scores below zero, so that the holders whose time is over are a range.
-- All of it in one key: whatever removes it removes everything.
-- include _common.lua

local CAPACITY, USED = '=capacity', '=used'
local RAISED = '=raised'   -- there once permits_raise was run: what it wrote with those who left
local SEAL_1, SEAL_2 = '=seal1', '=seal2'  -- once somebody waits: the seal, two numbers
local SHARED = 1073741824  -- the capacity of a reader-writer lock, and of nothing else
local LINGER_MS = 1000     -- so long the key outlives its holders, for those who count them off
local NO_PERMITS = 'WRONGTYPE this sorted set does not hold permits'

-- The claim time and the weight that a token carries; nothing if it is not of permits.
local function terms_of(token)
  local claim_ms, weight
  if #token < 90 then
    claim_ms, weight = string.match(token, '^dlock1:%x+:%x+:(%d+):(%d+)$')
  end
  return claim_ms and math.min(tonumber(claim_ms), LONGEST_CLAIM_MS), tonumber(weight)
end

-- The member that says that a holder was asked to give up.
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

-- Of a holder that leaves: permits_raise has to know that its fence was used.
local function forget_raise(lock, token)
  local raised = redis.call('ZSCORE', lock.key, '=' .. token)
  if raised then
    lock.raised = math.max(lock.raised, -raised)
    redis.call('ZREM', lock.key, '=' .. token)
    redis.call('ZADD', lock.key, digits(-lock.raised), RAISED)
  end
end

-- Reads the lock key and takes away the holders whose time is over, at most 64. Returns an error if
-- it is something else. The capacity is nil when the key does not exist.
local function look(lock, now)
  lock.used = 0
  local numbers = redis.pcall('ZMSCORE', lock.key, CAPACITY, USED, RAISED, SEAL_1, SEAL_2)
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
  lock.raised = numbers[3] and -numbers[3]
  if lock.raised and lock.raised > now + MOST_AHEAD then
    lock.raised = 1
  end
  if numbers[4] and numbers[5] then
    lock.seal, lock.is_sealed = digits(-numbers[4]) .. '.' .. digits(-numbers[5]), true
  end
  local over = redis.call('ZRANGEBYSCORE', lock.key, '(0', digits(now), 'LIMIT', 0, MOST_DEAD)
  if #over > 0 then
    lock.freed = true
    local used = lock.used
    for _, token in ipairs(over) do
      local _, weight = terms_of(token)
      used = used - (weight or 0)
      if lock.raised then
        forget_raise(lock, token)
      end
    end
    redis.call('ZREM', lock.key, unpack(over))
    redis.pcall('HDEL', lock.seen, unpack(over))
    for i, token in ipairs(over) do
      over[i] = mark_of(token)
    end
    redis.call('ZREM', lock.key, unpack(over))
    set_used(lock, used)
  end
end

local function holds(lock, token)
  return lock.used > 0 and redis.call('ZSCORE', lock.key, token)
end

-- The seen key also has the holders' fence counters, which are hints: a lost one is drawn anew. The
-- lock's key in its place, where only that can be seen, holds the permits and no hints.
local function note_fence(lock, token, counter, life_ms)
  local noted = redis.pcall('HSET', lock.seen, token, digits(counter))
  if type(noted) == 'table' and string.find(noted.err, 'WRONGTYPE') and lock.seen ~= lock.key then
    redis.call('DEL', lock.seen)
    redis.call('HSET', lock.seen, token, digits(counter))
  end
  keep_for(lock.seen, life_ms + LINGER_MS)
end

-- The counter that is noted for a holder; nothing if it is lost, or none of ours.
local function noted_fence(lock, token, now)
  local counter = redis.pcall('HGET', lock.seen, token)
  counter = type(counter) == 'string' and tonumber(counter)
  return counter and counter >= 1 and counter < now + MOST_AHEAD and counter % 1 == 0 and counter or nil
end

-- Of a holder whose lease is over; the key may have been deleted before.
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
  keep_for(lock.key, life_ms + LINGER_MS)
  note_fence(lock, token, counter, life_ms)
  return counter
end

local function leave(lock, token)
  if lock.used == 0 or redis.call('ZREM', lock.key, token, mark_of(token)) == 0 then
    return false
  end
  forget_fence(lock, token)
  if lock.raised then
    forget_raise(lock, token)
  end
  local _, weight = terms_of(token)
  set_used(lock, lock.used - weight)
  return true
end

-- The time until the first holder ends; -1 if nobody holds.
local function left_ms(lock, now)
  local first = redis.call('ZRANGEBYSCORE', lock.key, '(0', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local left = first[2] and math.ceil((first[2] - now) / 1000)
  return left and digits(math.min(math.max(0, left), LONGEST_LEFT_MS)) or '-1'
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

-- Lets waiters in from the head of the queue while they fit. Nobody overtakes the head. `me` asks
-- for itself, and `stays` if it does not get in. Ends in one of:
--   'empty'        nobody waits
--   'yours'        it is the turn of `me`, who left the queue and is still to enter
--   'waits'        the head does not fit
--   'more'         enough for one call; the head was told to look at once
--   'mute', error  this user may not publish
local function hand_off(lock, now, me, stays)
  for _ = 1, MOST_DEAD do
    local two = redis.call('ZRANGE', lock.queue, 0, 1, 'WITHSCORES')
    local token, ticket, second = two[1], tonumber(two[2]), two[3]
    if not token then
      return 'empty'
    end
    local claim_ms, weight = terms_of(token)
    if not weight or weight < 1 or claim_ms < 1 then
      leave_queue(lock, token)
    elseif weight > lock.capacity then
      -- It asked when there were more.
      leave_queue(lock, token)
      tell(token, 0)
    elseif lock.used + weight > lock.capacity then
      -- Who is next behind it, or has changed something, sees whether it is still there.
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

-- The hand-off of a script that does not ask for itself. Without the key nobody knows how many
-- there are but those who wait.
local function pass_on(lock, now)
  if lock.capacity then
    return hand_off(lock, now)
  end
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head then
    tell(head, 0)
  end
end
