#!lua flags=allow-oom
-- Stops waiting at a barrier. This breaks the barrier if its phase has not ended.
-- KEYS: barrier, queue, queue of those to be told
-- ARGV: token
-- Replies, after the echo: 'released' or 'not_held'
-- include _barrier.lua

local token = ARGV[1]
local barrier = read()
return mend(function()
  if not (barrier and barrier.phase and redis.call('ZSCORE', barrier.queue, token)) then
    return echo(token) .. ' not_held'
  end
  break_phase(barrier)
  redis.call('ZADD', barrier.ended, -1, token)
  tell_ended(barrier, now_us())
  return echo(token) .. ' released'
end, { KEYS[2], KEYS[3] })
