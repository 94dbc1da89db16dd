-- Shared by the scripts of condition variables, latches and barriers: their waiters, and how a script
-- wakes them.
-- include _common.lua

-- Refreshes a waiter that is in the queue, and returns the reply to its request.
local function stay(lock, token, ticket, now)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if now - tonumber(ticket) > WAITER_REFRESH then
    redis.call('HSET', lock.seen, token, digits(now))
    extend_expiry(lock.seen, QUEUE_LIFE_MS)
  end
  return echo(token) .. ' queued -1 0 ' .. digits(ticket) .. ' ' .. digits(now) .. ' ours'
end

-- Takes waiters with a ticket of at most `latest` from the head of the queue, and wakes up to `limit`
-- of them. Dead waiters do not count. A waiter that cannot be told (a right is missing) notices when it
-- looks again. One call takes at most 64; returns whether there may be more to wake.
local function wake(lock, now, limit, latest)
  local first = redis.call('ZRANGEBYSCORE', lock.queue, '-inf', latest, 'WITHSCORES', 'LIMIT', 0,
    MAX_DEAD)
  local told = 0
  for i = 1, #first, 2 do
    local token = first[i]
    local alive = is_alive(lock.seen, token, tonumber(first[i + 1]), now)
    leave_queue(lock, token)
    if alive then
      local heard = redis.pcall('SPUBLISH', channel(token), 'grant ' .. token .. ' 0 ' .. digits(now))
      if type(heard) == 'table' or heard > 0 then
        told = told + 1
        if told == limit then
          return false
        end
      end
    end
  end
  return #first == 2 * MAX_DEAD
end

-- Asks the first of the remaining waiters to look again at once; its call wakes the next ones.
local function tell_head(lock)
  local head = redis.call('ZRANGE', lock.queue, 0, 0)[1]
  if head then
    tell(head, 0)
  end
end
