#!lua flags=allow-oom
-- Writes the fence of a lease of several servers on one of them: into the lock's value, and into the
-- counter unless that is greater. It never shortens the expiry.
-- KEYS: lock, fence
-- ARGV: token, ttl in ms, counter
-- Replies, after the echo: 'written', or 'lost'

local MAX_AHEAD = 3.2e15  -- as in _common.lua

local token, ttl_ms, counter = ARGV[1], ARGV[2], ARGV[3]
local echo = string.sub(token, 25, 32)
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string'
  or value ~= token and string.sub(value, 1, #token + 1) ~= token .. ':' then
  return echo .. ' lost'
end
local known = redis.pcall('GET', KEYS[2])
known = type(known) == 'string' and tonumber(known) or 0
if not (known >= tonumber(counter) and known < counter + MAX_AHEAD) then
  redis.call('SET', KEYS[2], counter)
end
local recorded_at, _, sequence = string.find(value, ':%d+:(%d+)$', 58)
local before = value
if recorded_at then
  before = string.sub(value, 1, recorded_at - 1)
elseif value ~= token then
  before = string.gsub(value, ':$', '')
end
redis.call('SET', KEYS[1], before .. ':' .. counter .. ':' .. (sequence or '0'), 'KEEPTTL')
if redis.call('PEXPIRE', KEYS[1], ttl_ms, 'GT') == 0 then
  redis.call('PEXPIRE', KEYS[1], ttl_ms, 'NX')
end
return echo .. ' written'
