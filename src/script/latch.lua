#!lua
-- Counts a latch down, or waits until it is at zero. The first to come makes it. Repeating it with the
-- same token changes nothing.
-- KEYS: latch, queue, seen
-- ARGV: token, ttl in ms (not used), 'count', 'wait' or 'try', known ticket or '', '' (not used),
--   count, how long it stays after this in ms, and, to count, by how much
-- Replies, after the echo: 'acquired LEFT' (counted, or it is at zero), 'busy -1' (it is not),
--   'queued -1 0 TICKET NOW ours', 'other COUNT' (not the one said here), or 'broken' (it was there
--   when the ticket was given, and is no more)
-- include _gate.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3] }
local token, mode, ticket, count = ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[6])
local now = now_us()
local made_with = tonumber(redis.call('HGET', lock.key, 'count') or nil)
if made_with and made_with ~= count then
  leave_queue(lock, token)
  return echo(token) .. ' other ' .. digits(made_with)
elseif not made_with then
  if ticket ~= '' then
    return echo(token) .. ' broken'
  end
  redis.call('HSET', lock.key, 'count', ARGV[6], 'left', ARGV[6])
end
local left = tonumber(redis.call('HGET', lock.key, 'left'))
if mode == 'count' and not redis.call('HGET', lock.key, token) then
  left = math.max(0, left - tonumber(ARGV[8]))
  redis.call('HSET', lock.key, 'left', digits(left), token, ARGV[8])
end
keep_for(lock.key, ARGV[7])

if left == 0 then
  leave_queue(lock, token)
  if wake(lock, now, math.huge, '+inf') then
    tell_head(lock)
  end
end
if left == 0 or mode == 'count' then
  return echo(token) .. ' acquired ' .. digits(left)
elseif mode == 'try' then
  return echo(token) .. ' busy -1'
end
redis.call('ZADD', lock.queue, 'NX', ticket == '' and digits(now) or ticket, token)
return stay(lock, token, redis.call('ZSCORE', lock.queue, token), now)
