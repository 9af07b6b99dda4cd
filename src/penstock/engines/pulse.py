"""The sign of life of a worker: a number in memory that it shares with the template, counted up by a thread."""

from __future__ import annotations

import mmap
import struct
import threading
import time
from typing import NoReturn

_COUNT = struct.Struct("Q")
_SECONDS = 1.0


class Pulse:
    """Made by the template before it forks a worker, which then shares it.

    The thread needs Python's lock to count. So a worker that was stopped (SIGSTOP), that waits for a dead file server,
    or whose native code keeps the lock shows no life; one that computes, sleeps or waits in the usual way does.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self._page = mmap.mmap(-1, _COUNT.size)
        self._seen, self._since = 0, time.monotonic()

    def start(self) -> None:
        """In the worker: beat from now on."""
        threading.Thread(target=self._beat, name="penstock-pulse", daemon=True).start()

    def is_gone(self, now: float) -> bool:
        """In the template: tell whether the last beat is longer ago than the limit; `now` is monotonic."""
        (count,) = _COUNT.unpack_from(self._page)
        if count != self._seen:
            self._seen, self._since = count, now
        return now - self._since > self.limit_seconds

    def _beat(self) -> NoReturn:
        count = 0
        while True:
            count += 1
            _COUNT.pack_into(self._page, 0, count)
            time.sleep(min(_SECONDS, self.limit_seconds / 4))
