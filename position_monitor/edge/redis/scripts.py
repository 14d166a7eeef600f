"""The Lua scripts run inside Redis. Each is one atomic step; none needs anything newer than Redis 6.2.

PUBLISH derives the position keys itself, so Redis Cluster cannot serve an account; Sentinel can.
"""

from __future__ import annotations

from typing import Final

_TEXT: Final = """
-- What a key holds as a text: '' for none. Any value may stand in any key: one of another type, one that is too long
-- or holds control characters is nothing a daemon wrote, and reads as none.
local function text(key)
  if redis.call('TYPE', key).ok ~= 'string' or redis.call('STRLEN', key) > 255 then return '' end
  return string.match(redis.call('GET', key) or '', '^[!-~]+$') or ''
end
-- The fencing number in a key; 0 for anything that is not a whole number a counter could have reached.
local function counted(key)
  local digits = string.match(text(key), '^[1-9]%d*$')
  return digits and #digits < 16 and tonumber(digits) or 0
end
"""

RENEW: Final = (
    _TEXT
    + """
-- Take, renew or read the lease.
-- KEYS: 1 lease, 2 epoch counter, 3 status, 4 who gave the lease up last
-- ARGV: 1 owner, 2 lease TTL in ms, 3 highest epoch this owner ever saw, 4 an owner proven dead ('' for none)
-- Answers {1, epoch, 1 if the counter had gone back, 1 if the lease held what is no owner, who gave it up}
--     or  {0, holder, its TTL in ms (-1: none), its config hash}
local holder = text(KEYS[1])
if holder ~= '' and holder ~= ARGV[1] and holder ~= ARGV[4] then
  local hash = redis.call('TYPE', KEYS[3]).ok == 'hash' and redis.call('HGET', KEYS[3], 'config_hash') or ''
  hash = #hash < 65 and string.match(hash, '^%w+$') or ''
  return {0, holder, redis.call('PTTL', KEYS[1]), hash}
end
local odd = holder == '' and redis.call('EXISTS', KEYS[1]) or 0
local seen = tonumber(ARGV[3])
local epoch = counted(KEYS[2])
local gone_back = epoch < seen
if gone_back or holder ~= ARGV[1] then
  epoch = math.max(epoch, seen) + 1
  redis.call('SET', KEYS[2], string.format('%d', epoch))
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, epoch, gone_back and 1 or 0, odd, text(KEYS[4])}
"""
)

RELEASE: Final = (
    _TEXT
    + """
-- Give the lease up, only if it is still ours, and leave a note: whoever takes it next sees that it was not lost.
-- KEYS: 1 lease, 2 who gave it up last   ARGV: 1 owner, 2 life of the note in ms
if text(KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('DEL', KEYS[1])
"""
)

PUBLISH: Final = (
    _TEXT
    + """
-- Replace the whole published state of an account and append its events.
-- KEYS: 1 lease, 2 epoch counter, 3 status, 4 positions, 5 events, 6 positions with a shadow book
-- ARGV: 1 owner, 2 epoch ('0': published without a lease), 3 prefix of the position keys, 4 state TTL in ms,
--       5 cap of the event stream, 6 JSON {status: [field, value, ...], positions: [[member, [field, ...]], ...],
--       events: [data, ...], shadows: {open: [member, ...], changed: [[member, [field, ...]], ...]}}
--       7 prefix of the keys of shadow books
--       8 prefix of the streams of the trading stack's bus, one for each type of event (absent: none is mirrored)
-- Answers {1, '', how many of the open shadow books have no key}
--     or, having written nothing,  {0, the holder that is in the way ('' when there is none)}
local holder = text(KEYS[1])
if holder ~= '' and holder ~= ARGV[1] then return {0, holder} end
if ARGV[2] ~= '0' and not (holder ~= '' and text(KEYS[2]) == ARGV[2]) then return {0, holder} end

local batch = cjson.decode(ARGV[6])
local function replace(key, fields)
  redis.call('DEL', key)
  redis.call('HSET', key, unpack(fields))
  redis.call('PEXPIRE', key, ARGV[4])
end

local open = {}
for _, position in ipairs(batch.positions) do open[position[1]] = true end
if redis.call('TYPE', KEYS[4]).ok == 'set' then
  for _, member in ipairs(redis.call('SMEMBERS', KEYS[4])) do
    if not open[member] then redis.call('DEL', ARGV[3] .. member) end
  end
end
redis.call('DEL', KEYS[4])
for _, position in ipairs(batch.positions) do
  replace(ARGV[3] .. position[1], position[2])
  redis.call('SADD', KEYS[4], position[1])
end
if #batch.positions > 0 then redis.call('PEXPIRE', KEYS[4], ARGV[4]) end
replace(KEYS[3], batch.status)
for _, data in ipairs(batch.events) do
  local added = redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], '*', 'data', data)
  if type(added) == 'table' and added.err then
    if not (string.find(added.err, 'WRONGTYPE') or string.find(added.err, ' ID')) then error(added.err) end
    redis.call('DEL', KEYS[5])  -- not a stream, or one whose ids have run out: nothing of ours stands there
    redis.call('XADD', KEYS[5], '*', 'data', data)
  end
end
-- A mirror is for others: whatever stands in its keys, and whatever the server forbids there, the state is told.
if ARGV[8] then
  for _, data in ipairs(batch.events) do
    redis.pcall('XADD', ARGV[8] .. cjson.decode(data).type, 'MAXLEN', '~', ARGV[5], '*', 'data', data)
  end
end
-- Shadow books are sent when they changed, and live as long as the state all the same.
local shadows, missing, beside = batch.shadows, 0, {}
for _, member in ipairs(shadows.open) do beside[member] = true end
if redis.call('TYPE', KEYS[6]).ok == 'set' then
  for _, member in ipairs(redis.call('SMEMBERS', KEYS[6])) do
    if not beside[member] then redis.call('DEL', ARGV[7] .. member) end
  end
end
redis.call('DEL', KEYS[6])
for _, book in ipairs(shadows.changed) do replace(ARGV[7] .. book[1], book[2]) end
for _, member in ipairs(shadows.open) do
  redis.call('SADD', KEYS[6], member)
  if redis.call('PEXPIRE', ARGV[7] .. member, ARGV[4]) == 0 then missing = missing + 1 end
end
if #shadows.open > 0 then redis.call('PEXPIRE', KEYS[6], ARGV[4]) end
return {1, '', missing}
"""
)

