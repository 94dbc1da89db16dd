#!lua
-- Waits at a condition variable, or wakes waiters. A waiter enters the queue, releases its mutex, and
-- then waits until it is no longer in the queue.
-- KEYS: name, queue, seen
-- ARGV: token, ttl in ms (not used), 'enter', 'wait' or 'notify', known ticket or '', '' (not used)
--   and, to notify, how many waiters ('1' or 'all'), and the latest ticket among them or ''
-- Replies, after the echo: 'acquired TICKET' to enter; 'acquired 0' (it was woken), or
--   'queued -1 0 TICKET NOW ours' to wait; 'acquired LATEST' to notify: if it is not 0, there may
--   be more waiters, and the client repeats the call with LATEST as the latest ticket
-- include _gate.lua

local LATEST = '9007199254740991'  -- greater than all tickets

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
  local limit = ARGV[6] == '1' and 1 or math.huge
  local latest = ARGV[7]
  if latest == '' then
    -- All current waiters, also those that came before the clock went back.
    latest = redis.call('ZRANGE', lock.queue, -1, -1, 'WITHSCORES')[2] or '0'
  end
  latest = is_exact(tonumber(latest)) and digits(latest) or LATEST
  local more = wake(lock, now, limit, latest == LATEST and '+inf' or latest)
  return echo(token) .. ' acquired ' .. (more and latest or '0')
end, { lock.queue }, { lock.seen })
