#!lua flags=allow-oom
-- Deletes the value of an election's leader, and tells the observers.
-- KEYS: leader
-- ARGV: echo, client, counter, sequence
-- Replies, after the echo: 'resigned', or 'not_leader'

local record = redis.pcall('GET', KEYS[1])
record = type(record) == 'string' and record
local who = '^dlock1:' .. ARGV[2] .. ':%x+:%d+:' .. ARGV[3] .. ':' .. ARGV[4] .. ':'
if not record or not string.find(record, who) then
  return ARGV[1] .. ' not_leader'
end
redis.call('DEL', KEYS[1])
redis.pcall('SPUBLISH', KEYS[1], 'changed')
return ARGV[1] .. ' resigned'
