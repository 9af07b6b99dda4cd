"""What an engine and its template process say to each other: small values, pickled, each after its length."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.engines.machine import Share

_LENGTH = struct.Struct("!Q")

Cause: TypeAlias = Literal["", "cancelled", "timeout", "hung", "memory", "out of memory"]
"""Why a worker ended without a word of its own: stopped by us, or ("out of memory") by the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Run a task. `payload` is the pickled task, which only the worker opens: it may import user code. `cpus` are those
    that it asked for, None where it did not ask; `log` is "" where the output of the process is the log already."""

    task: str
    payload: bytes
    entry: str
    log: str
    import_path: tuple[str, ...]
    directory: str
    environment: dict[str, str]
    share: Share
    cpus: float | None
    timeout_seconds: float | None
    heartbeat_seconds: float | None

    def packed(self) -> bytes:
        """Return its bytes, as a worker gets them."""
        return pickle.dumps(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop a task, whether it runs or waits."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The template has loaded its libraries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker was forked for a task."""

    task: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker is gone. `outcome` is the pickled outcome, or empty where it died before it had one; `exit_code` is
    negative for a signal; `peak_memory_bytes` is what its processes used at most, as far as it was seen."""

    task: str
    outcome: bytes
    exit_code: int
    cause: Cause
    started: float
    peak_memory_bytes: int


Message: TypeAlias = Start | Cancel | Ready | Started | Ended


def packed(message: Message) -> bytes:
    """Return the bytes of a message as they go over the socket."""
    content = pickle.dumps(message)
    return _LENGTH.pack(len(content)) + content


class Inbox:
    """Bytes that came over the socket, and the messages in them that are complete."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, received: bytes) -> Iterator[Message]:
        """Take the next bytes and yield every message that is complete now."""
        self._bytes += received
        while len(self._bytes) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._bytes)[0]
            if len(self._bytes) < end:
                return
            message: Message = pickle.loads(self._bytes[_LENGTH.size : end])  # noqa: S301  # our own process wrote it
            del self._bytes[:end]
            yield message
