"""Redis Streams as a source of rows: read in order from the last entry that is in the history."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from penstock.errors import DataError, DeclarationError, MissingExtraError, StorageError
from penstock.features.ingest.streams import Message, Payload
from penstock.secrets import REDIS_PASSWORD, without_password

if TYPE_CHECKING:
    import redis

_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 5, "socket_timeout": 30}
_WITHIN = 1 << 20
"""So many entries of one millisecond have a place in our numbers; Redis names an entry `milliseconds-number`."""


@dataclass
class RedisStream:
    """A stream of a Redis server. Its entries are read by whoever follows it, without a consumer group: the history
    says where to go on. A group of the name `group` shows with Redis' own means (`XINFO GROUPS`) how far that is."""

    url: str = field(repr=False)  # there may be a password in it
    stream: str
    payload: Payload = "json"
    name: str = ""
    group: str = "penstock"
    _client: redis.Redis | None = field(default=None, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def sources(self) -> Sequence[str]:
        """Return the stream's one source."""
        return [self.name or f"redis:{self.stream}"]

    def read(self, after: Mapping[str, int], *, most: int, seconds: float) -> Sequence[Message]:
        """Return the entries behind a sequence."""
        import redis

        (source,) = self.sources()
        block = max(1, int(seconds * 1000)) if seconds > 0 else None
        try:
            found: Any = self._connected().xread({self.stream: _entry(after.get(source, 0))}, count=most, block=block)
        except redis.TimeoutError:
            return []
        except redis.RedisError as error:
            raise self._away(error) from error
        entries = [entry for _, entries in found or () for entry in entries]
        return [Message(source, _sequence(name.decode()), _texts(fields)) for name, fields in entries]

    def stored(self, upto: Mapping[str, int]) -> None:
        """Move the group to the last entry that is stored."""
        import redis

        (source,) = self.sources()
        last = _entry(upto[source])
        try:
            self._connected().xgroup_setid(self.stream, self.group, last)
        except redis.ResponseError:  # there is no such group yet
            try:
                self._connected().xgroup_create(self.stream, self.group, id=last, mkstream=True)
            except redis.RedisError as error:
                raise self._away(error) from error
        except redis.RedisError as error:
            raise self._away(error) from error

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> redis.Redis:
        with self._lock:
            if self._client is None:
                import redis

                password = os.environ.get(REDIS_PASSWORD) or None
                self._client = redis.Redis.from_url(
                    self.url, **({"password": password} if password else {}), **_TIMEOUTS
                )
            return self._client

    def _away(self, error: Exception) -> StorageError:
        return StorageError(f"the stream '{self.stream}' at {without_password(self.url)} cannot be read: {error}")


def redis_stream(url: str, stream: str = "", *, payload: Payload = "json", name: str = "") -> RedisStream:
    """Return a stream of a Redis server as a source of rows: `project.features.ingest(rides, ps.redis_stream(...))`.

    - `url`: `redis://host:6379/0`; without `stream`, the last part of its path is the stream's name. The password is
      best given in the environment, as REDISCLI_AUTH.
    - `payload`: "json": an entry is one field with a JSON object, or a list of them; "arrow": one field with an Arrow
      IPC stream.
    - `name`: what the history calls it, to go on from where it was: it stays the same when the server's address changes
      (default: `redis:` and the stream's name).
    """
    try:
        import redis  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("redis", extra="redis", purpose="a Redis stream") from error
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss"):
        raise DeclarationError(
            f"redis_stream: the address {without_password(url)!r} is none of Redis: redis://host:6379"
        )
    if not stream:
        database, _, stream = parts.path.strip("/").rpartition("/")
        url = urlunsplit(parts._replace(path=f"/{database}"))
    if not stream:
        raise DeclarationError(
            f"redis_stream: {without_password(url)!r} names no stream; write redis_stream(url, 'rides')"
        )
    if payload not in ("json", "arrow"):
        raise DeclarationError(f"redis_stream: payload={payload!r}; there are: json, arrow")
    return RedisStream(url=url, stream=stream, payload=payload, name=name)


def _sequence(name: str) -> int:
    milliseconds, _, number = name.partition("-")
    if int(number) >= _WITHIN or int(milliseconds) >= 1 << 43:
        raise DataError(
            f"the entry {name} of a stream has a name beyond what is kept; let Redis name entries: XADD key *"
        )
    return int(milliseconds) * _WITHIN + int(number)


def _entry(sequence: int) -> str:
    return f"{sequence // _WITHIN}-{sequence % _WITHIN}"


def _texts(fields: Mapping[bytes, bytes] | None) -> dict[str, bytes]:
    return {name.decode(errors="replace"): value for name, value in (fields or {}).items()}
