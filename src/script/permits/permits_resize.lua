#!lua
-- Changes the number of permits. Holders keep theirs; new permits go to the waiters.
-- KEYS: lock, queue, seen, fence
-- ARGV: capacity
-- Replies: 'resized FORMER', 'free' (no holder and no waiter, so there is nothing to change), or
--   'shared' (it is a reader-writer lock)
-- include _permits.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local capacity = tonumber(ARGV[1])
if not capacity or capacity < 1 or capacity >= SHARED then
  return redis.error_reply('ERR a capacity from 1 to below ' .. digits(SHARED) .. ' is needed')
end
local now = now_us()
local problem = look(lock, now)
if problem then
  return problem
elseif lock.capacity == SHARED then
  return 'shared'
end
local former = lock.capacity
lock.capacity = capacity
if lock.used > 0 then
  redis.call('ZADD', lock.key, digits(-capacity), CAPACITY)
end
mend(function() hand_off(lock, now) end, { lock.queue }, { lock.seen })
return former and 'resized ' .. digits(former) or 'free'
