"""What happens in a run, told as it happens to whoever displays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `steps` are all its steps, in order."""

    run: Run
    steps: tuple[StepRun, ...]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step has been given to the engine."""

    step: StepRun


@dataclass(frozen=True, slots=True)
class StepMapped:
    """A mapped step begins: it runs as these items (`clean[0]`, `clean[1]`, ...), which start and end like steps."""

    step: StepRun
    items: tuple[StepRun, ...]


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended, in whatever state; `artifacts` are its outputs, with the facts worth showing."""

    step: StepRun
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended, in whatever state."""

    run: Run


Event: TypeAlias = RunStarted | StepStarted | StepMapped | StepEnded | RunEnded
OnEvent: TypeAlias = Callable[[Event], None]
