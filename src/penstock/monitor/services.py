"""What triggers are handed: the records, how a run is started, the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.trigger import Firing, Trigger

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
