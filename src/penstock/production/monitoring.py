"""What a model does in production, at a moment: metrics over time, skew and drift, and what is beyond its bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.errors import DeclarationError
from penstock.production import changing, joined
from penstock.production.changing import Compared, Tolerance, drift, skew, table_of
from penstock.production.joined import Place, served
from penstock.production.performance import COLUMNS, performance
from penstock.production.windows import Window, last_windows, window_of

MOST_WINDOWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What is known of a model's requests at a moment (`now`, in seconds since 1970), in windows of so many seconds.

    `performance` has a row for each window, version and slice (`slice` is "" for all rows): how many rows were
    answered, how many have labels yet, how long they took, and their metrics. `changes` has a row for each feature,
    window and version against what the version has learned from (`against` is "training": skew), and for each feature
    and window against the window before ("before": drift). `breaches` are the changes beyond their thresholds in the
    newest window that has ended. `events` are the newest that came of it, whenever that was: triggers that fired, their
    runs, aliases that moved.
    """

    model: str
    window: float
    now: float
    performance: pa.Table
    changes: pa.Table
    breaches: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...] = ()

    @property
    def rows(self) -> int:
        """How many rows were answered, in all windows."""
        whole = [each for each in self.performance.select(["slice", "rows"]).to_pylist() if each["slice"] == ""]
        return sum(each["rows"] for each in whole)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        tables = {name: getattr(self, name).to_pylist() for name in ("performance", "changes")}
        own = {name: getattr(self, name) for name in ("model", "window", "now", "breaches", "events")}
        plain: dict[str, Any] = msgspec.to_builtins({**own, **tables})
        return plain


def monitoring_from_json(told: Mapping[str, Any]) -> Monitoring:
    """Return what `to_json` gave."""
    more = {name: pa.float64() for each in told["performance"] for name in each if name not in COLUMNS}
    return Monitoring(
        model=told["model"],
        window=told["window"],
        now=told["now"],
        performance=_table(told["performance"], {**COLUMNS, **more}),
        changes=_table(told["changes"], changing.COLUMNS),
        breaches=tuple(told["breaches"]),
        events=tuple(told["events"]),
    )


def _table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType]) -> pa.Table:
    columns = {}
    for name, type in types.items():
        values = [each[name] for each in rows]
        if pa.types.is_timestamp(type):
            values = [datetime.fromisoformat(each) for each in values]
        columns[name] = pa.array(values, type)
    return pa.table(columns)


def monitor(
    place: Place,
    model: str,
    *,
    window: float,
    windows: int,
    by: Sequence[str | Expr],
    now: float,
    tolerance: Tolerance,
    events: Sequence[dict[str, Any]] = (),
) -> Monitoring:
    """Look at the newest `windows` windows that have ended, and at the one under way."""
    if not 1 <= windows <= MOST_WINDOWS:
        raise DeclarationError(f"windows is {windows}; give how many are looked at, 1 to {MOST_WINDOWS:,}")
    ended = last_windows(now, window, windows)
    looked_at = [*ended, window_of(now, window)]
    found = served(place, model, since=ended[0].back(1).start, until=looked_at[-1].end)
    compared: list[Compared] = []
    for each in looked_at:
        compared += [*skew(found, each, tolerance), *drift(found, each, tolerance)]
    changes = table_of(compared, now)
    return Monitoring(
        model=model,
        window=window,
        now=now,
        performance=performance(found, looked_at, by, now),
        changes=changes,
        breaches=tuple(_breaches(changes, ended[-1], tolerance.minimum)),
        events=tuple(events),
    )


def state(place: Place, model: str, *, window: float, windows: int, now: float) -> str:
    """Return a digest: as long as it is the same, `monitor` finds the same in the windows that have ended."""
    ended = last_windows(now, window, windows)
    since, until = ended[0].back(1).start, ended[-1].end
    return f"{until} {joined.state(place, model, since=since, until=until)}"


def _breaches(changes: pa.Table, newest: Window, minimum: int) -> list[dict[str, Any]]:
    """Return what is beyond its threshold in a window; of skew, of the newest version that has answered enough rows."""
    rows = [each for each in changes.to_pylist() if each["window_start"] == newest.begins]
    versions = [each["version"] for each in rows if each["version"] is not None and each["rows"] >= minimum]
    newest_version = max(versions, default=None)
    above = [each for each in rows if each["is_above"] and each["version"] in (None, newest_version)]
    plain: list[dict[str, Any]] = msgspec.to_builtins(above)
    return plain
