-- Parts of a latch or barrier: the parties that joined it. Each holds a permit of the lock `parts` for
-- as long as it lives; the gate lists the parties and their number. A party acquires its permit before
-- it joins and releases it after it leaves, so fewer permits than parties mean that one was lost.

local function count_of_parts(gate)
  local count = tonumber(redis.call('HGET', gate.key, 'parts') or 0)
  return is_exact(count) and count or 0
end

local function join(gate, part)
  if not redis.call('HGET', gate.key, part) then
    redis.call('HSET', gate.key, part, 'part', 'parts', digits(count_of_parts(gate) + 1))
  end
end

local function leave(gate, part)
  if redis.call('HDEL', gate.key, part) == 1 then
    redis.call('HSET', gate.key, 'parts', digits(count_of_parts(gate) - 1))
  end
end

local function is_there(gate, part, now)
  return tonumber(redis.call('ZSCORE', gate.parts, part) or 0) > now
end

local function is_one_missing(gate, now)
  local parts = count_of_parts(gate)
  return parts > 0 and parts > redis.call('ZCOUNT', gate.parts, '(' .. digits(now), '+inf')
end
