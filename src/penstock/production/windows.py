"""Windows of time, on a grid in UTC that begins in 1970: every server and every look at the log means the same ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.core.units import seconds
from penstock.errors import DeclarationError

LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The time from `start` to before `end`, in seconds since 1970."""

    start: float
    end: float

    @property
    def begins(self) -> datetime:
        """When it begins."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def ends(self) -> datetime:
        """When it has ended."""
        return datetime.fromtimestamp(self.end, UTC)

    def back(self, count: int) -> Window:
        """Return the window so many windows earlier."""
        length = self.end - self.start
        return Window(self.start - count * length, self.end - count * length)


def window_seconds(length: float | str) -> float:
    """Return how long windows are of which a length is said: "1d", "1h"."""
    found = seconds(length, "the window")
    if found < LEAST_SECONDS:
        raise DeclarationError(f"the window is {length!r}; the shortest is a second")
    return found


def window_of(moment: float, length: float) -> Window:
    """Return the window that a moment lies in."""
    number = math.floor(moment / length)
    return Window(number * length, (number + 1) * length)


def last_windows(now: float, length: float, count: int) -> list[Window]:
    """Return the windows that have ended by now, the newest `count` of them, the newest last."""
    under_way = window_of(now, length)
    return [under_way.back(number) for number in range(count, 0, -1)]
