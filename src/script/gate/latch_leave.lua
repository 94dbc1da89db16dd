#!lua flags=allow-oom
-- Leaves the queue of a latch.
-- KEYS: latch, queue, seen
-- ARGV: token
-- Replies, after the echo: 'released' or 'not_held'
-- include _gate.lua

local lock = { queue = KEYS[2], seen = KEYS[3] }
return mend(function()
  local waited = redis.call('ZSCORE', lock.queue, ARGV[1])
  leave_queue(lock, ARGV[1])
  return echo(ARGV[1]) .. (waited and ' released' or ' not_held')
end, { lock.queue }, { lock.seen })