PUBLISH_RECORDS: Final = (
    _TEXT
    + """
-- Append records of closed positions and replace their totals.
-- KEYS: 1 lease, 2 epoch counter, 3 stream of records
-- ARGV: 1 owner, 2 epoch ('0': published without a lease), 3 cap of the stream,
--       4 JSON {records: [data, ...], totals: [[key, [field, value, ...]], ...]}
-- Answers {1, id of the last entry ('' for none)}  or, having written nothing,  {0, the holder that is in the way}
local holder = text(KEYS[1])
if holder ~= '' and holder ~= ARGV[1] then return {0, holder} end
if ARGV[2] ~= '0' and not (holder ~= '' and text(KEYS[2]) == ARGV[2]) then return {0, holder} end

local batch = cjson.decode(ARGV[4])
local last = ''
for _, data in ipairs(batch.records) do
  local added = redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'data', data)
  if type(added) == 'table' and added.err then
    if not (string.find(added.err, 'WRONGTYPE') or string.find(added.err, ' ID')) then error(added.err) end
    redis.call('DEL', KEYS[3])  -- not a stream, or one whose ids have run out: nothing of ours stands there
    added = redis.call('XADD', KEYS[3], '*', 'data', data)
  end
  last = added
end
for _, total in ipairs(batch.totals) do
  redis.call('DEL', total[1])
  redis.call('HSET', total[1], unpack(total[2]))
end
return {1, last}
"""
)

_HEX: Final = """
local function hex(data)
  return (string.gsub(data, '.', function(char) return string.format('%02x', string.byte(char)) end))
end
"""

READ_CONTROL: Final = (
    _HEX
    + """
-- What operators asked for since an entry; or, without one, the newest entries.
-- KEYS: 1 stream of requests
-- ARGV: 1 id of the last entry that was read ('' for none), 2 entries to read at most, 3 longest data in bytes,
--       4 length of the stream at the last reading, 5 '1' to look for a stream that was begun anew
-- Answers {length, id of the newest entry where that was looked for, or the stream is shorter than before (else ''),
-- id, data, ...}, oldest first. Data are in hexadecimal digits, because anything may stand there; an entry without
-- data, or with too long ones, has ''.
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return {0, ''} end
local length = redis.call('XLEN', KEYS[1])
local answer, entries = {length, ''}, nil
if length < tonumber(ARGV[4]) or ARGV[5] == '1' then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  answer[2] = newest[1] and newest[1][1] or ''
end
local first, last, step
if ARGV[1] == '' then
  entries = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])
  first, last, step = #entries, 1, -1
else
  entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
  first, last, step = 1, #entries, 1
end
for number = first, last, step do
  local data, fields = '', entries[number][2]
  for place = 1, #fields, 2 do
    if fields[place] == 'data' and #fields[place + 1] <= tonumber(ARGV[3]) then data = hex(fields[place + 1]) end
  end
  answer[#answer + 1] = entries[number][1]
  answer[#answer + 1] = data
end
return answer
"""
)

READ_ANSWERS: Final = (
    _HEX
    + """
-- The answers to operators among the newest events.
-- KEYS: 1 events   ARGV: 1 events to look through at most, 2 longest data in bytes   Answers {data, ...} in
-- hexadecimal digits
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return {} end
local answer = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
  local data = entry[2][2]
  if #data <= tonumber(ARGV[2]) and string.find(data, '"Control', 1, true) then answer[#answer + 1] = hex(data) end
end
return answer
"""
)
