"""CloudEvents from a Redis stream: read by a group that all servers of a project share, acknowledged once recorded."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from penstock.core.trigger import Trigger
from penstock.errors import MissingExtraError, RequestError, StorageError
from penstock.monitor.cloud_events import CloudEvent, read_structured
from penstock.secrets import REDIS_PASSWORD

if TYPE_CHECKING:
    import redis

LOG = logging.getLogger("penstock.triggers")
_BLOCK_MILLISECONDS = 1000
_TAKE_OVER_MILLISECONDS = 60_000  # what a reader that died has not acknowledged goes to another after that
_AT_ONCE = 100
_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 5, "socket_timeout": 10}
_BACKOFF_SECONDS, _BACKOFF_MOST = 0.5, 30.0

Receive = Callable[[str, CloudEvent | RequestError], None]
"""Take an event, or what is wrong with an entry, with the entry's name; when it returns, the entry is acknowledged."""


class StreamReader:
    """Reads the stream of one trigger in a thread until it is closed. A server that is away is waited for."""

    def __init__(self, trigger: Trigger, project: str, receive: Receive) -> None:
        """Begin to read; raises `MissingExtraError`."""
        if find_spec("redis") is None:
            raise MissingExtraError("redis", extra="triggers", purpose="a trigger on a Redis stream")
        self._server, self._stream = _parts(trigger.spec["stream"])
        # A group for each trigger, so that each gets every event; all servers of the project read as that group.
        self._group, self._reader = f"penstock:{project}:{trigger.name}", f"{socket.gethostname()}-{os.getpid()}"
        self._begin = f"{int(trigger.since * 1000)}-0"
        self._receive, self._stop = receive, threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"penstock-stream-{trigger.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        import redis  # an extra

        wait = _BACKOFF_SECONDS
        while not self._stop.is_set():
            try:
                with self._connected() as client:
                    self._make_group(client)
                    wait = _BACKOFF_SECONDS
                    self._follow(client)
            except (redis.RedisError, StorageError) as error:
                LOG.warning("stream %s cannot be read: %s; again in %g s", self._stream, error, wait)
                self._stop.wait(wait)
                wait = min(2 * wait, _BACKOFF_MOST)

    def _connected(self) -> redis.Redis:
        import redis

        password = os.environ.get(REDIS_PASSWORD) or None  # looked up anew: it may be another after a while
        return redis.Redis.from_url(self._server, decode_responses=True, password=password, **_TIMEOUTS)

    def _make_group(self, client: redis.Redis) -> None:
        import redis

        try:
            client.xgroup_create(self._stream, self._group, id=self._begin, mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _follow(self, client: redis.Redis) -> None:
        while not self._stop.is_set():
            # The client's types leave open what these two return: entries are (name, fields).
            left: Any = client.xautoclaim(
                self._stream, self._group, self._reader, _TAKE_OVER_MILLISECONDS, count=_AT_ONCE
            )
            new: Any = client.xreadgroup(
                self._group, self._reader, {self._stream: ">"}, count=_AT_ONCE, block=_BLOCK_MILLISECONDS
            )
            for name, fields in [*left[1], *(entry for _, entries in new or () for entry in entries)]:
                self._receive(f"{self._stream} {name}", _event(fields) if fields is not None else _deleted(name))
                client.xack(self._stream, self._group, name)


def _parts(address: str) -> tuple[str, str]:
    """Split redis://host:6379/name, or with a database's number /2/name, into the server's address and the name."""
    parts = urlsplit(address)
    database, _, name = parts.path.strip("/").rpartition("/")
    return urlunsplit(parts._replace(path=f"/{database}")), name


def _event(fields: Mapping[str, str]) -> CloudEvent | RequestError:
    """Return the event of an entry: JSON in its one field, or a field for each attribute and one for the data."""
    try:
        if len(fields) == 1:
            (text,) = fields.values()
            return read_structured(msgspec.json.decode(text))
        attributes: dict[str, Any] = dict(fields)
        if "data" in fields and "json" in fields.get("datacontenttype", "json"):
            attributes["data"] = msgspec.json.decode(fields["data"])
        return read_structured(attributes)
    except msgspec.DecodeError as error:
        return RequestError(f"the entry is no CloudEvent: {error}; give its JSON in one field, or a field an attribute")
    except RequestError as error:
        return error


def _deleted(name: str) -> RequestError:
    return RequestError(f"entry {name} was deleted from the stream before it was read")
