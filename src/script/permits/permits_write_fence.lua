#!lua flags=allow-oom
-- Writes the fence of a lease of several servers on one of them: beside its holder, and into the
-- counter unless that is greater. A 'new' counter is one that no user has seen yet; the script does not
-- write it if another holder has it, or one that left may have had it, so that no two leases get the
-- same fence. It never shortens the expiry.
-- KEYS: lock, queue, seen, fence
-- ARGV: token, ttl in ms, counter, 'new' or 'used'
-- Replies, after the echo: 'written', 'passed COUNTER' (another lease may have had it: here is a
--   new one, noted for this holder and not yet written), or 'lost'
-- include _permits.lua

local lock = { key = KEYS[1], queue = KEYS[2], seen = KEYS[3], fence = KEYS[4] }
local token, ttl_ms, counter, is_new = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == 'new'
local mine = '=' .. token

local function is_taken()
  local score = digits(-counter)
  return counter <= (lock.written or 0) or redis.call('ZCOUNT', lock.key, score, score) > 0
end

local now = now_us()
local problem = look(lock, now)
local reply = ' lost'
if not problem and holds(lock, token) then
  redis.call('ZADD', lock.key, 'XX', 'GT', digits(now + ttl_ms * 1000), token)
  extend_expiry(lock.key, ttl_ms + LINGER_MS)
  local noted = noted_fence(lock, token, now) or 0
  local is_repeat = -(redis.call('ZSCORE', lock.key, mine) or 0) == counter
  if is_new and not is_repeat and (noted > counter or is_taken()) then
    counter = noted > counter and noted or next_fence(lock, now)
    reply = ' passed ' .. digits(counter)
  else
    local known = redis.pcall('GET', lock.fence)
    known = type(known) == 'string' and tonumber(known) or 0
    if not (known >= counter and known < counter + MAX_AHEAD) then
      redis.call('SET', lock.fence, digits(counter))
    end
    redis.call('ZADD', lock.key, digits(-counter), mine, digits(-(lock.written or 1)), WRITTEN)
    reply = ' written'
  end
  note_fence(lock, token, counter, ttl_ms)
end
if lock.freed then
  mend(function() pass_on(lock, now) end, { lock.queue }, { lock.seen })
end
return echo(token) .. reply
