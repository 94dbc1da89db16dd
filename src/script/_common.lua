-- What all scripts share. A lock is four keys: the lock itself (the only one that exclusion rests on),
-- its queue, the times its waiters were last seen, and the node's fence counter.
-- Times are microseconds of this server's clock unless a name ends in _ms.

local WAITER_LIFE = 15000000    -- a waiter not heard of for so long is dead
local WAITER_REFRESH = 4000000  -- from this age on a waiter's repeats are written down
local QUEUE_LIFE_MS = 20000     -- an abandoned queue goes away by itself
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

-- Strictly growing, also when the counter or the clock went back.
local function next_fence(lock, now)
  local counter = redis.call('INCR', lock.fence)
  if counter < now then
    counter = now
    redis.call('SET', lock.fence, digits(counter))
  end
  return counter
end

local function leave_queue(lock, token)
  if redis.call('ZREM', lock.queue, token) == 1 then
    redis.call('HDEL', lock.seen, token)
  end
end

-- Whether a waiter is alive, and when it was seen if that is written down. A ticket below zero
-- stands before the others; its age is that of its absolute value.
local function is_alive(seen_key, token, ticket, now)
  ticket = math.abs(ticket)
  if now - ticket <= WAITER_REFRESH then
    return true
  end
  local seen = redis.call('HGET', seen_key, token)
  return now - (tonumber(seen) or ticket) <= WAITER_LIFE, seen
end

-- An expiry that is never moved to an earlier time.
local function keep_for(key, life_ms)
  if redis.pcall('PEXPIRE', key, life_ms, 'NX') == 0 then
    redis.pcall('PEXPIRE', key, life_ms, 'GT')
  end
end

-- Puts a waiter taken from the queue back.
local function put_back(lock, token, ticket, seen)
  redis.call('ZADD', lock.queue, digits(ticket), token)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if seen then
    redis.call('HSET', lock.seen, token, seen)
    keep_for(lock.seen, QUEUE_LIFE_MS)
  end
end

-- Tells the head of the queue when to look again. Returns who received it, or an error.
local function tell(token, in_ms)
  return redis.pcall('SPUBLISH', channel(token), 'next ' .. token .. ' ' .. in_ms)
end
