"""What an online store must do: hold one record for each entity, where a newer one wins, whoever writes when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class OnlineStore(Protocol):
    """Records by key, from any number of processes at once. A record begins with its age, 24 bytes that are greater for
    a newer one; see `packing`. Each set of features has a mark: up to which row of its history the records are made.
    """

    def get(self, keys: Sequence[bytes]) -> list[Any]:
        """Return the record (bytes) of each key as of one moment, None where there is none."""
        ...

    def put(self, records: Mapping[bytes, bytes], *, mark: tuple[bytes, int] | None = None) -> None:
        """Store records, all or none of them, each unless the one that is there is newer; and the set's new mark with
        them, unless a higher one is there."""
        ...

    def mark(self, name: bytes) -> int:
        """Return the mark of a set, 0 where it has none."""
        ...

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete records; return how many were there."""
        ...

    def clear(self, prefix: bytes, *, mark: bytes) -> int:
        """Delete every record whose key begins so, and the set's mark; return how many there were."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
