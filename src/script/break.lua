#!lua flags=allow-oom
-- Takes the lock from the holder with this fence. 'ask' asks its process, 'force' goes by the record.
-- KEYS: lock, queue, seen, fence
-- ARGV: counter, sequence, 'ask' or 'force'
-- Replies: 'asked RECEIVERS', 'broken', or 'not_holder'
-- include _lock.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local value = redis.call('GET', lock.key)
if not value or not is_ours(value) then
  return 'not_holder'
end
local counter, sequence = fence_of(value)
if counter ~= ARGV[1] then
  return 'not_holder'
end
if ARGV[3] == 'ask' then
  local asked = redis.pcall('SPUBLISH', channel(value),
    'break ' .. string.match(value, '^(.*):%d+:%d+$') .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
  return 'asked ' .. (type(asked) == 'table' and 0 or asked)
end
if sequence ~= ARGV[2] then
  return 'not_holder'
end
if redis.call('EXISTS', lock.queue) == 1 then
  hand_off(lock, now_us())
else
  redis.call('DEL', lock.key)
end
return 'broken'
