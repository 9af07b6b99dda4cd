"""Keeping logs: when each part was written, noted beside the log, and no more of it on disk than is wanted.

The step writes to its log itself, so it never waits for this; whoever drives the run looks at the log's size ten times
a second. What is too much is taken out as a hole, which takes no space: the file keeps its length, the place of a line
stays its place, and whoever follows the log goes on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
import warnings
from pathlib import Path

MOST_BYTES = 64 << 20
"""How much of a log is kept, where the configuration does not say."""

_SECONDS = 0.1
_BLOCK = 4096  # a hole has whole blocks
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # of Linux's fallocate
_NO_HOLES = (errno.EOPNOTSUPP, errno.ENOSYS)


class LogKeeper:
    """Looks after the logs of the steps of one run that are under way; its thread lives while there are any."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._logs: dict[str, _Log] = {}
        self._stop: threading.Event | None = None

    def begin(self, step: str, log: Path) -> None:
        """Look after the log of a step that starts."""
        with self._lock:
            self._logs[step] = self._logs.get(step) or _Log(log)
            if self._stop is None:
                self._stop = threading.Event()
                threading.Thread(target=self._work, args=(self._stop,), name="penstock-logs", daemon=True).start()

    def end(self, step: str) -> None:
        """Look for the last time: the step has ended."""
        with self._lock:
            if (log := self._logs.pop(step, None)) is not None:
                log.look(self._most_bytes, last=True)

    def close(self) -> None:
        """Look after nothing any more."""
        for step in list(self._logs):
            self.end(step)
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def _work(self, stop: threading.Event) -> None:
        while not stop.wait(_SECONDS):
            with self._lock:
                for log in self._logs.values():
                    log.look(self._most_bytes)


class _Log:
    """What is known of a log under way."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen, self._stamps, self._hole_end = path, 0, 0, 0

    def look(self, most_bytes: int, *, last: bool = False) -> None:
        """Note when it was written to, and take out what is too much."""
        try:
            status = os.stat(self._path)
        except OSError:
            return
        if status.st_size > self._seen:
            if self._seen or not last:  # all at once, by a step that took no time: when that was, its record says
                self._stamp(status)
            self._seen = status.st_size
        # In steps of a quarter, so that a busy log is not cut at each look.
        if most_bytes and status.st_size - self._hole_end > most_bytes + most_bytes // 4:
            self._hole_end = (status.st_size - most_bytes) // _BLOCK * _BLOCK
            punch(self._path, self._hole_end)

    def _stamp(self, status: os.stat_result) -> None:
        with times_file(self._path).open("a") as file:
            file.write(f"{status.st_mtime:.3f} {status.st_size}\n")


def times_file(log: Path) -> Path:
    """Return the file beside a log that says when it had which size: a line of seconds since 1970 and bytes each."""
    return log.with_name(f"{log.name.removesuffix('.log')}.times")


def punch(path: Path, end: int) -> None:
    """Give back the space of a file's beginning; where the file system cannot, it stays whole, with a warning."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
        if fallocate is None:
            error = errno.ENOSYS
        else:
            fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
            error = ctypes.get_errno() if fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, 0, end) else 0
    finally:
        os.close(descriptor)
    if error in _NO_HOLES:
        warnings.warn(f"{path} stays whole: this file system cannot give back a part of a file", stacklevel=2)
    elif error:
        raise OSError(error, os.strerror(error), str(path))
