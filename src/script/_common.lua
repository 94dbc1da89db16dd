-- What all scripts share. A lock is four keys: the lock itself (the only one that exclusion rests on),
-- its queue, the times its waiters were last seen, and the node's fence counter.
-- Times are microseconds of this server's clock unless a name ends in _ms.

local WAITER_LIFE = 15000000    -- a waiter not heard of for so long is dead
local WAITER_REFRESH = 4000000  -- from this age on a waiter's repeats are written down
local QUEUE_LIFE_MS = 20000     -- an abandoned queue goes away by itself
local MOST_DEAD = 64            -- dead waiters passed over in one call, so that no call is long
local LONGEST_CLAIM_MS = 3000   -- whoever put a token into the queue
local LONGEST_LEFT_MS = 1e13    -- is told of an expiry, whoever set it
local MOST_AHEAD = 3.2e15       -- a counter so far before the clock, a hundred years, is none of ours

local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function digits(number)
  return string.format('%.0f', number)
end

-- Whether it is a count or a time that Lua, and the client, hold exactly: others can write numbers too.
local function is_exact(number)
  return number and number >= 0 and number < 2 ^ 53 and number % 1 == 0
end

-- Runs the steps of a script. If one fails because a key that is only a hint, of those that should be
-- sorted sets or hashes, is something else, that is deleted, and the steps run once more, and are told
-- so: what they read before they began may have changed.
local function mend(steps, sets, hashes)
  local done, reply = pcall(steps)
  if done then
    return reply
  end
  local problem = type(reply) == 'table' and reply.err or reply
  local mended = false
  for _, kind in ipairs({ { 'ZSCORE', sets }, { 'HGET', hashes or {} } }) do
    for _, key in ipairs(string.find(problem, 'WRONGTYPE') and kind[2] or {}) do
      local found = redis.pcall(kind[1], key, '')
      if type(found) == 'table' and string.find(found.err, 'WRONGTYPE') then
        redis.call('DEL', key)
        mended = true
      end
    end
  end
  if mended then
    return steps(true)
  end
  return redis.error_reply(string.match(problem, '^%u+ ') and problem or 'ERR ' .. problem)
end

-- The first bytes of the random part: a reply that carries another's is somebody else's.
local function echo(token)
  return string.sub(token, 25, 32)
end

local function is_token(text)
  return #text < 90 and string.match(text, '^dlock1:%x+:%x+:%d+')
end

local function channel(token)
  return 'dlock1:c:' .. string.sub(token, 8, 23)
end

-- Strictly growing, also when the counter or the clock went back. What is no counter is written
-- over.
local function next_fence(lock, now)
  local counter = redis.pcall('INCR', lock.fence)
  local is_none = type(counter) == 'table'
  if is_none and not string.find(counter.err, 'WRONGTYPE')
    and not string.find(counter.err, 'integer') and not string.find(counter.err, 'overflow') then
    redis.call('INCR', lock.fence)  -- it may not
  end
  if is_none or counter < now or counter > now + MOST_AHEAD then
    counter = now
    redis.call('SET', lock.fence, digits(counter))
  end
  return counter
end

-- Tells a waiter that it has what it waited for. Whoever may read the lock knows its seal, and so
-- that the message is of somebody who may; others can read the queue, and publish. Returns who
-- received it, or an error.
local function publish_grant(token, counter, now, seal)
  local message = 'grant ' .. token .. ' ' .. digits(counter) .. ' ' .. digits(now)
  local proof = seal and ' ' .. redis.sha1hex(seal .. ' ' .. message .. ' ' .. seal) or ''
  return redis.pcall('SPUBLISH', channel(token), message .. proof)
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
  local seen = redis.pcall('HGET', seen_key, token)
  seen = type(seen) == 'string' and seen
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
