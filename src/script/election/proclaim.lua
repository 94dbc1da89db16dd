#!lua flags=allow-oom
-- Writes the value of an election's leader and tells the observers. A repeat extends its expiry.
-- KEYS: lock, leader
-- ARGV: echo (of the token), client, counter, sequence, revision, life in ms, value
-- Replies, after the echo: 'proclaimed', 'renewed', 'outdated' (there is a later value), or
--   'not_leader'; 'mute ERROR' follows 'proclaimed' if the script could not tell the observers

local client, counter = ARGV[2], ARGV[3]
local sequence, revision = tonumber(ARGV[4]), tonumber(ARGV[5])

local held = redis.call('GET', KEYS[1])
local token = held and string.match(held, '^dlock1:' .. client .. ':%x+:%d+')
-- Without a recorded counter (see mutex/_lock.lua) the random part of the token has to do.
local recorded = held and string.match(held, ':(%d+):%d+$', 58)
if not token or (recorded or counter) ~= counter
  or not recorded and string.sub(token, 25, 32) ~= ARGV[1] then
  return ARGV[1] .. ' not_leader'
end
local record = redis.pcall('GET', KEYS[2])
record = type(record) == 'string' and record
local own = table.concat({ token, counter, ARGV[4], ARGV[5], ARGV[7] }, ':')
if record == own then
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  return ARGV[1] .. ' renewed'
elseif record and string.sub(record, 1, #token + #counter + 2) == token .. ':' .. counter .. ':' then
  local s, r = string.match(record, '^(%d+):(%d+):', #token + #counter + 3)
  s, r = tonumber(s) or 0, tonumber(r) or 0
  if (s > sequence or s == sequence and r > revision) and s < 64 and r < 2 ^ 53 then
    return ARGV[1] .. ' outdated'
  end
end
redis.call('SET', KEYS[2], own, 'PX', ARGV[6])
local told = redis.pcall('SPUBLISH', KEYS[2], 'changed')
return ARGV[1] .. ' proclaimed' .. (type(told) == 'table' and ' mute ' .. told.err or '')
