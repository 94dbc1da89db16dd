#!lua flags=allow-oom
-- Renews many leases of permits. It never shortens an expiry. It writes each lease in any case, as
-- renew.lua does: at least its fence.
-- KEYS: fence, then lock, queue, seen for each lease; the lock key for all three, if the user has
--   rights to that alone
-- ARGV: echo, then token, ttl in ms, counter for each lease
-- Replies, after the echo: a letter for each lease: k (renewed), l (lost), or b (renewed, but the
--   holder is asked to give up)
-- include _permits.lua

local outcome = {}
local now = now_us()
for i = 1, (#KEYS - 1) / 3 do
  local lock = { key = KEYS[3 * i - 1], queue = KEYS[3 * i], seen = KEYS[3 * i + 1], fence = KEYS[1] }
  local token, ttl_ms, counter = ARGV[3 * i - 1], tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local problem = look(lock, now)
  if not problem and holds(lock, token) then
    redis.call('ZADD', lock.key, 'XX', 'GT', digits(now + ttl_ms * 1000), token)
    extend_expiry(lock.key, ttl_ms + LINGER_MS)
    note_fence(lock, token, counter, ttl_ms)
    outcome[i] = redis.call('ZSCORE', lock.key, mark_of(token)) and 'b' or 'k'
  else
    forget_fence(lock, token)
    outcome[i] = 'l'
  end
  local is_alone = lock.queue == lock.key
  if not problem and not is_alone and (lock.freed or not lock.capacity) then
    mend(function() pass_on(lock, now) end, { lock.queue }, { lock.seen })
  end
end
return ARGV[1] .. ' ' .. table.concat(outcome)
