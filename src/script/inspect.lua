#!lua flags=no-writes,allow-oom
-- Looks at locks, changing nothing.
-- KEYS: lock, queue, seen for each lock
-- ARGV: 'all'; or 'ours' to pass over locks that are free or held by others; or 'some' and a number:
--   no waiters, and of many holders a part without their counters, another for each number
-- Replies: the server's time, then for each lock false (passed over) or a list: the problem with it
--   or '', what it holds, its time to live in ms (as of PTTL), then TOKEN and TICKET for each live
--   waiter. What a mutex holds is its value; permits are a list of the capacity, then TOKEN, END and
--   COUNTER (or '') for each holder
-- include _lock.lua

local MOST_BYTES = 1024  -- of a value that is shown: a foreign one may have any length
local MOST_HOLDERS = 128 -- in a part

-- The holders of permits, or the given `part` of them; nothing if it is something else.
local function permits(lock_key, seen_key, now, part)
  local numbers = redis.pcall('ZMSCORE', lock_key, '=capacity', '=used')
  if numbers.err or not (numbers[1] and numbers[2]) then
    return
  end
  local found = { digits(-numbers[1]) }
  local from, offset, most = '(' .. digits(math.max(now, 0)), 0, -1
  if part then
    most = MOST_HOLDERS
    local others = redis.call('ZCOUNT', lock_key, from, '+inf') - most
    offset = others > 0 and math.min(part * most % (others + most), others) or 0
  end
  local holders =
    redis.call('ZRANGEBYSCORE', lock_key, from, '+inf', 'WITHSCORES', 'LIMIT', offset, most)
  for h = 1, #holders, 2 do
    found[#found + 1] = holders[h]
    found[#found + 1] = holders[h + 1]
    local counter = not part and redis.pcall('HGET', seen_key, holders[h])
    found[#found + 1] = type(counter) == 'string' and counter or ''
  end
  return found
end

local part = ARGV[1] == 'some' and tonumber(ARGV[2])
local now = now_us()
local answer = { digits(now) }
for i = 1, #KEYS, 3 do
  local value = redis.pcall('GETRANGE', KEYS[i], 0, MOST_BYTES - 1)
  local problem = type(value) == 'table' and value.err or ''
  local ours = problem == '' and is_ours(value)
  if string.sub(problem, 1, 9) == 'WRONGTYPE' then
    value = permits(KEYS[i], KEYS[i + 2], now, part)
    ours = value
    problem = value and '' or problem
  end
  if ARGV[1] == 'ours' and not ours then
    answer[#answer + 1] = false
  else
    local lock = { problem, problem == '' and value or '', redis.call('PTTL', KEYS[i]) }
    local queue = part and {} or redis.pcall('ZRANGE', KEYS[i + 1], 0, -1, 'WITHSCORES')
    for w = 1, queue.err and 0 or #queue, 2 do
      local ticket = tonumber(queue[w + 1])
      if is_token(queue[w]) and is_alive(KEYS[i + 2], queue[w], ticket, now) then
        lock[#lock + 1] = queue[w]
        lock[#lock + 1] = queue[w + 1]
      end
    end
    answer[#answer + 1] = lock
  end
end
return answer
