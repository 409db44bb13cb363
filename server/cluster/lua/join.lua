-- Makes an instance one of the cluster, in the place of the one that it was.
-- KEYS: its lease, nodes, versions, generation
-- ARGV: prefix, instance, lease in ms, name, former instance, stream, a new generation
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[2])
if ARGV[5] ~= '' then
  redis.call('DEL', ARGV[1] .. 'node:' .. ARGV[5])
end
redis.call('SETNX', KEYS[4], ARGV[7])
local stream = ARGV[6]
if stream == '' then stream = ARGV[2] end
return {redis.call('GET', KEYS[4]), tonumber(redis.call('HGET', KEYS[3], stream) or '0')}
