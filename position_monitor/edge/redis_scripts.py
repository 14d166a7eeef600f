"""The Lua scripts run inside Redis. Each is one atomic step; none needs anything newer than Redis 6.2.

PUBLISH derives the position keys itself, so Redis Cluster cannot serve an account; Sentinel can.
"""

from __future__ import annotations

from typing import Final

RENEW: Final = """
-- Take, renew or read the lease.
-- KEYS: 1 lease, 2 epoch counter, 3 status
-- ARGV: 1 owner, 2 lease TTL in ms, 3 highest epoch this owner ever saw, 4 an owner proven dead ('' for none)
-- Answers {1, epoch, 1 if the counter had gone back}  or  {0, holder, its TTL in ms, its config hash}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[4] then
  return {0, holder, redis.call('PTTL', KEYS[1]), redis.call('HGET', KEYS[3], 'config_hash') or ''}
end
local seen = tonumber(ARGV[3])
local epoch = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
local gone_back = epoch < seen
if gone_back or holder ~= ARGV[1] then
  epoch = math.max(epoch, seen) + 1
  redis.call('SET', KEYS[2], string.format('%d', epoch))
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, epoch, gone_back and 1 or 0}
"""

RELEASE: Final = """
-- Give the lease up, only if it is still ours.
-- KEYS: 1 lease   ARGV: 1 owner
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

PUBLISH: Final = """
-- Replace the whole published state of an account and append its events.
-- KEYS: 1 lease, 2 epoch counter, 3 status, 4 positions, 5 events
-- ARGV: 1 owner, 2 epoch ('0': published without a lease), 3 prefix of the position keys, 4 state TTL in ms,
--       5 cap of the event stream, 6 JSON {status: [field, value, ...], positions: [[member, [field, ...]], ...],
--       events: [data, ...]}
-- Answers {1, ''}  or, having written nothing,  {0, the holder that is in the way ('' when there is none)}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return {0, holder} end
if ARGV[2] ~= '0' and not (holder and redis.call('GET', KEYS[2]) == ARGV[2]) then return {0, holder or ''} end

local batch = cjson.decode(ARGV[6])
local function replace(key, fields)
  redis.call('DEL', key)
  redis.call('HSET', key, unpack(fields))
  redis.call('PEXPIRE', key, ARGV[4])
end

local open = {}
for _, position in ipairs(batch.positions) do open[position[1]] = true end
for _, member in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  if not open[member] then redis.call('DEL', ARGV[3] .. member) end
end
redis.call('DEL', KEYS[4])
for _, position in ipairs(batch.positions) do
  replace(ARGV[3] .. position[1], position[2])
  redis.call('SADD', KEYS[4], position[1])
end
if #batch.positions > 0 then redis.call('PEXPIRE', KEYS[4], ARGV[4]) end
replace(KEYS[3], batch.status)
for _, data in ipairs(batch.events) do
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], '*', 'data', data)
end
return {1, ''}
"""
