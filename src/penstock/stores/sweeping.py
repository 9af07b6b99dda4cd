"""Taking blobs away that nobody needs, while others put and use blobs of the same store."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock.core.ports import ArtifactStore
from penstock.errors import DeclarationError
from penstock.stores.blobs import LocalArtifactStore
from penstock.stores.writing import disk_errors

_MARGIN_SECONDS = 0.05  # times of files lag behind the clock by a tick of the kernel's


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob as it lies in a store. `used` is when it was last put, or asked for and found (seconds since 1970)."""

    digest: str
    size_bytes: int
    used: float


class Sweeper(Protocol):
    """Takes blobs out of a store while others put and use blobs of it."""

    @property
    def looking(self) -> ArtifactStore:
        """The store; what this one is asked for is not in use by that."""
        ...

    def blobs(self) -> Iterator[Blob]:
        """Yield every blob that is there now."""
        ...

    def sweep(
        self,
        digests: Sequence[str],
        *,
        unused_since: float,
        keep: Collection[str],
        forget: Callable[[list[str]], object],
    ) -> list[str]:
        """Take away those blobs that were not used since then; return which.

        No blob of the store comes to be used while this goes on: who asks meanwhile whether one is there is answered
        afterwards. `forget` is called first, with the digests of all that were not used; those in `keep` then stay.
        """
        ...

    def scratch(self) -> Iterator[tuple[Path, float]]:
        """Yield the temporary files and folders whose process is gone, and when each was last changed."""
        ...


class LocalSweeper:
    """A `Sweeper` of a `LocalArtifactStore`. When a blob was last put or found there is its time of status change: that
    changes with every use, and nobody can set it back."""

    def __init__(self, store: LocalArtifactStore) -> None:
        self._store, self._root, self._lock = store, store.root, store.lock

    @property
    def looking(self) -> ArtifactStore:
        """The store, to look what is there."""
        return LocalArtifactStore(self._root, looks_only=True)

    def blobs(self) -> Iterator[Blob]:
        """Yield every blob that is there now."""
        with disk_errors(self._root):
            for folder in sorted((self._root / "cas").glob("??")):
                for path in folder.iterdir():
                    try:
                        status = path.stat()
                    except FileNotFoundError:
                        continue
                    yield Blob(digest=folder.name + path.name, size_bytes=status.st_size, used=status.st_ctime)

    def sweep(
        self,
        digests: Sequence[str],
        *,
        unused_since: float,
        keep: Collection[str],
        forget: Callable[[list[str]], object],
    ) -> list[str]:
        """Take away blobs that were not used since; return which. See `Sweeper`."""
        with disk_errors(self._root), self._lock.alone():
            gone = [digest for digest in digests if self._used(digest) < unused_since - _MARGIN_SECONDS]
            forget(gone)
            removed = [digest for digest in gone if digest not in keep]
            for digest in removed:
                self._store.place(digest).unlink(missing_ok=True)
        return removed

    def scratch(self) -> Iterator[tuple[Path, float]]:
        """Yield what lies in the folder of temporary files and belongs to no process of this machine that lives, and
        when it was last changed."""
        folder = self._root / "tmp"
        with disk_errors(self._root):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                maker = path.name.partition("-")[0]
                if not (maker.isdigit() and _lives(int(maker))):
                    try:
                        yield path, path.lstat().st_mtime
                    except FileNotFoundError:
                        continue

    def _used(self, digest: str) -> float:
        try:
            return self._store.place(digest).stat().st_ctime
        except FileNotFoundError:
            return 0.0


def open_sweeper(store: ArtifactStore) -> LocalSweeper:
    """Return the sweeper of an opened artifact store."""
    if not isinstance(store, LocalArtifactStore):
        raise DeclarationError(f"nothing can be collected in {store!r}; today a store in a folder can")
    return LocalSweeper(store)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
