-- Changes the directory, and tells who is to know, in one step.
-- KEYS: lease of the caller, names, versions
-- ARGV: prefix, instance, stream ("all", or "" for streams of their own), former
--       instance, then six for each change: kind, name, epoch, key, and for a
--       claim the name that is left for it, with its epoch
-- Kinds: c claim, p and g claims that take no name from a holder with another
-- key, or with any, a claim again after a rejoin, k another key, d release, x the
-- release of a page that was closed, until d follows, w the holder is away, v and o
-- verdicts on the takeover that made who has the name its
-- holder, with the process of that as the key.
-- Before a claim for a name that an instance has which lives, f is told, with that
-- instance as the key.
-- A claim for the name of a user who is away, or whose instance is gone, is told as
-- a claim again: nobody left and nobody came.
-- A page that was closed leaves a mark in away, of who had the name. The mark ends with
-- d, and with a claim that is not by the same user.
-- Returns name, holder and epoch of what was refused.
local lease, names, versions = KEYS[1], KEYS[2], KEYS[3]
local prefix, me, stream, former = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('EXISTS', lease) == 0 then
  return redis.error_reply('LEASE expired')
end

local streams = {}
local function tell(to, ...)
  if stream ~= '' then to = stream end
  local s = streams[to]
  if not s then
    s = {}
    streams[to] = s
  end
  local fields = {}
  for i, field in ipairs({...}) do fields[i] = #field .. ':' .. field end
  s[#s + 1] = table.concat(fields)
end

local function holder(value)
  return string.match(value, '^(%S+) ')
end

local away = prefix .. 'away'

-- returns reports whether a claim with that key is by the user who has the name and
-- is away.
local function returns(name, key, value)
  local by, number, former = string.match(value or '', '^(%S+) (%S+) (.*)$')
  if not by or former ~= '' and former ~= key then return false end
  return redis.call('HGET', away, name) == by .. ' ' .. number
    or by ~= me and redis.call('EXISTS', prefix .. 'node:' .. by) == 0
end

-- loads takes note of the claim for a name that nobody has: where a page that had it was
-- closed, the claim may be by that page, which was loaded again.
local function loads(kind, name, key)
  local by, former = string.match(redis.call('HGET', away, name) or '', '^page (%S+) %S+ (.*)$')
  if not by then return false end
  if by ~= me then redis.call('SREM', prefix .. 'held:' .. by, name) end
  return former == '' or former == key and kind ~= 'g'
end

local function give(name, epoch, key, value, loaded)
  redis.call('HSET', names, name, me .. ' ' .. epoch .. ' ' .. key)
  if not loaded then redis.call('HDEL', away, name) end
  redis.call('SADD', prefix .. 'held:' .. me, name)
  if value and holder(value) ~= me then
    redis.call('SREM', prefix .. 'held:' .. holder(value), name)
  end
end

local refused = {}
local function release(name, epoch, page)
  local mine = me .. ' ' .. epoch .. ' '
  local value = redis.call('HGET', names, name)
  if value and string.sub(value, 1, #mine) == mine then
    redis.call('HDEL', names, name)
    tell(me, 'd', name, me, epoch, '')
    if page then
      redis.call('HSET', away, name, 'page ' .. value)
      return
    end
  elseif value or string.sub(redis.call('HGET', away, name) or '', 1, #mine + 5) ~= 'page ' .. mine then
    return
  end
  redis.call('HDEL', away, name)
  redis.call('SREM', prefix .. 'held:' .. me, name)
end

for i = 5, #ARGV, 6 do
  local kind, name, epoch, key = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local value = redis.call('HGET', names, name)
  local mine = me .. ' ' .. epoch .. ' '
  local held = value and string.sub(value, 1, #mine) == mine
  local claim = kind == 'c' or kind == 'g' or kind == 'p'
  local guard = claim and kind ~= 'c' and value and string.match(value, '^%S+ %S+ (.*)$') or ''
  if guard ~= '' and (kind == 'g' or guard ~= key) then
    refused[#refused + 1] = name
    refused[#refused + 1] = value
    refused[#refused + 1] = epoch
  elseif claim then
    if ARGV[i + 4] ~= '' then release(ARGV[i + 4], ARGV[i + 5]) end
    local told = returns(name, key, value) and 'a' or 'c'
    if value and holder(value) ~= me and redis.call('EXISTS', prefix .. 'node:' .. holder(value)) == 1 then
      tell(me, 'f', name, me, epoch, holder(value))
      if stream == '' then tell(holder(value), 'f', name, me, epoch, holder(value)) end
    end
    give(name, epoch, key, value, not value and loads(kind, name, key))
    tell(me, told, name, me, epoch, key)
    if value and stream == '' and holder(value) ~= me then
      tell(holder(value), told, name, me, epoch, key)
    end
  elseif kind == 'a' then
    local by = value and holder(value)
    if not by or by == me or by == former or redis.call('EXISTS', prefix .. 'node:' .. by) == 0 then
      give(name, epoch, key, value)
      tell(me, 'a', name, me, epoch, key)
    else
      refused[#refused + 1] = name
      refused[#refused + 1] = value
      refused[#refused + 1] = epoch
    end
  elseif kind == 'k' and held then
    redis.call('HSET', names, name, mine .. key)
    tell(me, 'k', name, me, epoch, key)
  elseif kind == 'd' or kind == 'x' then
    release(name, epoch, kind == 'x')
  elseif kind == 'w' and held then
    redis.call('HSET', away, name, me .. ' ' .. epoch)
  elseif kind == 'v' or kind == 'o' then
    tell(me, kind, name, me, epoch, key)
  end
end

for to, changes in pairs(streams) do
  local version = redis.call('HINCRBY', versions, to, #changes)
  redis.call('PUBLISH', prefix .. 'feed:' .. to, version .. ' ' .. #changes .. ' ' .. table.concat(changes))
end
return refused
