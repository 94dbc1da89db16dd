#!lua
-- Takes the lock, or queues for it. A repeat with the same token changes only the expiry; but a lock
-- that the token took without a script goes to the head of the queue, if there is one.
-- KEYS: lock, queue, seen, fence
-- ARGV: token, ttl in ms, 'wait', 'try' or 'keep' (a try that hands nothing on), known ticket or '', token to release first or '', a recent
--   counter or '' (unless the fence key is below it, the script need not read the clock); and, to
--   wait, a seal for the lock if it has none
-- Replies, after the echo: 'acquired COUNTER', 'busy LEFT_MS', or
--   'queued LEFT_MS PLACE TICKET NOW ours|ours:SEAL|foreign' (LEFT_MS is -1 for a lock without expiry)
--   and last, if there was a token to release: 'released' or 'not_held'

-- The common cases come first, since the definitions below cost time. The lock is free and has no
-- waiters:
local recent = tonumber(ARGV[6])
if recent and ARGV[5] == '' and redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  local counter = redis.pcall('INCR', KEYS[4])
  if type(counter) == 'number' and counter > recent and counter < recent + 1e12 then
    counter = string.format('%.0f', counter)
    redis.call('SET', KEYS[1], ARGV[1] .. ':' .. counter .. ':0', 'PX', ARGV[2])
    return string.sub(ARGV[1], 25, 32) .. ' acquired ' .. counter
  end
end

-- Another dlock client holds it, and this waiter is new:
local token, ttl_ms, mode, ticket, old = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local new_seal = ARGV[7] ~= '' and ARGV[7]
local value = redis.call('GET', KEYS[1])
local whose = 'ours'
local others = mode == 'wait' and value and string.sub(value, 1, 7) == 'dlock1:'
  and string.sub(value, 1, #token) ~= token
if others and value ~= old and (old == '' or string.sub(value, 1, #old + 1) ~= old .. ':') then
  local seal = string.match(value, ':(%d+%.%d+):', 57)
  -- The holder of a bare value deletes it without a look at the queue, so it must not stay bare.
  local is_bare = not seal and string.find(value, '^dlock1:%x+:%x+:%d*$')
  if not seal and (new_seal or is_bare) then
    seal = new_seal
    local marked = seal and string.gsub(value, '^dlock1:%x+:%x+:%d*', '%0:' .. seal) or value
    redis.call('SET', KEYS[1], marked .. (is_bare and ':' or ''), 'KEEPTTL')
  end
  whose = seal and 'ours:' .. seal or whose
end
if others and ticket == '' and old == '' then
  local time = redis.call('TIME')
  local now = time[1] .. string.format('%06d', time[2])
  if redis.pcall('ZADD', KEYS[2], 'NX', now, token) == 1 then
    redis.call('PEXPIRE', KEYS[2], 20000)  -- QUEUE_LIFE_MS
    return string.sub(token, 25, 32) .. ' queued '
      .. string.format('%.0f %.0f ', math.min(redis.call('PTTL', KEYS[1]), 1e13),  -- MAX_LEFT_MS
        redis.call('ZRANK', KEYS[2], token)) .. now .. ' ' .. now .. ' ' .. whose
  end
end

-- include _lock.lua

if not is_ttl(ttl_ms) then
  return redis.error_reply(NO_TTL)
end
local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local now = now_us()
local gives_up = old ~= '' and holds(value, old)
local given_up = old == '' and '' or gives_up and ' released' or ' not_held'

return mend(function(again)
  if again then
    value = redis.call('GET', lock.key)
    gives_up = old ~= '' and holds(value, old)
  end
  local is_own = holds(value, token)
  local counter = is_own and counter_of(value)
  if is_own and (counter or mode == 'keep' or redis.call('EXISTS', lock.queue) == 0) then
    leave_queue(lock, token)
    if counter then
      redis.call('PEXPIRE', lock.key, ttl_ms)
    else
      lock.seal = seal_of(value)
      local new = next_fence(lock, now)
      own(lock, token, new, ttl_ms)
      counter = digits(new)
    end
    return echo(token) .. ' acquired ' .. counter .. given_up
  end

  local left_ms
  if not value or gives_up or is_own then
    if gives_up and not counter_of(value) then
      leave_queue(lock, old)
    end
    local outcome, left = 'nobody', nil
    local somebody_waits = redis.call('EXISTS', lock.queue) == 1
    if somebody_waits then
      lock.seal = value and seal_of(value) or new_seal
      outcome, left = hand_off(lock, now, token, gives_up)
    end
    if outcome ~= 'granted' and outcome ~= 'foreign' then
      local new = next_fence(lock, now)
      own(lock, token, new, ttl_ms)
      if somebody_waits and outcome ~= 'yours' then
        leave_queue(lock, token)
      end
      return echo(token) .. ' acquired ' .. digits(new) .. given_up
    end
    left_ms = left
    value = nil
    whose = outcome == 'granted' and lock.seal and 'ours:' .. lock.seal or whose
  end

  left_ms = left_ms or digits(math.min(redis.call('PTTL', lock.key), MAX_LEFT_MS))
  if mode ~= 'wait' then
    return echo(token) .. ' busy ' .. left_ms .. given_up
  end

  local foreign = value and not is_ours(value)
  if foreign then
    local turn = redis.call('ZSCORE', lock.queue, FOREIGN)
    if not turn or tonumber(turn) < 0 then
      redis.call('ZADD', lock.queue, digits(now), FOREIGN)
    end
  end
  if ticket == '' then
    ticket = redis.call('ZSCORE', lock.queue, token) or now
  end
  ticket = tonumber(ticket)
  redis.call('ZADD', lock.queue, 'NX', digits(ticket), token)
  redis.call('PEXPIRE', lock.queue, QUEUE_LIFE_MS)
  if now - ticket > WAITER_REFRESH then
    redis.call('HSET', lock.seen, token, digits(now))
    redis.call('PEXPIRE', lock.seen, QUEUE_LIFE_MS)
  end
  local place = redis.call('ZRANK', lock.queue, token)
  if foreign and redis.call('ZRANK', lock.queue, FOREIGN) < place then
    place = place - 1  -- otherwise no waiter would be the first, which polls
  end
  return table.concat({ echo(token), 'queued', left_ms, digits(place), digits(ticket), digits(now),
    foreign and 'foreign' or whose }, ' ') .. given_up
end, { lock.queue }, { lock.seen })
