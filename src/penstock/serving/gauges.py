"""What is monitored of the served models as gauges for Prometheus: of the newest window that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from penstock.errors import PenstockError
from penstock.production import Monitoring
from penstock.production.performance import COLUMNS
from penstock.serving.errors import LOG
from penstock.serving.metrics import escaped
from penstock.serving.predictors import Predictors
from penstock.serving.service import Service

REFRESH_SECONDS = 60.0
"""How often the log is looked at: labels may have come."""

_HELP = {
    "penstock_window_rows": "Logged rows of the newest window that has ended.",
    "penstock_window_labelled": "Those of them whose labels are there.",
    "penstock_window_metric": "Metrics of the rows whose labels are there.",
    "penstock_window_distance": "How far a feature is from what was learned from (training) or the window before.",
}


class Gauges:
    """The gauges, looked up anew in a thread now and then, where requests are logged."""

    def __init__(self, project: Service, predictors: Predictors, clock: Callable[[], float]) -> None:
        self._project, self._predictors, self._clock = project, predictors, clock
        self._found: dict[str, tuple[int, str, Monitoring]] = {}  # the version that is served, what was looked at
        self._problems: dict[str, str] = {}
        self._again = 0.0

    async def refresh(self) -> None:
        """Look at the log, if it is time."""
        is_waiting = self._again - REFRESH_SECONDS <= self._clock() < self._again  # unless the clock was set back
        if self._project.config.monitoring.log_requests and not is_waiting:
            await asyncio.get_running_loop().run_in_executor(None, self.look)

    def look(self) -> None:
        """Look at the log of each served model, if it has changed: it may have very many rows."""
        self._again = self._clock() + REFRESH_SECONDS
        production, looked_at = self._project.production, dict[str, tuple[int, str, Monitoring]]()
        for loaded in self._predictors.served:
            model = loaded.model
            how: Any = {"window": self._project.config.monitoring.window, "windows": 1, "now": self._clock()}
            try:
                state = production.state(model, **how)
                _, before, found = self._found.get(model, (0, "", None))
                if found is None or before != state:
                    found = production.monitor(model, **how)
                looked_at[model] = loaded.version, state, found
                self._problems.pop(model, None)
            except PenstockError as error:  # of one model: the others are shown
                if self._problems.get(model) != str(error):
                    LOG.warning("model '%s' cannot be monitored: %s", model, error)
                self._problems[model] = str(error)
        self._found = looked_at

    def text(self) -> str:
        """Return the gauges in Prometheus' text format."""
        lines: dict[str, list[str]] = {name: [] for name in _HELP}
        for version, _, found in self._found.values():
            for name, labels, value in _values(found, version):
                told = ",".join(f'{key}="{escaped(str(each))}"' for key, each in labels.items() if each is not None)
                lines[name].append(f"{name}{{{told}}} {value!r}")
        parts = [
            "\n".join([f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge", *values]) + "\n"
            for name, values in lines.items()
            if values
        ]
        return "".join(parts)


def _values(found: Monitoring, served: int) -> Iterator[tuple[str, dict[str, Any], float]]:
    rows = [row for row in found.performance.to_pylist() if row["complete"] and not row["slice"]]
    if served not in [row["version"] for row in rows]:  # that nobody asks is worth an alarm, too
        yield "penstock_window_rows", {"model": found.model, "version": served}, 0
    for row in rows:
        own = {"model": found.model, "version": row["version"]}
        yield "penstock_window_rows", own, row["rows"]
        yield "penstock_window_labelled", own, row["labelled"]
        for name, value in row.items():
            if name not in COLUMNS and value is not None:
                yield "penstock_window_metric", {**own, "metric": name}, value
    for row in found.changes.to_pylist():
        if row["complete"]:
            labels = {name: row[name] for name in ("version", "feature", "against", "metric")}
            yield "penstock_window_distance", {"model": found.model, **labels}, row["distance"]
