#!lua flags=allow-oom
-- Takes back what the leader of an election said, and tells its observers.
-- KEYS: leader
-- ARGV: token, sequence
-- Replies, after the echo: 'resigned', or 'not_leader'

local token = ARGV[1]
local echo = string.sub(token, 25, 32)
local record = redis.call('GET', KEYS[1])
if not record or string.sub(record, 1, #token + 1) ~= token .. ':'
  or string.match(record, '^%d+:(%d+):', #token + 2) ~= ARGV[2] then
  return echo .. ' not_leader'
end
redis.call('DEL', KEYS[1])
redis.pcall('SPUBLISH', KEYS[1], 'changed')
return echo .. ' resigned'
