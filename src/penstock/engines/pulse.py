"""The sign of life of a worker: a number in memory that it shares with the template, counted up by a thread."""

from __future__ import annotations

import math
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

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _COUNT.size)
        self._seen, self._since, self._limit_seconds = 0, 0.0, math.inf

    def start(self, limit_seconds: float) -> None:
        """In the worker: beat from now on, often enough for that limit."""
        every = min(_SECONDS, limit_seconds / 4)
        threading.Thread(target=self._beat, args=(every,), name="penstock-pulse", daemon=True).start()

    def expect(self, limit_seconds: float) -> None:
        """In the template: take it for gone where no beat comes for so long from now on."""
        self._since, self._limit_seconds = time.monotonic(), limit_seconds

    def is_gone(self, now: float) -> bool:
        """In the template: tell whether the last beat is longer ago than the limit; `now` is monotonic."""
        (count,) = _COUNT.unpack_from(self._page)
        if count != self._seen:
            self._seen, self._since = count, now
        return now - self._since > self._limit_seconds

    def _beat(self, every_seconds: float) -> NoReturn:
        count = 0
        while True:
            count += 1
            _COUNT.pack_into(self._page, 0, count)
            time.sleep(every_seconds)
