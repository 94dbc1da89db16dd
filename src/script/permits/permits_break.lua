#!lua flags=allow-oom
-- Takes permits from the holder with this fence. 'ask' asks its process, which also finds the request
-- in the lock when it renews; 'force' removes the holder; 'look' changes nothing.
-- KEYS: lock, queue, seen, fence
-- ARGV: counter, 'ask', 'force' or 'look'
-- Replies: 'asked RECEIVERS', 'broken', 'holds', or 'not_holder'
-- include _permits.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local counter, how = ARGV[1], ARGV[2]
local now = now_us()
local problem = look(lock, now)
if problem then
  return problem
end
return mend(function()
  local token
  local known = redis.call('HGETALL', lock.seen)
  for i = 1, #known, 2 do
    if known[i + 1] == counter and (token or '') < known[i] and holds(lock, known[i]) then
      token = known[i]
    end
  end
  local reply = 'not_holder'
  if token and how == 'ask' then
    redis.call('ZADD', lock.key, -1, mark_of(token))
    local asked = redis.pcall('SPUBLISH', channel(token), 'break ' .. token .. ' ' .. counter .. ' 0')
    reply = 'asked ' .. digits(type(asked) == 'table' and 0 or asked)
  elseif token and how == 'force' then
    leave(lock, token)
    reply = 'broken'
  elseif token then
    reply = 'holds'
  end
  if lock.freed or reply == 'broken' then
    pass_on(lock, now)
  end
  return reply
end, { lock.queue }, { lock.seen })
