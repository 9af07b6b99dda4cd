"""Online features in Redis: for many hosts at once. One packed record for each entity and set, read with one MGET.

All keys of a project begin with its name in braces, so that a cluster keeps them in one slot, where one MGET or script
may reach all of them: a read is as of one moment. Nothing expires by itself: a record that is too old is answered with
OUTSIDE_MAX_AGE, one that is gone with NOT_FOUND, so an expiry would change what is answered.
"""

from __future__ import annotations

import hashlib
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.errors import DeclarationError, MissingExtraError, StorageError
from penstock.secrets import REDIS_PASSWORD, without_password

if TYPE_CHECKING:
    import redis

MOST_RECORDS, _MOST_BYTES = 2_000, 4 << 20
"""What one script stores at most: so long, a few milliseconds, nobody else is answered. More goes in parts."""

_MOST_OWNERS = 5_000
"""Of so many owners tiles are read at one moment."""

_AT_ONCE = 1_000
_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 5, "socket_timeout": 30}
_PLACE = 9

# Lua compares texts as the server's locale sorts them: bytes have to be compared, here 4 at a time.
_OLDER = """
local function older(one, other)
  for i = 1, #one, 4 do
    local a, b, c, d = one:byte(i, i + 3)
    local e, f, g, h = other:byte(i, i + 3)
    if a ~= e then return a < e end
    if b ~= f then return b < f end
    if c ~= g then return c < g end
    if d ~= h then return d < h end
  end
  return false
end
"""
_PUT = (
    _OLDER
    + """
for i = 2, #KEYS do
  local there = redis.call('GETRANGE', KEYS[i], 0, 23)
  if there == '' or older(there, ARGV[i]) then redis.call('SET', KEYS[i], ARGV[i]) end
end
if ARGV[1] ~= '' then
  local there = redis.call('GET', KEYS[1])
  if not there or older(there, ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
end
"""
)
"""KEYS: the mark, records. ARGV: the mark's number or '', contents."""

_TILES = """
local at, found = 1, {}
for i = 1, #KEYS do
  local mine = {}
  for _ = 1, tonumber(ARGV[at]) do
    for _, tile in ipairs(redis.call('ZRANGEBYLEX', KEYS[i], ARGV[at + 1], ARGV[at + 2])) do mine[#mine + 1] = tile end
    at = at + 2
  end
  at = at + 1
  found[i] = mine
end
return found
"""
"""KEYS: owners. ARGV: for each how many ranges, and their ends."""

# Adding is first: a server that is full refuses it only as long as the script has changed nothing.
_PUT_TILES = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local at = 3
for i = 2, #KEYS do
  for _ = 1, tonumber(ARGV[at]) do
    local before = redis.call('ZRANGEBYLEX', KEYS[i], ARGV[at + 1], ARGV[at + 2])[1]
    redis.call('ZADD', KEYS[i], 0, ARGV[at + 3])
    if before and before ~= ARGV[at + 3] then redis.call('ZREM', KEYS[i], before) end
    at = at + 3
  end
  at = at + 1
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
"""KEYS: the mark, owners. ARGV: where the mark is, where it goes, for each owner how many tiles, the ends of each place
and the tile."""


