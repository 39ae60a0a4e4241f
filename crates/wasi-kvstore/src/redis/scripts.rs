//! What happens on the server, as one step each. A script returns `ok`, or in a word or two why nothing has changed.
//!
//! Keys, with `P` for the prefix and `S` for the scope, escaped:
//!
//! - `P{S}`, a hash: `cas`, the last compare-and-swap value; `stores`, how many there are; `bytes` of all of them; `n:` and a name, the id
//!   of the store of that name; `k:` and `b:` and an id, the keys and bytes of that store.
//! - `P{S}:` and an id, a string: the name of the store. While it exists, the store does. Ids are random and never used again.
//! - `P{S}:`, the id, `:` and two hexadecimal digits, a hash: the keys of the store that fall into one of 256 buckets, each with its
//!   compare-and-swap value, four bytes, and its packed list. Buckets are what near caches are told of, and few enough to delete a
//!   store in one step.

use proxywasm_redis::Script;

/// Keys: the scope. Arguments: name, whether to create (0, 1), id and first compare-and-swap value for what is made anew, quota of
/// stores. Returns the id, or why there is none.
pub(super) static OPEN: Script = Script::new(
    r"local scope, name, id = KEYS[1], ARGV[1], ARGV[3]
local found = redis.call('HGET', scope, 'n:' .. name)
if found and redis.call('EXISTS', scope .. ':' .. found) == 1 then return found end
if ARGV[2] == '0' then return 'no store' end
if found then
  -- The server has evicted it.
  redis.call('HINCRBY', scope, 'bytes', 0 - tonumber(redis.call('HGET', scope, 'b:' .. found) or 0))
  redis.call('HDEL', scope, 'k:' .. found, 'b:' .. found)
else
  if tonumber(redis.call('HGET', scope, 'stores') or 0) >= tonumber(ARGV[5]) then return 'full stores' end
  redis.call('HINCRBY', scope, 'stores', 1)
end
redis.call('HSETNX', scope, 'cas', ARGV[4])
redis.call('HSET', scope, 'n:' .. name, id)
redis.call('SET', scope .. ':' .. id, name)
return id",
);

/// Keys: scope, store, bucket. Arguments: id, key, packed list, whether it is added (0, 1), condition (any, same, same_or_none), its
/// compare-and-swap value, quotas of keys, bytes of values and bytes, bytes that count for a key besides.
pub(super) static WRITE: Script = Script::new(
    r"local scope, store, bucket = KEYS[1], KEYS[2], KEYS[3]
local id, key, values, condition = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
if redis.call('EXISTS', store) == 0 then return 'deleted' end
local old = redis.call('HGET', bucket, key)
local same = old and string.sub(old, 1, 4) == ARGV[6]
if condition == 'same' and not same or condition == 'same_or_none' and old and not same then
  return 'cas mismatch'
end
if old and ARGV[4] == '1' then
  local before, added = struct.unpack('<I4', old, 5), struct.unpack('<I4', values)
  local old_bytes, new_bytes = 9 + 4 * before, 5 + 4 * added
  values = struct.pack('<I4', before + added)
    .. string.sub(old, 9, old_bytes - 1) .. string.sub(values, 5, new_bytes - 1)
    .. string.sub(old, old_bytes) .. string.sub(values, new_bytes)
end
if #values > tonumber(ARGV[8]) then return 'full value_bytes' end
local more = #values
if old then
  more = more + 4 - #old
else
  more = more + #key + tonumber(ARGV[10])
  if tonumber(redis.call('HGET', scope, 'k:' .. id) or 0) >= tonumber(ARGV[7]) then return 'full keys' end
end
if more > 0 and tonumber(redis.call('HGET', scope, 'bytes') or 0) + more > tonumber(ARGV[9]) then
  return 'full bytes'
end
if not old then redis.call('HINCRBY', scope, 'k:' .. id, 1) end
redis.call('HINCRBY', scope, 'bytes', more)
redis.call('HINCRBY', scope, 'b:' .. id, more)
local cas = redis.call('HINCRBY', scope, 'cas', 1) % 4294967295 + 1
redis.call('HSET', bucket, key, struct.pack('<I4', cas) .. values)
return 'ok'",
);

/// Keys: scope, store, bucket. Arguments: id, key, condition, its compare-and-swap value, bytes that count for a key besides.
pub(super) static REMOVE: Script = Script::new(
    r"local scope, store, bucket = KEYS[1], KEYS[2], KEYS[3]
local id, key, condition = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', store) == 0 then return 'deleted' end
local old = redis.call('HGET', bucket, key)
if not old then return 'no key' end
if condition ~= 'any' and string.sub(old, 1, 4) ~= ARGV[4] then return 'cas mismatch' end
local less = 4 - #old - #key - tonumber(ARGV[5])
redis.call('HDEL', bucket, key)
redis.call('HINCRBY', scope, 'k:' .. id, -1)
redis.call('HINCRBY', scope, 'bytes', less)
redis.call('HINCRBY', scope, 'b:' .. id, less)
return 'ok'",
);

/// Keys: scope, store. Arguments: id.
pub(super) static DELETE: Script = Script::new(
    r"local scope, store, id = KEYS[1], KEYS[2], ARGV[1]
local name = redis.call('GET', store)
if not name then return 'deleted' end
redis.call('HINCRBY', scope, 'bytes', 0 - tonumber(redis.call('HGET', scope, 'b:' .. id) or 0))
redis.call('HINCRBY', scope, 'stores', -1)
redis.call('HDEL', scope, 'n:' .. name, 'k:' .. id, 'b:' .. id)
local keys = {store}
for bucket = 0, 255 do keys[#keys + 1] = string.format('%s:%02x', store, bucket) end
redis.call('UNLINK', unpack(keys))
return 'ok'",
);
