-- What the scripts of barriers share. Phases are numbered, by the server's clock at the first, so that
-- no number comes again. `broken` is the last phase that broke; it is the present one until somebody
-- resets the barrier. `passed` is the last in which all arrived.
-- include _common.lua

local BARRIER_LIFE_MS = 600000  -- so long after its last use a barrier is forgotten
local NO_BARRIER = 'WRONGTYPE this hash does not hold a barrier'

-- Nothing, and an error, if the key holds something else.
local function read()
  local key = KEYS[1]
  local found = {}
  for _, field in ipairs({ 'parties', 'phase', 'ended', 'broken', 'passed' }) do
    local text = redis.call('HGET', key, field)
    found[field] = tonumber(text)
    if text and not is_exact(found[field]) then
      return nil, redis.error_reply(NO_BARRIER)
    end
  end
  if found.parties and not found.phase then
    return nil, redis.error_reply(NO_BARRIER)
  end
  return {
    key = key, queue = KEYS[2], ended = KEYS[3], parts = KEYS[4], parties = found.parties,
    phase = found.phase, ended_phase = found.ended, broken = found.broken or 0, passed = found.passed,
  }
end

-- Who arrived in the present phase is to be told how it ended.
local function end_phase(barrier)
  if redis.call('EXISTS', barrier.queue) == 1 then
    redis.call('RENAME', barrier.queue, barrier.ended)
    barrier.ended_phase = barrier.phase
    redis.call('HSET', barrier.key, 'ended', digits(barrier.phase))
  end
end

local function break_phase(barrier)
  barrier.broken = barrier.phase
  redis.call('HSET', barrier.key, 'broken', digits(barrier.phase))
  end_phase(barrier)
end

local function pass_phase(barrier)
  barrier.passed = barrier.phase
  redis.call('HSET', barrier.key, 'passed', digits(barrier.phase))
  end_phase(barrier)
end

local function begin_phase(barrier)
  barrier.phase = barrier.phase + 1
  redis.call('HSET', barrier.key, 'phase', digits(barrier.phase))
end

-- At most 64 are told in one call; one more looks again at once and goes on. Of a phase that broke
-- all look again.
local function tell_ended(barrier, now)
  local waiting =
    redis.call('ZRANGEBYSCORE', barrier.ended, 0, '+inf', 'LIMIT', 0, MOST_DEAD + 1)
  for i, token in ipairs(waiting) do
    if i > MOST_DEAD or barrier.ended_phase ~= barrier.passed then
      tell(token, 0)
    else
      redis.pcall('SPUBLISH', channel(token),
        'grant ' .. token .. ' ' .. digits(barrier.ended_phase) .. ' ' .. digits(now))
    end
    if i <= MOST_DEAD then
      redis.call('ZADD', barrier.ended, -1, token)
    end
  end
end
