#!lua
-- Arrives at a barrier and waits for the others, or resets it. A repeat with the same token changes
-- nothing. The queue has the parties that arrived, by the time at which they last asked; the second
-- queue has those whose phase has ended, with a negative time once they were told.
-- KEYS: barrier, queue, queue of those to be told, parts
-- ARGV: token, ttl in ms (not used), 'wait', 'join', 'leave' or 'reset', phase in which it arrived or
--   '', '' (not used), the number of parties; to join or leave, the token of the part
-- Replies, after the echo: 'acquired PHASE' (all arrived, joined, left, or the barrier was reset),
--   'broken', 'queued -1 0 PHASE NOW ours', or 'other PARTIES' (the barrier has another number)
-- include _barrier.lua
-- include _parts.lua

-- Removes the parts that were lost.
local function forget_missing_parts(barrier, now)
  local fields = redis.call('HGETALL', barrier.key)
  for i = 1, #fields, 2 do
    if fields[i + 1] == 'part' and not is_there(barrier, fields[i], now) then
      leave(barrier, fields[i])
    end
  end
end

local token, mode, ticket, parties = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[6])
local barrier, problem = read()
if problem then
  return problem
end
local now = now_us()
return mend(function()
  if barrier.parties and barrier.parties ~= parties then
    return echo(token) .. ' other ' .. digits(barrier.parties)
  elseif not barrier.parties then
    if ticket then
      return echo(token) .. ' broken'
    end
    -- Left by an earlier barrier of this name. A waiter that is still at that one learns that it broke.
    redis.call('DEL', barrier.queue, barrier.ended)
    barrier.phase, barrier.broken = now, now - 1
    redis.call('HSET', barrier.key, 'parties', ARGV[6], 'phase', digits(now), 'broken', digits(now - 1))
  end
  redis.call('PEXPIRE', barrier.key, BARRIER_LIFE_MS)
  if mode == 'reset' and redis.call('HGET', barrier.key, 'reset') == token then
    return echo(token) .. ' acquired ' .. digits(barrier.phase)
  end

  if mode == 'join' or mode == 'leave' then
    local change = mode == 'join' and join or leave
    change(barrier, ARGV[7])
    return echo(token) .. ' acquired ' .. digits(barrier.phase)
  end

  local oldest = redis.call('ZRANGE', barrier.queue, 0, 1, 'WITHSCORES')
  local heard = oldest[oldest[1] == token and 4 or 2]
  local is_dead = heard and now - heard > WAITER_LIFE
  if is_dead or mode == 'reset' or is_one_missing(barrier, now) then
    break_phase(barrier)
  end
  if mode == 'reset' then
    redis.call('HSET', barrier.key, 'reset', token)
    forget_missing_parts(barrier, now)
    begin_phase(barrier)
    tell_ended(barrier, now)
    return echo(token) .. ' acquired ' .. digits(barrier.phase)
  end

  -- A request without a ticket may repeat one that was not answered.
  local mine = ticket or redis.call('ZSCORE', barrier.ended, token) and barrier.ended_phase
    or barrier.phase
  if mine == barrier.phase and barrier.broken < mine then
    redis.call('ZADD', barrier.queue, digits(now), token)
    redis.call('PEXPIRE', barrier.queue, BARRIER_LIFE_MS)
    if redis.call('ZCARD', barrier.queue) < parties then
      return echo(token) .. ' queued -1 0 ' .. digits(mine) .. ' ' .. digits(now) .. ' ours'
    end
    pass_phase(barrier)
    begin_phase(barrier)
  end
  redis.call('ZADD', barrier.ended, 'XX', -1, token)
  tell_ended(barrier, now)
  local passed = mine == barrier.passed or barrier.broken < mine and mine < barrier.phase
  return echo(token) .. (passed and ' acquired ' .. digits(mine) or ' broken')
end, { barrier.queue, barrier.ended, barrier.parts })
