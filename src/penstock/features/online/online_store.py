"""What an online store must do: hold one record for each entity, where a newer one wins, whoever writes when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class OnlineStore(Protocol):
    """Records by key, from any number of processes at once. A record begins with its age, 24 bytes that are greater for
    a newer one; see `packing`. Each set of features has a mark: up to which row of its history the records are made.

    Beside records there are tiles, by owner and place; see `tiles`. They are not compared but replaced, and only
    together with the mark that says which rows they hold.
    """

    most_tiles: int
    """About so many tiles are put at once, in one transaction."""

    def get(self, keys: Sequence[bytes]) -> list[Any]:
        """Return the record (bytes) of each key as of one moment, None where there is none."""
        ...

    def put(self, records: Mapping[bytes, bytes], *, mark: tuple[bytes, int] | None = None) -> None:
        """Store records, all or none of them, each unless the one that is there is newer; and the set's new mark with
        them, unless a higher one is there.

        A store may take very many (thousands) in parts, each of them whole, the mark with the last.
        """
        ...

    def mark(self, name: bytes) -> int:
        """Return the mark of a set, 0 where it has none."""
        ...

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete records, and all tiles of owners, with these keys; return how many there were."""
        ...

    def clear(self, prefix: bytes, *, mark: bytes) -> int:
        """Delete every record whose key, and every tile whose owner begins so, and the set's mark; return how many
        there were."""
        ...

    def tiles(self, asked: Sequence[tuple[bytes, Sequence[tuple[bytes, bytes]]]]) -> list[dict[bytes, bytes]]:
        """Return, for each owner that is asked for, its tiles in certain ranges of places, both ends included, all as
        of one moment (of thousands of owners: of one for each part of them). A place has 9 bytes; an owner has few
        tiles of many possible places."""
        ...

    def put_tiles(self, tiles: Mapping[tuple[bytes, bytes], bytes], *, mark: tuple[bytes, int, int]) -> bool:
        """Store tiles by owner and place, and move the mark (its name, where it is, where it goes), all or nothing;
        return False, with nothing done, where the mark is elsewhere."""
        ...

    def trim_tiles(self, prefix: bytes, ranges: Sequence[tuple[bytes, bytes]]) -> int:
        """Delete the tiles in ranges of places, the second end not included, of every owner that begins with `prefix`;
        return how many there were."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
