"""Models in production behind a server's address: what is monitored, and labels that come later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.operations import text
from penstock.production import Monitoring, monitoring_from_json
from penstock.remote.connection import Server, segment
from penstock.remote.rows import ARROW_STREAM, arrow_bytes
from penstock.tables import TableLike


class RemoteProduction:
    """What `Project.production` offers, by requests."""

    def __init__(self, server: Server, here: Callable[[TableLike], pa.Table]) -> None:
        self._server, self._here = server, here

    def add_labels(
        self, name: str, rows: TableLike, *, id: str = "id", label: str | None = None, time: str | None = None
    ) -> int:
        """Tell what was true of rows that a served model has predicted, as `Project.add_labels`; rows are sent."""
        headers = {"content-type": ARROW_STREAM, "accept": "application/json"}
        query = {"id": id, "label": label, "time": time}
        path = f"/v1/models/{segment(name)}/labels"
        answer = self._server.content("POST", path, body=arrow_bytes(self._here(rows)), headers=headers, query=query)
        return int(msgspec.json.decode(answer)["labels"])

    def monitor(
        self, name: str, *, window: float | str = "1d", windows: int = 7, by: Sequence[str | Expr] | str = (),
        now: datetime | float | None = None, over: float = 0.2, metric: str = "PSI",
        thresholds: Mapping[str, float] | None = None, minimum: int = 500,
    ) -> Monitoring:  # fmt: skip
        """Say what a served model does, as `Project.monitor`; the server looks."""
        asked = [by] if isinstance(by, str) else [each if isinstance(each, str) else text(each) for each in by]
        query: dict[str, Any] = {
            "window": window if isinstance(window, str) else f"{window}s", "windows": windows, "over": over,
            "metric": metric, "minimum": minimum, "by": asked,
            "now": now.timestamp() if isinstance(now, datetime) else now,
            "threshold": [f"{feature}={value}" for feature, value in (thresholds or {}).items()],
        }  # fmt: skip
        return monitoring_from_json(self._server.get(f"/v1/models/{segment(name)}/monitoring", **query))
