-- Shared by all scripts. A lock has four keys: the lock itself (exclusion rests on this one alone), its
-- queue, the times at which its waiters last asked (seen), and the server's fence counter.
-- Times are microseconds of this server's clock unless a name ends in _ms.

local WAITER_LIFE = 15000000    -- a waiter that has not asked for this long counts as dead
local WAITER_REFRESH = 4000000  -- the seen time is rewritten when it is older than this
local QUEUE_LIFE_MS = 20000     -- an abandoned queue expires after this time
local MAX_DEAD = 64             -- dead waiters that one call skips, so that no call takes long
local MAX_CLAIM_MS = 3000       -- the longest claim, also of a token that another program queued
local MAX_LEFT_MS = 1e13        -- the longest time to live in a reply
local MAX_AHEAD = 3.2e15        -- a counter a hundred years ahead of the clock was not written by dlock

local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- A whole number as text. Lua itself writes 3 as `3` or `3.0`, and large ones with an exponent, as its
-- version and the server have it. Takes a number as text too.
local function digits(number)
  return string.format('%.0f', number)
end

-- Whether Lua and the client represent this count or time exactly: other programs can write any number.
local function is_exact(number)
  return number and number >= 0 and number < 2 ^ 53 and number % 1 == 0
end

-- Runs the steps of a script. A key that is only a hint may have the wrong type. If a step fails for
-- that reason, this deletes such keys among those that should be sorted sets or hashes, and runs the
-- steps once more with `true`: a value that the script read before may have changed.
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

-- The first bytes of the random part of a token. The client drops a reply with another echo.
local function echo(token)
  return string.sub(token, 25, 32)
end

local function is_token(text)
  return #text < 90 and string.match(text, '^dlock1:%x+:%x+:%d+')
end

local function channel(token)
  return 'dlock1:c:' .. string.sub(token, 8, 23)
end

-- Returns the next fence, which is greater than all before, also if the counter or the clock went
-- back. Overwrites a value that is not a counter.
local function next_fence(lock, now)
  local counter = redis.pcall('INCR', lock.fence)
  local is_none = type(counter) == 'table'
  if is_none and not string.find(counter.err, 'WRONGTYPE')
    and not string.find(counter.err, 'integer') and not string.find(counter.err, 'overflow') then
    redis.call('INCR', lock.fence)  -- fails: this user has no rights to it
  end
  if is_none or counter < now or counter > now + MAX_AHEAD then
    counter = now
    redis.call('SET', lock.fence, digits(counter))
  end
  return counter
end

-- Tells a waiter that it was granted what it waited for. Only a user who may read the lock knows its
-- seal, so the seal proves the message: other users may be able to read the queue and to publish.
-- Returns the number of receivers, or an error.
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

-- Returns whether a waiter is alive, and its seen time if there is one. A negative ticket stands
-- before all others; its absolute value is the time.
local function is_alive(seen_key, token, ticket, now)
  ticket = math.abs(ticket)
  if now - ticket <= WAITER_REFRESH then
    return true
  end
  local seen = redis.pcall('HGET', seen_key, token)
  seen = type(seen) == 'string' and seen
  return now - (tonumber(seen) or ticket) <= WAITER_LIFE, seen
end

-- Sets the expiry of a key, unless the key lives longer already.
local function extend_expiry(key, life_ms)
  if redis.pcall('PEXPIRE', key, life_ms, 'NX') == 0 then
    redis.pcall('PEXPIRE', key, life_ms, 'GT')
  end
end

-- Puts a waiter back that was taken from the queue.
local function put_back(lock, token, ticket, seen)
  redis.call('ZADD', lock.queue, digits(ticket), token)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if seen then
    redis.call('HSET', lock.seen, token, seen)
    extend_expiry(lock.seen, QUEUE_LIFE_MS)
  end
end

-- Tells the head of the queue when to ask again. Returns the number of receivers, or an error.
local function tell(token, in_ms)
  return redis.pcall('SPUBLISH', channel(token), 'next ' .. token .. ' ' .. digits(in_ms))
end
