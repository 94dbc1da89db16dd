#!lua flags=allow-oom
-- Takes the lock from the holder with this fence. 'ask' asks its process, which also finds the request
-- in the lock's value when it renews; 'force' deletes the lock. A holder without a recorded fence is
-- known by the whole value.
-- KEYS: lock, queue, seen, fence
-- ARGV: counter, sequence, 'ask' or 'force'; or '', value, 'force'
-- Replies: 'asked RECEIVERS', 'broken', or 'not_holder'
-- include _lock.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local value = redis.call('GET', lock.key)
if not value or not is_ours(value) then
  return 'not_holder'
end
local counter, sequence = fence_of(value)
if counter ~= ARGV[1] and (counter or ARGV[1] ~= '' or value ~= ARGV[2]) then
  return 'not_holder'
end
lock.seal = seal_of(value)
if ARGV[3] == 'ask' and counter then
  if sequence == ARGV[2] and not is_to_break(value) then
    redis.call('SET', lock.key, (string.gsub(value, ':%d+:%d+$', ':break%0')), 'KEEPTTL')
  end
  local asked = redis.pcall('SPUBLISH', channel(value),
    'break ' .. string.match(value, '^dlock1:%x+:%x+:%d*') .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
  return 'asked ' .. digits(type(asked) == 'table' and 0 or asked)
end
if counter and sequence ~= ARGV[2] then
  return 'not_holder'
end
return mend(function(again)
  if again and redis.call('GET', lock.key) ~= value then
    return 'broken'
  end
  if redis.call('EXISTS', lock.queue) == 1 then
    hand_off(lock, now_us())
  else
    redis.call('DEL', lock.key)
  end
  return 'broken'
end, { lock.queue }, { lock.seen })
