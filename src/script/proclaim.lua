#!lua flags=allow-oom
-- Writes down what the leader of an election says and tells its observers. A repeat keeps it longer.
-- KEYS: lock, leader
-- ARGV: token, sequence, revision, life in ms, value
-- Replies, after the echo: 'proclaimed', 'kept', 'outdated' (a later one is there), or 'not_leader';
--   after 'proclaimed' also 'mute ERROR' if the observers could not be told

local token, sequence, revision = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local echo = string.sub(token, 25, 32)

-- What follows the token in a value or a record of it.
local function after_token(text)
  return text and string.sub(text, 1, #token + 1) == token .. ':' and string.sub(text, #token + 2)
end

local held = after_token(redis.call('GET', KEYS[1]))
if not held then
  return echo .. ' not_leader'
end
local record = after_token(redis.call('GET', KEYS[2]))
if record then
  local s, r = string.match(record, '^%d+:(%d+):(%d+):')
  s, r = tonumber(s), tonumber(r)
  if s == sequence and r == revision then
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    return echo .. ' kept'
  elseif s > sequence or s == sequence and r > revision then
    return echo .. ' outdated'
  end
end
local counter = string.match(held, '^%d+')
redis.call('SET', KEYS[2], table.concat({ token, counter, ARGV[2], ARGV[3], ARGV[5] }, ':'),
  'PX', ARGV[4])
local told = redis.pcall('SPUBLISH', KEYS[2], 'changed')
return echo .. ' proclaimed' .. (type(told) == 'table' and ' mute ' .. told.err or '')
