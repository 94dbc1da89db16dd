#!lua flags=allow-oom
-- Releases the lock, or leaves its queue, and hands a free lock to the next waiter.
-- KEYS: lock, queue, seen, fence
-- ARGV: token, and to keep the lock closed for a while: for at most this many ms
-- Replies, after the echo: 'released' or 'not_held', then 'mute ERROR' if the script could not
--   tell it

-- The common case comes first: the token has the lock, and there are no waiters.
local token = ARGV[1]
local value = redis.pcall('GET', KEYS[1])
local held = type(value) == 'string'
  and (value == token or string.sub(value, 1, #token + 1) == token .. ':')
local hands_off = held and not ARGV[2]
local head
if hands_off then
  -- A token without a recorded counter may still be in the queue.
  if not string.find(value, ':%d+:%d+$', 58) and redis.pcall('ZREM', KEYS[2], token) == 1 then
    redis.pcall('HDEL', KEYS[3], token)
  end
  head = redis.pcall('ZPOPMIN', KEYS[2])
  if head.err then
    head = nil
  elseif not head[1] then
    redis.call('DEL', KEYS[1])
    return string.sub(token, 25, 32) .. ' released'
  end
end

-- include _lock.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4],
  seal = held and seal_of(value) }
return mend(function(again)
  if again and hands_off and not holds(redis.call('GET', lock.key), token) then
    return echo(token) .. ' released'
  end
  if held and ARGV[2] then
    redis.call('PEXPIRE', lock.key, ARGV[2], 'LT')
    if tonumber(ARGV[2]) < LOOKS_AGAIN_MS then
      tell_head(lock, ARGV[2])
    end
    return echo(token) .. ' released'
  end
  if not hands_off then
    leave_queue(lock, token)
  end
  local outcome, problem
  if hands_off or not value and redis.call('EXISTS', lock.queue) == 1 then
    outcome, problem = hand_off(lock, now_us(), nil, false, head)
  end
  return echo(token) .. (hands_off and ' released' or ' not_held')
    .. (outcome == 'mute' and ' mute ' .. problem or '')
end, { lock.queue }, { lock.seen })