class RedisStore:
    """The online store in a Redis server, `redis://` or, with TLS, `rediss://`. Connections are made when they are
    needed, again after one broke, and anew in a forked process."""

    most_tiles = 20_000  # stored by one script, while nobody else is answered

    def __init__(
        self, url: str, *, project: str = "penstock", password: Callable[[], str | None] = lambda: None
    ) -> None:
        """Keep the records of `project` at `url`; `password` tells the server's where the url has none."""
        self._url, self._password = url, password
        self._prefix = b"{" + project.encode() + b"}"
        self._address = without_password(url)
        self._keeps = False

    def get(self, keys: Sequence[bytes]) -> list[Any]:
        """Return the record of each key as of one moment, None where there is none."""
        if not keys:
            return []
        with self._asked("for %d records", len(keys)):
            found: list[Any] = self._sent(_mget(self._prefix + b"r", keys))
        return found

    def put(self, records: Mapping[bytes, bytes], *, mark: tuple[bytes, int] | None = None) -> None:
        """Store records, each unless the one that is there is newer, and the set's mark.

        Up to 2,000 records of 4 MB are stored as a whole or not at all, and seen so. More go in parts of that size, the
        mark with the last: where it was cut short, the mark tells, and the same records are put again.
        """
        name, number = (b"", b"") if mark is None else (mark[0], _number(mark[1]))
        *parts, last = _parts(records)
        with self._asked("to store %d records", len(records)):
            self._check_policy()
            for part in parts:
                self._run(_PUT, *self._of_put(part, name, b""))
            self._run(_PUT, *self._of_put(last, name, number))

    def mark(self, name: bytes) -> int:
        """Return the mark of a set, 0 where it has none."""
        with self._asked("for a mark"):
            found: Any = self._client.get(self._prefix + b"m" + name)
        return int(found or 0)

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete records, and all tiles of owners, with these keys; return how many there were."""
        with self._asked("to delete %d records", len(keys)):
            return sum(
                self._delete([self._prefix + b"r" + key for key in part], [self._prefix + b"t" + key for key in part])
                for part in (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE))
            )

    def clear(self, prefix: bytes, *, mark: bytes) -> int:
        """Delete every record whose key, and every tile whose owner begins so, and the set's mark; return how many
        there were. The mark goes first: what is cut short is made again from the history."""
        with self._asked("to delete a set"):
            self._client.delete(self._prefix + b"m" + mark)
            records = sum(self._delete(keys, []) for keys in self._scan(b"r" + prefix))
            return records + sum(self._delete([], owners) for owners in self._scan(b"t" + prefix))

    def tiles(self, asked: Sequence[tuple[bytes, Sequence[tuple[bytes, bytes]]]]) -> list[dict[bytes, bytes]]:
        """Return, for each owner, its tiles in ranges of places, both ends included, as of one moment (of more than
        5,000 owners: of one for each 5,000)."""
        made: list[dict[bytes, bytes]] = []
        with self._asked("for the tiles of %d owners", len(asked)):
            for start in range(0, len(asked), _MOST_OWNERS):
                part = asked[start : start + _MOST_OWNERS]
                arguments: list[Any] = []
                for _, ranges in part:
                    arguments.append(len(ranges))
                    for first, last in ranges:
                        arguments += (b"[" + first, _beyond(last))
                found = self._run(_TILES, [self._prefix + b"t" + owner for owner, _ in part], arguments)
                made += [{tile[:_PLACE]: tile[_PLACE:] for tile in mine} for mine in found]
        return made

    def put_tiles(self, tiles: Mapping[tuple[bytes, bytes], bytes], *, mark: tuple[bytes, int, int]) -> bool:
        """Store tiles and move the mark as a whole, unless the mark is elsewhere."""
        name, before, after = mark
        owners: dict[bytes, list[Any]] = {}
        for (owner, place), tile in tiles.items():
            owners.setdefault(owner, []).extend((b"[" + place, _beyond(place), place + tile))
        arguments: list[Any] = [_number(before) if before else b"", _number(after)]
        for mine in owners.values():
            arguments += [len(mine) // 3, *mine]
        keys = [self._prefix + b"m" + name, *(self._prefix + b"t" + owner for owner in owners)]
        with self._asked("to store %d tiles", len(tiles)):
            self._check_policy()
            return bool(self._run(_PUT_TILES, keys, arguments))

    def trim_tiles(self, prefix: bytes, ranges: Sequence[tuple[bytes, bytes]]) -> int:
        """Delete the tiles in ranges of places, the second end not included, of every owner that begins so."""
        count = 0
        with self._asked("to delete old tiles"):
            for owners in self._scan(b"t" + prefix):
                with self._client.pipeline(transaction=False) as commands:
                    for owner in owners:
                        for low, high in ranges:
                            commands.zremrangebylex(owner, b"[" + low, b"(" + high)
                    count += sum(commands.execute())
        return count

    def close(self) -> None:
        """Let go of connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def _of_put(
        self, records: Sequence[tuple[bytes, bytes]], name: bytes, number: bytes
    ) -> tuple[list[Any], list[Any]]:
        keys = [self._prefix + b"m" + name, *(self._prefix + b"r" + key for key, _ in records)]
        return keys, [number, *(record for _, record in records)]

    def _run(self, script: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        """Run a script; a server that does not know it yet is told it."""
        name = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return self._command("EVALSHA", name, len(keys), *keys, *arguments)
        except _redis().exceptions.NoScriptError:
            self._command("SCRIPT LOAD", script)
            return self._command("EVALSHA", name, len(keys), *keys, *arguments)

    def _command(self, *words: Any) -> Any:
        return self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    def _sent(self, command: bytes) -> Any:
        """Send a command that is in the form of the protocol already, again if the connection broke, and return the
        reply."""
        pool = self._client.connection_pool
        connection: Any = pool.get_connection()

        def ask() -> Any:
            connection.send_packed_command([command])
            return connection.read_response()

        try:
            return connection.retry.call_with_retry(ask, lambda _: connection.disconnect())
        finally:
            pool.release(connection)

    def _delete(self, records: Sequence[bytes], owners: Sequence[bytes]) -> int:
        with self._client.pipeline(transaction=True) as commands:
            for owner in owners:
                commands.zcard(owner)
            if records or owners:
                commands.unlink(*records, *owners)
            done = commands.execute()
        if not done:
            return 0
        *tiles, keys = done
        return int(keys - sum(1 for count in tiles if count) + sum(tiles))

    def _scan(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Yield all keys that begin so, some at a time."""
        pattern, at = _literally(self._prefix + prefix) + b"*", 0
        while True:
            at, keys = self._command("SCAN", at, "MATCH", pattern, "COUNT", 10 * _AT_ONCE)
            for start in range(0, len(keys), _AT_ONCE):
                yield keys[start : start + _AT_ONCE]
            if not int(at):
                return

    def _check_policy(self) -> None:
        """Refuse a server that drops what it pleases: entities would be answered as if they had never been there."""
        if self._keeps:
            return
        memory: Any = self._client.info("memory")
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if memory.get("maxmemory") and policy.startswith("allkeys"):
            raise StorageError(
                f"the online store {self._address} drops any records when it is full (maxmemory-policy {policy}), "
                "and would then say that there never were any; set maxmemory-policy noeviction"
            )
        self._keeps = True

    @cached_property
    def _client(self) -> redis.Redis:
        module = _redis()
        own = {} if self._address != self._url else {"password": self._password()}
        retry = module.retry.Retry(module.backoff.ExponentialBackoff(cap=0.5, base=0.05), 3)
        try:
            client: redis.Redis = module.Redis.from_url(self._url, retry=retry, **_TIMEOUTS, **own)
        except (ValueError, TypeError) as error:
            raise DeclarationError(f"the online store {self._address} cannot be: {error}") from error
        weakref.finalize(self, client.connection_pool.disconnect)  # a store that nobody has any more leaves none open
        return client

    @contextmanager
    def _asked(self, what: str, *details: Any) -> Iterator[None]:
        """Say what was asked of which server where it did not do it."""
        try:
            yield
        except _redis().RedisError as error:
            raise StorageError(_explained(error, self._address, what % details)) from error


def _redis() -> Any:
    try:
        import redis
        import redis.backoff
        import redis.retry
    except ImportError as error:
        raise MissingExtraError("redis", extra="redis", purpose="an online store in Redis") from error
    return redis


def _explained(error: redis.RedisError, address: str, what: str) -> str:
    from redis import exceptions

    asked = f"the online store {address}, asked {what},"
    match error:
        case exceptions.AuthenticationError() | exceptions.NoPermissionError():
            return (
                f"{asked} refuses: {error}. Give its password in the secret {REDIS_PASSWORD} (a variable, or a file of "
                "[secrets]), or in the address"
            )
        case exceptions.BusyLoadingError():
            return f"{asked} is still loading what it had; ask again in a while"
        case exceptions.OutOfMemoryError():
            return f"{asked} is full: {error}. Raise its maxmemory, then materialize the set: nothing is lost"
        case exceptions.ReadOnlyError():
            return f"{asked} is a replica, which is only read: name the primary as `online` in [stores]"
        case exceptions.ConnectionError() | exceptions.TimeoutError():
            return f"{asked} does not answer: {error}. Start it, or name another one as `online` in [stores]"
    return f"{asked} cannot do it: {error}"


def _mget(prefix: bytes, keys: Sequence[bytes]) -> bytes:
    """Return the MGET of keys behind a prefix. The client would take longer to write it, key by key, than the server to
    answer it."""
    start = b"$%d\r\n%b" % (len(prefix) + len(keys[0]), prefix)
    if len(set(map(len, keys))) == 1:
        words = start + (b"\r\n" + start).join(keys)
    else:
        words = b"\r\n".join([b"$%d\r\n%b%b" % (len(prefix) + len(key), prefix, key) for key in keys])
    return b"*%d\r\n$4\r\nMGET\r\n%b\r\n" % (len(keys) + 1, words)


def _parts(records: Mapping[bytes, bytes]) -> list[list[tuple[bytes, bytes]]]:
    """Return the records in parts that one script may store; at least one part."""
    parts: list[list[tuple[bytes, bytes]]] = [[]]
    size = 0
    for each in records.items():
        size += len(each[0]) + len(each[1])
        if parts[-1] and (len(parts[-1]) == MOST_RECORDS or size > _MOST_BYTES):
            parts.append([])
            size = len(each[0]) + len(each[1])
        parts[-1].append(each)
    return parts


def _number(value: int) -> bytes:
    """Return a number as a text that is greater, byte by byte, for a greater number."""
    return b"%020d" % value


def _beyond(place: bytes) -> bytes:
    """Return the end, not included, of what begins with a place or stands before it."""
    following = int.from_bytes(place, "big") + 1
    return b"+" if following >> (8 * _PLACE) else b"(" + following.to_bytes(_PLACE, "big")


def _literally(text: bytes) -> bytes:
    """Return a pattern that matches a text and nothing else."""
    return re.sub(rb"[*?\[\]\\^-]", rb"\\\g<0>", text)
