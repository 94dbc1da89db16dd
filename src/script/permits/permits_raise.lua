#!lua flags=allow-oom
-- Writes down the fence of a lease that is held on several servers, on one of them: with its holder,
-- and in the counter, which is never put back. While a counter is 'new', nobody was told it, and it
-- is not written if another holder has it, or one who left may have had it: no two leases get the
-- same. An expiry is never shortened.
-- KEYS: lock, queue, seen, fence
-- ARGV: token, ttl in ms, counter, 'new' or 'used'
-- Replies, after the echo: 'raised', 'passed COUNTER' (it was not new: another, noted for this holder
--   and not written), or 'lost'
-- include _permits.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local token, ttl_ms, counter, is_new = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == 'new'
local mine = '=' .. token

local function is_taken()
  local score = digits(-counter)
  return counter <= (lock.raised or 0) or redis.call('ZCOUNT', lock.key, score, score) > 0
end

local now = now_us()
local problem = look(lock, now)
local reply = ' lost'
if not problem and holds(lock, token) then
  redis.call('ZADD', lock.key, 'XX', 'GT', digits(now + ttl_ms * 1000), token)
  keep_for(lock.key, ttl_ms + LINGER_MS)
  local noted = noted_fence(lock, token, now) or 0
  local is_repeat = -(redis.call('ZSCORE', lock.key, mine) or 0) == counter
  if is_new and not is_repeat and (noted > counter or is_taken()) then
    counter = noted > counter and noted or next_fence(lock, now)
    reply = ' passed ' .. digits(counter)
  else
    local known = redis.pcall('GET', lock.fence)
    known = type(known) == 'string' and tonumber(known) or 0
    if not (known >= counter and known < counter + MOST_AHEAD) then
      redis.call('SET', lock.fence, digits(counter))
    end
    redis.call('ZADD', lock.key, digits(-counter), mine, digits(-(lock.raised or 1)), RAISED)
    reply = ' raised'
  end
  note_fence(lock, token, counter, ttl_ms)
end
if lock.freed then
  mend(function() pass_on(lock, now) end, { lock.queue }, { lock.seen })
end
return echo(token) .. reply
