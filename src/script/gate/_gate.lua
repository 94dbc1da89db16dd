-- What the scripts of condition variables, latches and barriers share: who waits at them, and how
-- they are woken.
-- include _common.lua

-- Keeps a waiter that is in the queue, and is what its request is answered with.
local function stay(lock, token, ticket, now)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if now - tonumber(ticket) > WAITER_REFRESH then
    redis.call('HSET', lock.seen, token, digits(now))
    keep_for(lock.seen, QUEUE_LIFE_MS)
  end
  return echo(token) .. ' queued -1 0 ' .. ticket .. ' ' .. digits(now) .. ' ours'
end

-- Takes waiters from the head of the queue until `most` of them were told, and nobody whose ticket is
-- later than `latest`. Who is dead does not count. Who cannot be told (a missing right) learns of it
-- by looking again. Returns whether there may be more to wake: at most 64 are taken in one call.
local function wake(lock, now, most, latest)
  local first = redis.call('ZRANGEBYSCORE', lock.queue, '-inf', latest, 'WITHSCORES', 'LIMIT', 0,
    MOST_DEAD)
  local told = 0
  for i = 1, #first, 2 do
    local token = first[i]
    local alive = is_alive(lock.seen, token, tonumber(first[i + 1]), now)
    leave_queue(lock, token)
    if alive then
      local heard = redis.pcall('SPUBLISH', channel(token), 'grant ' .. token .. ' 0 ' .. digits(now))
      if type(heard) == 'table' or heard > 0 then
        told = told + 1
        if told == most then
          return false
        end
      end
    end
  end
  return #first == 2 * MOST_DEAD
end

-- For those who are left: the first looks again at once, and goes on with them.
local function tell_head(lock)
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head then
    tell(head, 0)
  end
end
