"""What starts runs by itself: triggers, and each time that one fired. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

TriggerKind: TypeAlias = Literal[
    "every", "cron", "new_file", "event", "new_artifact", "run_finished", "stale", "drift", "degraded"
]
FiringState: TypeAlias = Literal["waiting", "started", "gathered", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class EventData:
    """Stands in a trigger's parameters for a value inside the data of the event: keys and positions on the way there.
    With `default` (one value in a tuple) that is taken where the data has none."""

    path: tuple[str | int, ...]
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Runs `pipeline` when something happens. `spec` is what its kind needs to know: a schedule, a pattern of files, a
    type of events. `params` are the pipeline's; {"$event": [...]} stands for a value of the event's data.

    At most `max_parallel` runs of it are under way at once; what comes then waits (`when_full` is `queue`), or is
    recorded and left (`skip`). `declared` is the module that declares it, "" where `project.on` did. Nothing that
    happened before `since`, when it came to be as it is now, makes it fire.
    """

    name: str
    kind: TriggerKind
    pipeline: str
    spec: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    experiment: str = ""
    mode: str = "train"
    max_parallel: int = 1
    when_full: str = "queue"
    declared: str = ""
    created: float = 0.0
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A trigger starts nothing while there is one; what happens meanwhile waits."""

    trigger: str
    reason: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One time that a trigger fired. `occurrence` names what happened, the same wherever it is noticed: an instant, a
    file and its content, an event's source and id. So it is recorded once; and as its run's id is chosen here, and no
    two runs have one id, exactly one run comes of it.

    `waiting`: for its run to be started; `started`: its run says how it goes; `gathered`: it shares the run of a batch;
    `failed`, `skipped`: no run, and `reason` says why. `event` is what happened, with its `data`.
    """

    trigger: str
    occurrence: str
    run: str = ""
    state: FiringState = "waiting"
    event: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    created: float = 0.0
