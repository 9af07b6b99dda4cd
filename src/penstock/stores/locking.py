"""The lock of a store on disk: those who put and use blobs hold it together, who removes blobs holds it alone."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCK = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS)


class StoreLock:
    """A file in a store's folder. The system lets go of it when a process dies, and it works between all processes and
    containers of one machine. A store that is not there yet, or that may only be read, needs none."""

    def __init__(self, root: Path, name: str = "lock") -> None:
        self._path = root / name
        self._local = threading.local()  # a file of its own for each thread: a lock belongs to the open file

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold it with others who use blobs; they never wait for each other."""
        yield from self._held(fcntl.LOCK_SH)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold it alone. Keep this short: everybody else waits."""
        yield from self._held(fcntl.LOCK_EX)

    def _held(self, how: int) -> Iterator[None]:
        file = self._file()
        if file is None:
            yield
            return
        fcntl.flock(file.number, how)
        try:
            yield
        finally:
            fcntl.flock(file.number, fcntl.LOCK_UN)

    def _file(self) -> _File | None:
        known: _File | None = getattr(self._local, "file", None)
        if known is None or known.pid != os.getpid():  # after a fork the lock would be the parent's
            known = self._local.file = _opened(self._path)
        return known


class _File:
    """An open file that is closed when nobody has it any more."""

    def __init__(self, number: int) -> None:
        self.number, self.pid = number, os.getpid()

    def __del__(self) -> None:
        os.close(self.number)


def _opened(path: Path) -> _File | None:
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        try:
            return _File(os.open(path, flags | os.O_CLOEXEC, 0o666))
        except OSError as error:
            if error.errno not in _NO_LOCK:
                raise
    return None
