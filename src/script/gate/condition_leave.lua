#!lua flags=allow-oom
-- Leaves the queue of a condition variable. If this waiter was woken already, the script wakes the
-- next one in its place.
-- KEYS: name, queue, seen
-- ARGV: token
-- Replies, after the echo: 'released' or 'not_held'
-- include _gate.lua

local lock = { queue = KEYS[2], seen = KEYS[3] }
local token = ARGV[1]
local now = now_us()
return mend(function()
  if redis.call('ZSCORE', lock.queue, token) then
    leave_queue(lock, token)
    return echo(token) .. ' released'
  end
  repeat
    local more = wake(lock, now, 1, '+inf')
  until not more
  return echo(token) .. ' not_held'
end, { lock.queue }, { lock.seen })
