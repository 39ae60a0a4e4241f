//! What happens on the server, as one step each. A script returns `ok`, or in a word or two why nothing has changed.
//!
//! Keys, with `P` for the prefix and `S` for the scope, escaped:
//!
//! - `P{S}`, a hash: `queues`, how many there are; `n:` and a name, the id of the queue of that name.
//! - `P{S}:` and an id, a hash: `name`, `place` of the last item, `items` and `bytes` that the queue holds. While it exists, the queue does.
//!   Ids are random and never used again. It is also the name of the channel on which the queue tells `ready` and `deleted`.
//! - the same and `:waiting`, a sorted set: the places of items that nobody has. `:payloads`, a hash: the payload of each place. `:taken`,
//!   a hash: the process that has the item of a place.
//! - `P:alive:` and a process, a string that goes when the process does not renew its lease.

use proxywasm_redis::Script;

/// Keys: the scope. Arguments: name, whether to create (0, 1), id for what is made anew, quota of queues. Returns the id.
pub(super) static OPEN: Script = Script::new(
    r"local scope, name, id = KEYS[1], ARGV[1], ARGV[3]
local found = redis.call('HGET', scope, 'n:' .. name)
if found and redis.call('EXISTS', scope .. ':' .. found) == 1 then return found end
if ARGV[2] == '0' then return 'no queue' end
if not found then
  if tonumber(redis.call('HGET', scope, 'queues') or 0) >= tonumber(ARGV[4]) then return 'too many' end
  redis.call('HINCRBY', scope, 'queues', 1)
end
redis.call('HSET', scope, 'n:' .. name, id)
redis.call('HSET', scope .. ':' .. id, 'name', name, 'place', 0, 'items', 0, 'bytes', 0)
return id",
);

/// Keys: queue, waiting, payloads. Arguments: payload, bounds of items and bytes.
pub(super) static ENQUEUE: Script = Script::new(
    r"local queue, payload = KEYS[1], ARGV[1]
local held = redis.call('HMGET', queue, 'items', 'bytes')
if not held[1] then return 'deleted' end
if tonumber(held[1]) >= tonumber(ARGV[2]) or tonumber(held[2]) + #payload > tonumber(ARGV[3]) then return 'full' end
local place = redis.call('HINCRBY', queue, 'place', 1)
redis.call('HINCRBY', queue, 'items', 1)
redis.call('HINCRBY', queue, 'bytes', #payload)
redis.call('HSET', KEYS[3], place, payload)
redis.call('ZADD', KEYS[2], place, place)
redis.call('PUBLISH', queue, 'ready')
return 'ok'",
);

/// Takes items, after those of processes that are gone have come back. Keys: queue, waiting, payloads, taken, the process's lease. Arguments:
/// process, milliseconds of a lease, items and bytes to take at most, whether to look for processes that are gone (0, 1), what the
/// keys of leases begin with. Returns how many items still wait, then place and payload of each that was taken.
pub(super) static FETCH: Script = Script::new(
    r"local queue, waiting, payloads, taken, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('PEXPIRE', lease, ARGV[2]) == 0 then return 'lost' end
if redis.call('EXISTS', queue) == 0 then return 'deleted' end
if ARGV[5] == '1' then
  local lives, held = {}, redis.call('HGETALL', taken)
  for i = 1, #held, 2 do
    local place, process = held[i], held[i + 1]
    if lives[process] == nil then lives[process] = redis.call('EXISTS', ARGV[6] .. process) == 1 end
    if not lives[process] then
      redis.call('ZADD', waiting, place, place)
      redis.call('HDEL', taken, place)
    end
  end
end
local found, count, bytes = {0}, 0, 0
while count < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
  local place = redis.call('ZRANGE', waiting, 0, 0)[1]
  if not place then break end
  local payload = redis.call('HGET', payloads, place)
  if payload then
    redis.call('HSET', taken, place, ARGV[1])
    found[#found + 1] = place
    found[#found + 1] = payload
    count, bytes = count + 1, bytes + #payload
  end
  redis.call('ZREM', waiting, place)
end
found[1] = redis.call('ZCARD', waiting)
return found",
);

/// Items have reached their consumers. Keys: queue, payloads, taken. Arguments: place and process of each.
pub(super) static ACKNOWLEDGE: Script = Script::new(
    r"local queue, payloads, taken = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', queue) == 0 then return 'deleted' end
for i = 1, #ARGV, 2 do
  if redis.call('HGET', taken, ARGV[i]) == ARGV[i + 1] then
    redis.call('HINCRBY', queue, 'items', -1)
    redis.call('HINCRBY', queue, 'bytes', 0 - redis.call('HSTRLEN', payloads, ARGV[i]))
    redis.call('HDEL', payloads, ARGV[i])
    redis.call('HDEL', taken, ARGV[i])
  end
end
return 'ok'",
);

/// All items of a process go back to their places, but for those it still knows of. Keys: queue, waiting, taken. Arguments: process, places
/// that it knows of.
pub(super) static RETURN_REST: Script = Script::new(
    r"local queue, waiting, taken = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', queue) == 0 then return 'deleted' end
local known = {}
for i = 2, #ARGV do known[ARGV[i]] = true end
local held, returned = redis.call('HGETALL', taken), 0
for i = 1, #held, 2 do
  if held[i + 1] == ARGV[1] and not known[held[i]] then
    redis.call('ZADD', waiting, held[i], held[i])
    redis.call('HDEL', taken, held[i])
    returned = returned + 1
  end
end
if returned > 0 then redis.call('PUBLISH', queue, 'ready') end
return 'ok'",
);

/// Keys: scope, queue, waiting, payloads, taken. Arguments: id.
pub(super) static DELETE: Script = Script::new(
    r"local name = redis.call('HGET', KEYS[2], 'name')
if not name then return 'deleted' end
redis.call('HDEL', KEYS[1], 'n:' .. name)
redis.call('HINCRBY', KEYS[1], 'queues', -1)
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('PUBLISH', KEYS[2], 'deleted')
return 'ok'",
);
