#!lua
-- Waits at a condition variable, or wakes who waits. A waiter enters the queue, lets go of its mutex,
-- and then waits until it is not in the queue any more.
-- KEYS: name, queue, seen
-- ARGV: token, ttl in ms (not used), 'enter', 'wait' or 'notify', known ticket or '', '' (not used)
--   and, to notify, how many ('1' or 'all'), and the latest ticket of who is to be woken or ''
-- Replies, after the echo: 'acquired TICKET' to enter; 'acquired 0' (it was woken), or
--   'queued -1 0 TICKET NOW ours' to wait; 'acquired LATEST' to notify: not 0 if there may be more to
--   wake, with that as the latest ticket
-- include _gate.lua

local LATEST = '9007199254740991'  -- beyond all tickets of ours

local lock = { queue = KEYS[2], seen = KEYS[3] }
local token, mode = ARGV[1], ARGV[3]
local now = now_us()

return mend(function()
  if mode == 'enter' then
    redis.call('ZADD', lock.queue, 'NX', digits(now), token)
    redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
    local ticket = tonumber(redis.call('ZSCORE', lock.queue, token))
    return echo(token) .. ' acquired ' .. digits(is_exact(ticket) and ticket or now)
  elseif mode == 'wait' then
    local ticket = redis.call('ZSCORE', lock.queue, token)
    return ticket and stay(lock, token, ticket, now) or echo(token) .. ' acquired 0'
  end
  local most = ARGV[6] == '1' and 1 or math.huge
  local latest = ARGV[7]
  if latest == '' then
    -- All who are here, also those who came before the clock went back.
    latest = redis.call('ZRANGE', lock.queue, -1, -1, 'WITHSCORES')[2] or '0'
  end
  latest = is_exact(tonumber(latest)) and latest or LATEST
  local more = wake(lock, now, most, latest == LATEST and '+inf' or latest)
  return echo(token) .. ' acquired ' .. (more and latest or '0')
end, { lock.queue }, { lock.seen })
