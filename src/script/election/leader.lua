#!lua flags=no-writes,allow-oom
-- Reads an election, without changing it.
-- KEYS: lock, leader
-- Replies: the lock's time to live in ms (as PTTL returns it); and if its holder has proclaimed a
--   value: counter, sequence, revision and value

local held = redis.call('GET', KEYS[1])
local record = redis.pcall('GET', KEYS[2])
record = type(record) == 'string' and record
local left_ms = string.format('%.0f', math.min(redis.call('PTTL', KEYS[1]), 1e13))  -- as in _common.lua
local token = record and string.match(record, '^dlock1:%x+:%x+:%d+')
if not held or not token or held ~= token and string.sub(held, 1, #token + 1) ~= token .. ':' then
  return left_ms
end
local counter, sequence, revision, value =
  string.match(record, '^:(%d+):(%d+):(%d+):(.*)$', #token + 1)
return table.concat({ left_ms, counter, sequence, revision, value }, ' ')
