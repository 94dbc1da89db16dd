#!lua
-- Counts a latch down, or waits until it is at zero. The first call creates it. A repeat with the same
-- token changes nothing.
-- KEYS: latch, queue, seen, parts
-- ARGV: token, ttl in ms (not used), 'count', 'join', 'wait' or 'try', known ticket or '', '' (not
--   used), initial count, life after this call in ms; to count, by how much; to join, or to count
--   for a part, its token
-- Replies, after the echo: 'acquired LEFT' (counted, joined, or at zero), 'busy -1' (not at zero),
--   'queued -1 0 TICKET NOW ours', 'other COUNT' (the latch has another initial count), or 'broken' (a
--   part was lost before it counted, or the latch was deleted after the ticket was given)
-- include _gate.lua
-- include _parts.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], parts = KEYS[4] }
local token, mode, ticket, count = ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[6])
local part = ARGV[9] or ''
local now = now_us()
return mend(function()
  local made_with = redis.call('HGET', lock.key, 'count')
  local left = made_with and tonumber(redis.call('HGET', lock.key, 'left'))
  made_with = made_with and tonumber(made_with)
  if made_with ~= false and not (is_exact(made_with) and is_exact(left) and left <= made_with) then
    return redis.error_reply('WRONGTYPE this hash does not hold a latch')
  elseif made_with and made_with ~= count then
    leave_queue(lock, token)
    return echo(token) .. ' other ' .. digits(made_with)
  elseif not made_with then
    if ticket ~= '' then
      return echo(token) .. ' broken'
    end
    left = count
    redis.call('HSET', lock.key, 'count', ARGV[6], 'left', ARGV[6])
  end
  extend_expiry(lock.key, ARGV[7])
  if mode == 'join' then
    join(lock, part)
  elseif mode == 'count' and not redis.call('HGET', lock.key, token) then
    if part ~= '' then
      if not is_there(lock, part, now) then
        return echo(token) .. ' broken'
      end
      leave(lock, part)
    end
    left = math.max(0, left - tonumber(ARGV[8]))
    redis.call('HSET', lock.key, 'left', digits(left), token, ARGV[8])
  end

  if left == 0 then
    leave_queue(lock, token)
    if wake(lock, now, math.huge, '+inf') then
      tell_head(lock)
    end
  end
  if left == 0 or mode == 'count' or mode == 'join' then
    return echo(token) .. ' acquired ' .. digits(left)
  elseif is_one_missing(lock, now) then
    leave_queue(lock, token)
    return echo(token) .. ' broken'
  elseif mode == 'try' then
    return echo(token) .. ' busy -1'
  end
  redis.call('ZADD', lock.queue, 'NX', ticket == '' and digits(now) or ticket, token)
  return stay(lock, token, redis.call('ZSCORE', lock.queue, token), now)
end, { lock.queue, lock.parts }, { lock.seen })
