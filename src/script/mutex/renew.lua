#!lua flags=allow-oom
-- Renews many leases, and records the fences of those that have none yet. It never shortens an expiry,
-- and sets one that was removed. It writes each lease in any case: a client that sends WAIT after a
-- renewal waits until replicas have that write.
-- KEYS: fence, then lock, queue, seen for each lease; the lock key for all three, if the user has
--   rights to that alone
-- ARGV: echo, then token, ttl in ms, sequence, counter for each lease
-- Replies, after the echo: a letter for each lease: k (renewed), l (the key is gone), t (another token
--   has the lock), or b (renewed, but the holder is asked to give up)
-- include _lock.lua

local values = table.unpack or unpack  -- the second in Lua 5.1
local outcome = {}
local now
for i = 1, (#KEYS - 1) / 3 do
  local lock = { key = KEYS[3 * i - 1], queue = KEYS[3 * i], seen = KEYS[3 * i + 1], fence = KEYS[1] }
  local token, ttl_ms, sequence, counter = values(ARGV, 4 * i - 2, 4 * i + 1)
  local value = redis.pcall('GET', lock.key)
  if type(value) ~= 'table' and holds(value, token) then
    local _, recorded = fence_of(value)
    if not recorded then
      if redis.pcall('ZREM', lock.queue, token) == 1 then
        redis.pcall('HDEL', lock.seen, token)
      end
      local seal = seal_of(value)
      value = token .. (seal and ':' .. seal or '') .. ':' .. counter .. ':0'
    end
    local to_break = is_to_break(value)
    if to_break and recorded ~= sequence then
      value = string.gsub(value, ':break:', ':', 1)
    end
    if redis.call('PEXPIRE', lock.key, ttl_ms, 'GT') == 0 or recorded ~= sequence then
      redis.call('SET', lock.key, (string.gsub(value, '%d+$', sequence)), 'KEEPTTL')
      redis.call('PEXPIRE', lock.key, ttl_ms, 'NX')
    end
    outcome[i] = to_break and recorded == sequence and 'b' or 'k'
  else
    if not value and redis.call('EXISTS', lock.queue) == 1 then  -- not if it is the lock key
      now = now or now_us()
      mend(function() hand_off(lock, now) end, { lock.queue }, { lock.seen })
    end
    outcome[i] = value and 't' or 'l'
  end
end
return ARGV[1] .. ' ' .. table.concat(outcome)
