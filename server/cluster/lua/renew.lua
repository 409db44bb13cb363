-- Renews a lease, and says how the cluster is.
-- KEYS: lease, nodes, versions, generation
-- ARGV: prefix, instance, lease in ms, stream
-- Returns: generation, version of the stream, instances that live, those that do not
if redis.call('PEXPIRE', KEYS[1], ARGV[3]) == 0 then
  return redis.error_reply('LEASE expired')
end
local stream = ARGV[4]
if stream == '' then stream = ARGV[2] end
local live, dead = {}, {}
for _, node in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if redis.call('EXISTS', ARGV[1] .. 'node:' .. node) == 1 then
    live[#live + 1] = node
  else
    dead[#dead + 1] = node
  end
end
return {redis.call('GET', KEYS[4]) or '', tonumber(redis.call('HGET', KEYS[3], stream) or '0'), live, dead}
