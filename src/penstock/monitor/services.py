"""What triggers are handed: the records, how a run is started, the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.trigger import Firing, Trigger


@dataclass(frozen=True, slots=True)
class Breached:
    """That a model in production is beyond its bounds: in the window that ended then, and what it is about."""

    ended: float
    data: dict[str, Any]


Judge = Callable[[str, Mapping[str, Any], float, float | None], Breached | None]
"""Judge models in production by a kind of trigger and its spec, at a moment; the last argument is when the window ended
for which it fired last."""


def _judge_nothing(kind: str, spec: Mapping[str, Any], now: float, last: float | None) -> Breached | None:
    return None


StartRun = Callable[[Trigger, Firing, Mapping[str, Any]], dict[str, Any]]
"""Start the run of a firing, under the id that it has, with parameters; return once it is recorded: `{"id": ...}`, or
`{"error": {"code": ..., "message": ...}}`. Starting it twice is harmless: one of the two is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that triggers use of the outside. `project` tells readers of one stream apart; `reap` marks runs whose
    process is gone as failed, so that they count as ended."""

    root: Path
    project: str
    metadata: MetadataStore
    start_run: StartRun
    new_run_id: Callable[[float], str]
    reap: Callable[[], object]
    clock: Callable[[], float] = time.time
    judge: Judge = _judge_nothing
