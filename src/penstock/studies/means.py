"""How a search is to go, and what it is handed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline
from penstock.core.ports import MetadataStore
from penstock.pipelines import Names
from penstock.stores.studies import StudyStorage


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to search: until there are `trials`, those of an earlier search included; `parallel` at a time; none begins
    after `timeout_seconds`."""

    trials: int = 20
    parallel: int = 1
    sampler: str = "tpe"
    pruner: str = "none"
    seed: int = 0
    timeout_seconds: float | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)


class Start(Protocol):
    """Run a pipeline to its end, in the thread that calls; how it ended, its record says."""

    def __call__(
        self, pipeline: Pipeline, *, run_id: str, until: Names, experiment: str, tags: Mapping[str, Any],
        cause: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a search is handed: the records, where trials are kept, the root below which logs are, how an artifact is
    read, how a pipeline is run."""

    metadata: MetadataStore
    storage: StudyStorage
    root: Path
    load: Callable[[Artifact], Any]
    start: Start
