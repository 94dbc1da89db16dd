#!lua flags=allow-oom
-- Releases a lock whose value is bare: nobody waits for it. Servers that can delete a key by its value
-- need no script for this.
-- KEYS: lock
-- ARGV: token
-- Replies: 1, or 0: the value is not bare, or not of this token

if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
