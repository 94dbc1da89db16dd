#!lua flags=allow-oom
-- Releases permits, or leaves their queue, and hands free permits to the next waiters that fit.
-- KEYS: lock, queue, seen, fence
-- ARGV: token
-- Replies, after the echo: 'released' or 'not_held', then 'mute ERROR' if the script could not
--   tell them
-- include _permits.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local token = ARGV[1]
local now = now_us()
local problem = look(lock, now)
local held = not problem and leave(lock, token)
return mend(function()
  if not held then
    leave_queue(lock, token)
    forget_fence(lock, token)
  end
  local outcome, reason
  if not problem then
    outcome, reason = pass_on(lock, now)
  end
  return echo(token) .. (held and ' released' or ' not_held')
    .. (outcome == 'mute' and ' mute ' .. reason or '')
end, { lock.queue }, { lock.seen })
