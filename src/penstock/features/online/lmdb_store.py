"""Online features in LMDB: a memory-mapped B+ tree that many processes read while one writes; a kill loses nothing."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.errors import MissingExtraError, StorageError
from penstock.features.online.packing import AGE_BYTES

_MOST_BYTES = 1 << 37
"""The size of the address range, not of the file, which grows as it is filled. A process has room for a thousand."""

_LONGEST_KEY = 511
_PLACE = 9
"""How long the place of a tile is, which stands behind its owner in its key."""

_environments: dict[tuple[int, str], Any] = {}
_lock = threading.Lock()


class LmdbStore:
    """The online store in a folder. LMDB wants a folder to be opened once in a process, so every store on one folder
    shares its environment; a forked process opens its own."""

    most_tiles = 500_000

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, str(folder)

    def get(self, keys: Sequence[bytes]) -> list[Any]:
        """Return the record of each key as of one moment, None where there is none."""
        with self._environment().begin() as transaction:
            get = transaction.get
            return [get(key if len(key) <= _LONGEST_KEY else _short(key)) for key in keys]

    def put(self, records: Mapping[bytes, bytes], *, mark: tuple[bytes, int] | None = None) -> None:
        """Store records in one transaction, each unless the one that is there is newer, and the set's mark."""
        lmdb = _lmdb()
        try:
            with self._environment().begin(write=True) as transaction:
                get, put = transaction.get, transaction.put
                for key, record in sorted((_short(key), record) for key, record in records.items()):
                    there = get(key)
                    if there is None or there[:AGE_BYTES] < record[:AGE_BYTES]:
                        put(key, record)
                if mark is not None:
                    name, number = mark
                    if number > _number(get(b"m" + name)):
                        put(b"m" + name, number.to_bytes(8, "big"))
        except (lmdb.Error, OSError) as error:
            raise StorageError(f"the online store '{self._folder}' cannot be written: {error}") from error

    def tiles(self, asked: Sequence[tuple[bytes, Sequence[tuple[bytes, bytes]]]]) -> list[dict[bytes, bytes]]:
        """Return, for each owner, its tiles in ranges of places, both ends included, as of one moment."""
        found: list[dict[bytes, bytes]] = []
        with self._environment().begin() as transaction, transaction.cursor() as cursor:
            seek, step = cursor.set_range, cursor.next
            for owner, ranges in asked:
                start = _short(owner, _LONGEST_KEY - _PLACE)
                size = len(start) + _PLACE
                mine: dict[bytes, bytes] = {}
                for first, last in ranges:
                    end = start + last
                    there = seek(start + first)
                    while there:
                        key, value = cursor.item()
                        if key > end:
                            break
                        if len(key) == size:  # not one of an owner that begins so
                            mine[key[-_PLACE:]] = value
                        there = step()
                found.append(mine)
        return found

    def put_tiles(self, tiles: Mapping[tuple[bytes, bytes], bytes], *, mark: tuple[bytes, int, int]) -> bool:
        """Store tiles and move the mark in one transaction, unless the mark is elsewhere."""
        lmdb = _lmdb()
        name, before, after = mark
        contents = [(_short(owner, _LONGEST_KEY - _PLACE) + place, value) for (owner, place), value in tiles.items()]
        try:
            with self._environment().begin(write=True) as transaction:
                if _number(transaction.get(b"m" + name)) != before:
                    return False
                with transaction.cursor() as cursor:
                    cursor.putmulti(sorted(contents))
                transaction.put(b"m" + name, after.to_bytes(8, "big"))
                return True
        except (lmdb.Error, OSError) as error:
            raise StorageError(f"the online store '{self._folder}' cannot be written: {error}") from error

    def trim_tiles(self, prefix: bytes, ranges: Sequence[tuple[bytes, bytes]]) -> int:
        """Delete the tiles in ranges of places, the second end not included, of every owner that begins so."""
        with self._environment().begin(write=True) as transaction:
            return _delete(transaction, prefix, lambda key: any(low <= key[-_PLACE:] < high for low, high in ranges))

    def mark(self, name: bytes) -> int:
        """Return the mark of a set, 0 where it has none."""
        with self._environment().begin() as transaction:
            return _number(transaction.get(b"m" + name))

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete records, and all tiles of owners, with these keys; return how many there were."""
        with self._environment().begin(write=True) as transaction:
            count: int = sum(transaction.delete(_short(key)) for key in keys)
            for owner in (_short(key, _LONGEST_KEY - _PLACE) for key in keys):
                size = len(owner) + _PLACE
                count += _delete(transaction, owner, lambda key, size=size: len(key) == size)  # type: ignore[misc]
            return count

    def clear(self, prefix: bytes, *, mark: bytes) -> int:
        """Delete every record whose key, and every tile whose owner begins so, and the set's mark; return how many
        there were."""
        with self._environment().begin(write=True) as transaction:
            transaction.delete(b"m" + mark)
            return _delete(transaction, prefix, lambda _: True)

    def close(self) -> None:
        """Let go of the environment, for every store on this folder in this process."""
        with _lock:
            environment = _environments.pop((os.getpid(), str(self._folder)), None)
        if environment is not None:
            environment.close()

    def _environment(self) -> Any:
        key = (os.getpid(), self._path)
        found = _environments.get(key)
        return found if found is not None else self._opened(key)

    def _opened(self, key: tuple[int, str]) -> Any:
        lmdb = _lmdb()
        with _lock:
            if key not in _environments:
                try:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    # Without `metasync` a crash of the machine may lose the last commits, whole; they are made again
                    # from the history. A crash of a process loses nothing.
                    with _beside_the_parents(str(self._folder)):
                        opened = lmdb.open(str(self._folder), map_size=_MOST_BYTES, max_readers=1022, metasync=False)
                    opened.reader_check()  # places of processes that were killed
                except (lmdb.Error, OSError) as error:
                    raise StorageError(f"the online store '{self._folder}' cannot be opened: {error}") from error
                _environments[key] = opened
            return _environments[key]


def _short(key: bytes, longest: int = _LONGEST_KEY) -> bytes:
    """Return a key that LMDB takes: of a very long one the beginning, and the digest of the whole."""
    if len(key) <= longest:
        return key
    return key[: longest - 32] + hashlib.blake2b(key, digest_size=32).digest()


def _delete(transaction: Any, prefix: bytes, chosen: Callable[[bytes], bool]) -> int:
    """Delete what has a chosen key that begins so; return how much it was."""
    with transaction.cursor() as cursor:
        count, there = 0, cursor.set_range(prefix)
        while there and cursor.key().startswith(prefix):
            if chosen(cursor.key()):
                cursor.delete()  # the next one moves up
                count += 1
            else:
                there = cursor.next()
        return count


def _number(value: bytes | None) -> int:
    return 0 if value is None else int.from_bytes(value, "big")


@contextmanager
def _beside_the_parents(folder: str) -> Iterator[None]:
    """Let a forked process open a folder that its parent had opened.

    py-lmdb refuses a folder that is open in the process, and a forked one counts what its parent opened. What speaks
    against it (LMDB's locks belong to the process, and go when one of two is closed) does not hold here: no lock is
    inherited, and what was inherited stays in `_environments`, never used or closed. Closing it would take away the
    snapshots of the parent's readers.
    """
    if not any(pid != os.getpid() and path == folder for pid, path in _environments):
        yield
        return
    from lmdb import _envid

    told, _envid.env_keys = _envid.env_keys, lambda *_: ()
    try:
        yield
    finally:
        _envid.env_keys = told


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


def _lmdb() -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise MissingExtraError("lmdb", extra="features", purpose="the online store") from error
    return lmdb
