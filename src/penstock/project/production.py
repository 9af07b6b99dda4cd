"""A project's models in production: labels that come later, and what is monitored."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa

from penstock import production
from penstock.core.expression import Expr
from penstock.core.graph import ModelGraph
from penstock.core.mapping import FrozenMap
from penstock.core.ports import MetadataStore
from penstock.errors import DeclarationError
from penstock.models import resolve_version
from penstock.monitor import Breached
from penstock.production import Breach, Monitoring, Place, Rule, Tolerance
from penstock.project.config import Config
from penstock.project.registered import RegisteredModels
from penstock.tables import TableLike, to_arrow
from penstock.transforms import Distance

_KEPT_GRAPHS = 32
_LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


class Production:
    """What a project knows of its models in production. A clock is an argument: `now`, a time or seconds since 1970."""

    def __init__(
        self, config: Callable[[], Config], metadata: MetadataStore, models: RegisteredModels,
        rows: Callable[[TableLike], TableLike],
    ) -> None:  # fmt: skip
        self._config, self._metadata, self._rows = config, metadata, rows

        @lru_cache(_KEPT_GRAPHS)
        def graph(name: str, version: int) -> ModelGraph:
            return replace(models[name].load(version), blobs=FrozenMap())  # what it weighs is not needed here

        self._graph = graph
        self._judged: dict[Rule, tuple[Any, Breach | None]] = {}

    def add_labels(
        self, name: str, rows: TableLike, *, id: str = "id", label: str | None = None, time: str | None = None,
        now: datetime | float | None = None,
    ) -> int:  # fmt: skip
        """Tell what was true of rows that a served model has predicted, found by the ids of the log of requests.

        `rows` (a table, a path, a list of dicts, a SQL text) have the `id`, and the label in a column called as the
        model's label, or `label`, or as said. A label may come before its row is logged, come twice, and be corrected:
        the one with the newest `time` (a column; default: now) counts; NULL takes it back. All are kept. Returns how
        many labels that were.
        """
        known = to_arrow(self._rows(rows))
        version = resolve_version(self._metadata, name)
        graph, moment = self._graph(version.model, version.version), _seconds(now)
        made = production.label_rows(graph, known, id=id, label=label, time=time, now=moment)
        config = self._config()
        keep = config.monitoring.keep_seconds
        return production.add_labels(config.labels, version.model, made, now=moment, keep_seconds=keep)

    def label_history(self, name: str) -> pa.Table | None:
        """Return all labels that were ever told of a model, in the order in which they were found to be so."""
        return production.label_history(self._config().labels, resolve_version(self._metadata, name).model)

    def monitor(
        self, name: str, *, window: float | str = "1d", windows: int = 7, by: Sequence[str | Expr] | str = (),
        now: datetime | float | None = None, over: float = 0.2, metric: Distance = "PSI",
        thresholds: Mapping[str, float] | None = None, minimum: int = 500,
    ) -> Monitoring:  # fmt: skip
        """Say what a served model does: metrics of each window, version and slice, and how far its rows have changed.

        The log of requests is looked at in windows of that length, the last `windows` that have ended and the one under
        way; predictions are judged where their labels are there. `by` are expressions in our dialect over the inputs,
        what was predicted, and `version`, `route`, `time`: "carrier", "distance > 1000". A feature of a window with
        `minimum` rows is beyond its bounds where its distance is `over` that, or its own of `thresholds`.
        """
        tolerance = Tolerance(over=over, metric=metric, thresholds=FrozenMap(thresholds or {}), minimum=minimum)
        how: Any = {"windows": windows, "by": (by,) if isinstance(by, str) else tuple(by), "now": _seconds(now)}
        model = resolve_version(self._metadata, name).model
        how["events"] = production.events(self._metadata, model)
        return production.monitor(
            self._place, model, window=production.window_seconds(window), tolerance=tolerance, **how
        )

    def state(self, name: str, *, window: float | str, windows: int, now: float) -> str:
        """Return a digest: as long as it is the same, `monitor` finds the same in the windows that have ended."""
        model = resolve_version(self._metadata, name).model
        return production.state(self._place, model, window=production.window_seconds(window), windows=windows, now=now)

    def judge(self, kind: str, spec: Mapping[str, Any], now: float, last: float | None) -> Breached | None:
        """Return the breach that a trigger on drift or on a metric waits for, if there is one now."""
        rule = production.rule_of(kind, spec)
        looked_at = last, production.judged_on(self._place, rule, now=now)
        if self._judged.get(rule, (None, None))[0] != looked_at:  # a look at very many rows takes seconds
            self._judged[rule] = looked_at, production.judge(self._place, rule, now=now, last=last)
        found = self._judged[rule][1]
        return None if found is None else Breached(found.window.end, dict(found.data))

    @property
    def _place(self) -> Place:
        config = self._config()
        return Place(requests=config.requests, labels=config.labels, graph=self._graph)


def _seconds(now: datetime | float | None) -> float:
    moment = time.time() if now is None else now.timestamp() if isinstance(now, datetime) else float(now)
    if not 0 <= moment < _LATEST:
        raise DeclarationError(f"now is {now!r}; give a moment since 1970, as a time or in seconds")
    return moment
