"""The instants of `every` and `cron`: which come next, which are due, which of those missed are made up for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from penstock.errors import DeclarationError

SCHEDULED = ("every", "cron")
"""The kinds of triggers that fire at instants."""
ON_TIME_SECONDS = 60.0
"""With `catch_up="none"`, how late an instant still fires: a server is busy, or restarted, for that long."""
MOST_AT_ONCE = 500
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_LOOKBACKS = (7200.0, 3 * 86400.0, 40 * 86400.0, 400 * 86400.0, math.inf)


def checked_cron(expression: str, zone: str) -> str:
    """Return the five fields of a cron expression (`@daily` and its like written out); raises `DeclarationError`."""
    from cronsim import CronSim, CronSimError  # a small one, but `import penstock` loads none

    written = _SHORTHANDS.get(expression.strip().lower(), " ".join(expression.split()))
    if len(written.split()) != 5:
        raise DeclarationError(
            f"cron expression '{expression}' has {len(written.split())} fields; give five (minute, hour, day of month, "
            "month, day of week: '0 3 * * *' is 3 o'clock each day), or @hourly, @daily, @weekly, @monthly, @yearly"
        )
    try:
        next(CronSim(written, datetime(2000, 1, 1, tzinfo=_zone(zone))))
    except (CronSimError, StopIteration) as error:
        said = str(error) or "no day is like that"
        raise DeclarationError(f"cron expression '{expression}' cannot be: {said}") from error
    return written


def instants(kind: str, spec: Mapping[str, Any], after: float) -> Iterator[float]:
    """Yield the instants of a schedule after a moment, in seconds since 1970."""
    if kind == "every":
        yield from _multiples(spec["seconds"], after)
        return
    from cronsim import CronSim

    for found in CronSim(spec["expression"], datetime.fromtimestamp(after, _zone(spec["zone"]))):
        instant = found.timestamp()
        if instant > after:  # begun in an hour that comes twice, it would go through the first of the two again
            yield instant


def due(kind: str, spec: Mapping[str, Any], *, handled: float, now: float) -> list[float]:
    """Return the instants for which to fire now, given that all until `handled` are seen to."""
    if now <= handled:
        return []
    if spec["catch_up"] == "all":
        return list(islice(_until(instants(kind, spec, handled), now), MOST_AT_ONCE))
    newest = _newest(kind, spec, handled, now)
    if newest is None or (spec["catch_up"] == "none" and now - newest > ON_TIME_SECONDS):
        return []
    return [newest]


def instant_name(instant: float) -> str:
    """Return an instant as it is written in UTC: `2026-11-25T03:00:00Z`."""
    precision = "seconds" if instant == int(instant) else "milliseconds"
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def named_instant(name: str) -> float | None:
    """Return the instant that a text names, None if it is none."""
    try:
        return datetime.fromisoformat(name).timestamp()
    except ValueError:
        return None


def _newest(kind: str, spec: Mapping[str, Any], handled: float, now: float) -> float | None:
    """Return the newest instant after `handled` and not after `now`, without going through years of them."""
    if kind == "every":
        newest: float = math.floor(now / spec["seconds"]) * spec["seconds"]
        return newest if newest > handled else None
    for lookback in _LOOKBACKS:
        begin = max(handled, now - lookback)
        passed = deque(_until(instants(kind, spec, begin), now), maxlen=1)
        if passed or begin == handled:
            return passed[0] if passed else None
    return None


def _until(passing: Iterator[float], now: float) -> Iterator[float]:
    for instant in passing:
        if instant > now:
            return
        yield instant


def _multiples(period: float, after: float) -> Iterator[float]:
    count = math.floor(after / period)
    while True:
        count += 1
        if count * period > after:
            yield count * period


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise DeclarationError(f"there is no time zone '{name}'; give a name such as Europe/Zurich, or UTC") from error
