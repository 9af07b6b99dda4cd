"""Streams as sources of rows: messages in an order that the stream keeps, read again from wherever one wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Payload = Literal["json", "arrow"]
"""What a message holds: a row as a JSON object (or a list of them), or rows as an Arrow IPC stream."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a source. Its sequence is greater than that of every one before it."""

    source: str
    sequence: int
    content: Mapping[str, bytes]


@runtime_checkable
class Stream(Protocol):
    """A stream of messages, in one or several sources: parts of it that have an order of their own, as partitions have
    in Kafka. Where a reader stands is not kept here, but in the history, with the rows: see `following`."""

    payload: Payload

    def sources(self) -> Sequence[str]:
        """Return the names of the stream's sources, the same for as long as the stream is the same."""
        ...

    def read(self, after: Mapping[str, int], *, most: int, seconds: float) -> Sequence[Message]:
        """Return messages of all sources behind these sequences, those of a source in order and without a gap, at most
        so many; wait at most so long for the first. Raises `StorageError` where the stream cannot be reached."""
        ...

    def stored(self, upto: Mapping[str, int]) -> None:
        """Hear that all messages up to these sequences are stored, so that the stream can say how far its reader is."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
