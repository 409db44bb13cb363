-- Does everything that a member does, to keys that nobody looks at, so that a
-- Redis which refuses any of it says so now, and not when the first user leaves.
-- KEYS: a text, a hash, a set, a counter
-- ARGV: prefix
local text, hash, set, counter = unpack(KEYS)
for _, command in ipairs({
  {'DEL', text, hash, set, counter},
  {'SET', text, '', 'PX', 1000},
  {'SETNX', text, ''},
  {'PEXPIRE', text, 1000},
  {'EXISTS', text},
  {'GET', text},
  {'HSET', hash, 'field', ''},
  {'EXPIRE', hash, 1},
  {'HINCRBY', hash, 'version', 1},
  {'HGET', hash, 'field'},
  {'HMGET', hash, 'field'},
  {'HSCAN', hash, '0', 'COUNT', 1},
  {'HDEL', hash, 'field'},
  {'SADD', set, 'a', 'b'},
  {'EXPIRE', set, 1},
  {'SREM', set, 'a'},
  {'SPOP', set, 1},
  {'SCARD', set},
  {'SMEMBERS', set},
  {'INCRBY', counter, 1},
  {'EXPIRE', counter, 1},
  {'MGET', counter},
  {'PUBLISH', ARGV[1] .. 'rights', ''},
  {'DEL', text, hash, set, counter},
}) do
  local answer = redis.pcall(unpack(command))
  if type(answer) == 'table' and answer.err then
    return redis.error_reply(answer.err .. ' (' .. command[1] .. ')')
  end
end
return redis.status_reply('OK')
