"""What happens in a search, told as it happens to whoever displays it; and as lines of JSON, there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from penstock.studies.study import Study, Trial, better, study_of, summary, trial_json, trial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStarted:
    """A search begins, or goes on: `study` has the trials that were found; `wanted` is how many there are to be,
    `again` how many were interrupted and are tried again. `others` are studies of the experiment that are of something
    else: of other code, rows, parameters or search spaces. `run` is the run that the search itself is."""

    study: Study
    wanted: int
    again: int = 0
    others: tuple[str, ...] = ()
    run: str = ""


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


def event_line(event: StudyEvent) -> bytes:
    """Return an event as a line of JSON: `{"event": "trial_ended", ...}`."""
    match event:
        case StudyStarted(study=study, wanted=wanted, again=again, others=others, run=run):
            how = {"id": run, "wanted": wanted, "again": again, "others": list(others)}
            return line({"event": "study_started", **how, **summary(study)})
        case TrialStarted(trial=trial):
            return line({"event": "trial_started", **trial_json(trial)})
        case TrialEnded(trial=trial, best=best):
            return line({"event": "trial_ended", **trial_json(trial), "best": None if best is None else best.number})
        case StudyEnded(study=study, why=why):
            return line({"event": "study_ended", "why": why, **summary(study)})


def events_of(lines: Iterable[str]) -> Iterator[StudyEvent | dict[str, Any]]:
    """Yield the events that lines of JSON stand for, and what is none as it is: `{"error": {...}}`."""
    best: Trial | None = None
    maximize = False
    for each in lines:
        told: dict[str, Any] = msgspec.json.decode(each)
        match told.get("event"):
            case "study_started":
                study = study_of(told)
                best, maximize = study.best, study.maximize
                others = tuple(told["others"])
                yield StudyStarted(
                    study=study, wanted=told["wanted"], again=told["again"], others=others, run=told["id"]
                )
            case "trial_started":
                yield TrialStarted(trial=trial_of(told))
            case "trial_ended":
                trial = trial_of(told)
                best = better(best, trial, maximize=maximize)
                yield TrialEnded(trial=trial, best=best)
            case "study_ended":
                yield StudyEnded(study=study_of(told), why=told["why"])
            case _:
                yield told


def line(told: dict[str, Any]) -> bytes:
    """Return JSON as a line of a file."""
    return msgspec.json.encode(told, enc_hook=repr) + b"\n"
