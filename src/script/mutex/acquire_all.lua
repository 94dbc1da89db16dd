#!lua
-- Takes many locks if all of them are free and without waiters, and otherwise none. A repeat with the
-- same tokens changes only the expiries.
-- KEYS: fence, then lock, queue, seen for each lock
-- ARGV: ttl in ms, then a token for each lock
-- Replies, after the echo of the first token: 'acquired', and a COUNTER for each lock, or
--   'busy LEFT_MS' of the first that is not free (-1 for a lock without expiry)
-- include _lock.lua

local ttl_ms = ARGV[1]
if not is_ttl(ttl_ms) then
  return redis.error_reply(NO_TTL)
end
local now = now_us()
local queues, seens = {}, {}
for i = 1, (#KEYS - 1) / 3 do
  queues[i], seens[i] = KEYS[3 * i], KEYS[3 * i + 1]
end
return mend(function()
  local locks = {}
  for i = 1, (#KEYS - 1) / 3 do
    local lock = { key = KEYS[3 * i - 1], queue = KEYS[3 * i], seen = KEYS[3 * i + 1], fence = KEYS[1],
      token = ARGV[i + 1] }
    local value = redis.call('GET', lock.key)
    local outcome, left_ms
    local held = holds(value, lock.token)
    if held then
      lock.counter = counter_of(value)
    elseif not value and redis.call('EXISTS', lock.queue) == 1 then
      outcome, left_ms = hand_off(lock, now)
    end
    if value and not held or outcome == 'granted' or outcome == 'foreign' then
      return echo(ARGV[2]) .. ' busy ' .. (left_ms or digits(math.min(redis.call('PTTL', lock.key), MAX_LEFT_MS)))
    end
    locks[i] = lock
  end

  local reply = { echo(ARGV[2]), 'acquired' }
  for i, lock in ipairs(locks) do
    leave_queue(lock, lock.token)
    if lock.counter then
      redis.call('PEXPIRE', lock.key, ttl_ms)
    else
      local counter = next_fence(lock, now)
      own(lock, lock.token, counter, ttl_ms)
      lock.counter = digits(counter)
    end
    reply[i + 2] = lock.counter
  end
  return table.concat(reply, ' ')
end, queues, seens)
