#!lua flags=no-writes,allow-oom
-- Reads a latch or a barrier, without changing it.
-- KEYS: latch or barrier, queue, seen or the queue of those to be told, parts
-- Replies: nil if there is none. Otherwise a list: the server's time, its count or number of parties,
--   what is left of the count or its phase, 1 if it is broken or 0, a list of the tokens of its parts,
--   then TOKEN and TICKET (at a barrier, the time of its last request) of each waiter
-- include _common.lua
-- include _parts.lua

local gate = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], parts = KEYS[4] }
local now = now_us()
local count = redis.call('HGET', gate.key, 'count')
local parties = redis.call('HGET', gate.key, 'parties')
if not (count or parties) then
  return false
end
local state = redis.call('HGET', gate.key, count and 'left' or 'phase')
if not (is_exact(tonumber(count or parties)) and is_exact(tonumber(state))) then
  return redis.error_reply('WRONGTYPE this hash does not hold a latch or barrier')
end
local there = redis.pcall('ZRANGEBYSCORE', gate.parts, '(' .. digits(now), '+inf')
there = there.err and {} or there
local broken = count_of_parts(gate) > #there
if count then
  broken = broken and state ~= '0'
else
  broken = broken or redis.call('HGET', gate.key, 'broken') == state
end

local answer = { digits(now), count or parties, state, 0, there }
local queue = redis.pcall('ZRANGE', gate.queue, 0, -1, 'WITHSCORES')
for w = 1, queue.err and 0 or #queue, 2 do
  local token, time = queue[w], queue[w + 1]
  if parties then
    broken = broken or now - time > WAITER_LIFE
  end
  if is_token(token) and (parties or is_alive(gate.seen, token, tonumber(time), now)) then
    answer[#answer + 1] = token
    answer[#answer + 1] = digits(time)
  end
end
answer[4] = broken and 1 or 0
return answer
