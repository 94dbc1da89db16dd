#!lua flags=no-writes,allow-oom
-- Looks at locks, changing nothing.
-- KEYS: lock, queue, seen for each lock
-- ARGV: 'all', or 'ours' to pass over locks that are free or held by others
-- Replies: the server's time, then for each lock false (passed over) or a list: the problem with it
--   or '', its value, its time to live in ms (as of PTTL), then TOKEN and TICKET for each live waiter
-- include _lock.lua

local MOST_BYTES = 1024 -- of a value that is shown: a foreign one may have any length

local function is_waiting(seen_key, token, ticket, now)
  if token == FOREIGN then
    return false
  elseif now - ticket <= WAITER_REFRESH then
    return true
  end
  local seen = redis.call('HGET', seen_key, token)
  return now - (tonumber(seen) or ticket) <= WAITER_LIFE
end

local now = now_us()
local answer = { digits(now) }
for i = 1, #KEYS, 3 do
  local value = redis.pcall('GETRANGE', KEYS[i], 0, MOST_BYTES - 1)
  local problem = type(value) == 'table' and value.err or ''
  if ARGV[1] == 'ours' and (problem ~= '' or not is_ours(value)) then
    answer[#answer + 1] = false
  else
    local lock = { problem, problem == '' and value or '', redis.call('PTTL', KEYS[i]) }
    local queue = redis.pcall('ZRANGE', KEYS[i + 1], 0, -1, 'WITHSCORES')
    for w = 1, queue.err and 0 or #queue, 2 do
      if is_waiting(KEYS[i + 2], queue[w], tonumber(queue[w + 1]), now) then
        lock[#lock + 1] = queue[w]
        lock[#lock + 1] = queue[w + 1]
      end
    end
    answer[#answer + 1] = lock
  end
end
return answer
