"""What is recorded: runs, their steps, cache entries, versions and aliases of models and of artifacts. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from penstock.core.artifact import Artifact
from penstock.core.feature import FeatureVersion, IngestStatistics
from penstock.core.trigger import Firing, Pause, Trigger

State: TypeAlias = Literal["waiting", "running", "succeeded", "up_to_date", "failed", "skipped", "cancelled"]
DONE: frozenset[State] = frozenset({"succeeded", "up_to_date", "failed", "skipped", "cancelled"})
"""States that do not change any more."""
ENDED: frozenset[State] = DONE | {"waiting"}
"""States of a run that nobody drives: it is done, or waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a pipeline. `cause` says what started it: `{"kind": "manual"}`, `{"kind": "rest"}`, a trigger. Times
    are seconds since 1970, UTC; None: not yet. `options` are what the run was asked beside its parameters (`only`,
    `since`, `until`, ...), so that it can be resumed. `host` and `pid` name the process that drives it."""

    id: str
    pipeline: str
    state: State
    params: dict[str, Any] = field(default_factory=dict)
    experiment: str = ""
    mode: str = "train"
    engine: str = "local"
    cause: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    ended: float | None = None
    error: str = ""
    pid: int | None = None
    host: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    notes: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """One step of one run. `artifacts` maps output names to digests, `inputs` parameters to the digests they got;
    `parts` are the parts of its key, by which `why` explains; `reason` says why it ran or did not; `log` is the path of
    its log, below the project's root; `origin` is "run/step" of the step run that made the outputs, "" where that is
    this one. `needs` are the steps that end before it."""

    run: str
    step: str
    position: int = 0
    state: State = "waiting"
    key: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    artifacts: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    log: str = ""
    error: str = ""
    origin: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt at a step that failed and was followed by another: how the last one ended, its `StepRun` says."""

    run: str
    step: str
    number: int
    error: str = ""
    started: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When the driver of a run was last heard of: tells a run that goes on from one whose driver died with its machine.
    Kept apart from the run, so that writing it never undoes a change of the run."""

    run: str
    beat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A run's word that it is making the outputs of a key just now, so that others wait for them instead of making them
    too. Only one can be inserted for a key; one whose run is over, or was not heard of for long, does not count."""

    key: str
    run: str
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Somebody's wish that a run stop: its driver looks for it, wherever it runs."""

    run: str
    reason: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One point of a curve that a step logged: the `sequence`-th value of `name`, at `step_number` if one was given.
    `value` is None where it is not a number (NaN)."""

    run: str
    step: str
    name: str
    sequence: int
    value: float | None
    step_number: float | None = None
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """What a step's key gave: the digests of its outputs. `observed` is what the step looked at outside its
    arguments, which a hit needs unchanged. `expires`: seconds since 1970, None: never."""

    key: str
    pipeline: str
    step: str
    outputs: dict[str, str]
    parts: dict[str, str] = field(default_factory=dict)
    observed: dict[str, str] = field(default_factory=dict)
    expires: float | None = None
    run: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A version of a registered model: a number, and the digest of its model graph."""

    model: str
    version: int
    digest: str
    metrics: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """One line of the append-only history of a model's aliases; the newest line of an alias is where it points."""

    model: str
    alias: str
    sequence: int
    version: int
    reason: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVersion:
    """A version of a named artifact: a number, and the digest it stands for. From `expires` on (seconds since 1970;
    None: never) the name alone does not keep the artifact any more. `lineage` says who named it."""

    name: str
    version: int
    digest: str
    expires: float | None = None
    lineage: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NameChange:
    """One line of the append-only history of the aliases of a named artifact, as `AliasChange` is for models."""

    name: str
    alias: str
    sequence: int
    version: int
    reason: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A request that starts one run however often it is sent: its idempotency key, the digest of what it asks, and the
    id of the run, chosen before it starts: no two runs have one id."""

    key: str
    asked: str
    run: str
    created: float = 0.0


Record: TypeAlias = (
    "Run | StepRun | CacheEntry | Artifact | ModelVersion | AliasChange | Heartbeat | Lease | Cancellation | Metric"
    " | Trigger | Pause | Firing"
    " | NamedVersion | NameChange | Attempt | StartRequest | FeatureVersion | IngestStatistics"
)
