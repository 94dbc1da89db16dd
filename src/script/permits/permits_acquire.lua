#!lua
-- Takes permits, or queues for them. A repeat with the same token changes only the expiry.
-- KEYS: lock, queue, seen, fence
-- ARGV: token, ttl in ms, 'wait' or 'try' ('wait_first', 'try_first': before all waiters), known
--   ticket or '', token to replace or '', capacity, and to wait, a seal for the lock if it
--   has none
-- Replies, after the echo: 'acquired COUNTER', 'busy LEFT_MS', 'other CAPACITY' (the lock has another
--   capacity), or 'queued LEFT_MS PLACE TICKET NOW ours|ours:SEAL' (LEFT_MS is -1 without a holder)
--   and last, if there was a token to replace: 'released' or 'not_held'
-- include _permits.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local token, ttl_ms, mode, ticket, old = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local capacity, new_seal = tonumber(ARGV[6]), ARGV[7] ~= '' and ARGV[7]
local first = mode == 'wait_first' or mode == 'try_first'
local stays = mode == 'wait' or mode == 'wait_first'
local _, weight = terms_of(token)
if not weight or weight < 1 or weight > capacity or ttl_ms < 1 then
  return redis.error_reply('ERR a weight from 1 to the capacity and a ttl are needed')
end
local now = now_us()
local problem = look(lock, now)
if problem then
  return problem
end
return mend(function()
  local somebody_waits = redis.call('EXISTS', lock.queue) == 1
  local given_up = old ~= '' and ' not_held' or ''
  if somebody_waits then
    lock.seal = lock.seal or new_seal
  end

  local counter
  local outcome = 'empty'
  if holds(lock, token) then
    redis.call('ZREM', lock.queue, token)
    redis.call('ZADD', lock.key, digits(now + ttl_ms * 1000), token)
    extend_expiry(lock.key, ttl_ms + LINGER_MS)
    counter = noted_fence(lock, token, now) or next_fence(lock, now)
    note_fence(lock, token, counter, ttl_ms)
  elseif old ~= '' then
    -- It replaces the old lease or fails: a holder that lost that one has no right to this one.
    local _, former = terms_of(old)
    if not holds(lock, old) then
      forget_fence(lock, old)
    elseif weight <= former then
      redis.call('ZREM', lock.key, old, mark_of(old))
      forget_fence(lock, old)
      leave_queue(lock, token)
      lock.used = lock.used - former
      counter = enter(lock, token, weight, ttl_ms, now)
      given_up = ' released'
    end
  elseif lock.used > 0 and lock.capacity ~= capacity then
    local other = digits(lock.capacity)
    leave_queue(lock, token)
    pass_on(lock, now)
    return echo(token) .. ' other ' .. other
  else
    lock.capacity = capacity
    if somebody_waits and not first then
      outcome = hand_off(lock, now, token, stays)
    end
    if (outcome == 'empty' or outcome == 'yours') and lock.used + weight <= capacity then
      if first then
        leave_queue(lock, token)
      end
      counter = enter(lock, token, weight, ttl_ms, now)
    end
  end

  if counter then
    if somebody_waits then
      hand_off(lock, now)
    end
    return echo(token) .. ' acquired ' .. digits(counter) .. given_up
  end

  local left = outcome == 'more' and '0' or left_ms(lock, now)
  if old ~= '' or not stays then
    return echo(token) .. ' busy ' .. left .. given_up
  end
  if ticket == '' then
    ticket = redis.call('ZSCORE', lock.queue, token) or first and -now or now
  end
  ticket = tonumber(ticket)
  redis.call('ZADD', lock.queue, 'NX', digits(ticket), token)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if now - math.abs(ticket) > WAITER_REFRESH then
    redis.call('HSET', lock.seen, token, digits(now))
    extend_expiry(lock.seen, QUEUE_LIFE_MS)
  end
  if lock.used > 0 and not lock.is_sealed and new_seal then
    write_seal(lock, lock.seal or new_seal)
  end
  return table.concat({ echo(token), 'queued', left, digits(redis.call('ZRANK', lock.queue, token)),
    digits(ticket), digits(now),
    lock.is_sealed and 'ours:' .. lock.seal or 'ours' }, ' ')
end, { lock.queue }, { lock.seen })
