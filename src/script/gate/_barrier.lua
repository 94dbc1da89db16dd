-- Shared by the scripts of barriers. Phases are numbered from the server's time at the first one, so
-- that no number recurs. `broken` is the last phase that broke: the current one, until a reset.
-- `passed` is the last phase in which all parties arrived.
-- include _common.lua

local BARRIER_LIFE_MS = 600000  -- a barrier expires this long after its last use
local NO_BARRIER = 'WRONGTYPE this hash does not hold a barrier'

-- Returns nil and an error if the key holds something else.
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

-- Moves the parties of the current phase to those that must learn how it ended.
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

-- Tells at most 64 parties in one call; one more is asked to look again at once, and its call goes
-- on. When a phase broke, all of them are asked to look again.
local function tell_ended(barrier, now)
  local waiting =
    redis.call('ZRANGEBYSCORE', barrier.ended, 0, '+inf', 'LIMIT', 0, MAX_DEAD + 1)
  for i, token in ipairs(waiting) do
    if i > MAX_DEAD or barrier.ended_phase ~= barrier.passed then
      tell(token, 0)
    else
      redis.pcall('SPUBLISH', channel(token),
        'grant ' .. token .. ' ' .. digits(barrier.ended_phase) .. ' ' .. digits(now))
    end
    if i <= MAX_DEAD then
      redis.call('ZADD', barrier.ended, -1, token)
    end
  end
end
