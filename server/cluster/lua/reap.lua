-- Frees some of the names of an instance whose lease has ended.
-- KEYS: its lease, names, versions, nodes, what it held
-- ARGV: prefix, the instance, stream, how many at most
-- Returns how many may be left.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local mine = ARGV[2] .. ' '
local changes = {}
for _, name in ipairs(redis.call('SPOP', KEYS[5], ARGV[4])) do
  local value = redis.call('HGET', KEYS[2], name)
  if value and string.sub(value, 1, #mine) == mine then
    redis.call('HDEL', KEYS[2], name)
    redis.call('HDEL', ARGV[1] .. 'away', name)
    local epoch = string.match(value, '^%S+ (%S+) ')
    local fields = {}
    for i, field in ipairs({'d', name, ARGV[2], epoch, ''}) do fields[i] = #field .. ':' .. field end
    changes[#changes + 1] = table.concat(fields)
  elseif not value and string.sub(redis.call('HGET', ARGV[1] .. 'away', name) or '', 1, #mine + 5) == 'page ' .. mine then
    redis.call('HDEL', ARGV[1] .. 'away', name)
  end
end
if #changes > 0 and ARGV[3] ~= '' then
  local version = redis.call('HINCRBY', KEYS[3], ARGV[3], #changes)
  redis.call('PUBLISH', ARGV[1] .. 'feed:' .. ARGV[3], version .. ' ' .. #changes .. ' ' .. table.concat(changes))
end
local left = redis.call('SCARD', KEYS[5])
if left == 0 then
  redis.call('SREM', KEYS[4], ARGV[2])
  redis.call('HDEL', KEYS[3], ARGV[2])
end
return left
