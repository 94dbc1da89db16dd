#!lua flags=no-writes,allow-oom
-- Reads locks, without changing them.
-- KEYS: lock, queue, seen for each lock
-- ARGV: 'all'; or 'ours' to skip locks that are free or held by other programs; or 'some' and a number:
--   without waiters, and of many holders only one part, by that number, without their counters
-- Replies: the server's time, then for each lock false (skipped) or a list: the problem with it or
--   '', its content, its time to live in ms (as PTTL returns it), then TOKEN and TICKET of each live
--   waiter. The content of a mutex is its value; that of permits is a list of the capacity, then TOKEN,
--   END and COUNTER (or '') of each holder
-- include _lock.lua

local MAX_BYTES = 1024  -- of a value in the reply: one of another program may have any length
local MAX_HOLDERS = 128 -- in one part

-- Returns the holders of permits, or the given `part` of them; nil if the key holds something else.
local function permits(lock_key, seen_key, now, part)
  local numbers = redis.pcall('ZMSCORE', lock_key, '=capacity', '=used')
  if numbers.err or not (numbers[1] and numbers[2]) then
    return
  end
  local found = { digits(-numbers[1]) }
  local from, offset, limit = '(' .. digits(math.max(now, 0)), 0, -1
  if part then
    limit = MAX_HOLDERS
    local others = redis.call('ZCOUNT', lock_key, from, '+inf') - limit
    offset = others > 0 and math.min(part * limit % (others + limit), others) or 0
  end
  local holders =
    redis.call('ZRANGEBYSCORE', lock_key, from, '+inf', 'WITHSCORES', 'LIMIT', digits(offset), limit)
  for h = 1, #holders, 2 do
    found[#found + 1] = holders[h]
    found[#found + 1] = digits(holders[h + 1])
    local counter = not part and redis.pcall('HGET', seen_key, holders[h])
    found[#found + 1] = type(counter) == 'string' and counter or ''
  end
  return found
end

local part = ARGV[1] == 'some' and tonumber(ARGV[2])
local now = now_us()
local answer = { digits(now) }
for i = 1, #KEYS, 3 do
  local value = redis.pcall('GETRANGE', KEYS[i], 0, MAX_BYTES - 1)
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
        lock[#lock + 1] = digits(ticket)
      end
    end
    answer[#answer + 1] = lock
  end
end
return answer
