"""What happens in a search, told as it happens to whoever displays it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from penstock.studies.study import Study, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStarted:
    """A search begins, or goes on: `study` has the trials that were found; `wanted` is how many there are to be,
    `again` how many were interrupted and are tried again. `others` are studies of the experiment that are of something
    else: of other code, rows, parameters or search spaces."""

    study: Study
    wanted: int
    again: int = 0
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """A trial begins as a run."""

    trial: Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnded:
    """A trial has ended; `best` is the best of all until now."""

    trial: Trial
    best: Trial | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEnded:
    """The search is over, or was stopped (`why` says by what, "" where it has all its trials)."""

    study: Study
    why: str = ""


StudyEvent: TypeAlias = StudyStarted | TrialStarted | TrialEnded | StudyEnded
OnStudyEvent: TypeAlias = Callable[[StudyEvent], None]
