"""Which firings are history only: those that keep nothing from firing again may go, once they are old."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run
from penstock.core.trigger import Firing, Trigger
from penstock.monitor.schedules import SCHEDULED, named_instant

_KINDS = ("every", "cron", "new_file", "new_artifact", "run_finished", "stale", "manual")


def old_firings(metadata: MetadataStore, root: Path, *, keep: int, before: float) -> list[Firing]:
    """Return the firings that may go: recorded before a moment, not among the newest `keep` of their trigger, and not
    needed. Needed is one that waits, or whose run goes on; and one without which a trigger would fire again for what is
    still there: a file, a run, an artifact, the last instant of a schedule."""
    kinds = {trigger.name: trigger.kind for trigger in metadata.find(Trigger)}
    states = {run.id: run.state for run in metadata.find(Run)}
    made = {artifact.digest for artifact in metadata.find(Artifact)}
    going = {id for id, state in states.items() if state not in DONE}
    of_trigger: dict[str, list[Firing]] = {}
    for firing in metadata.find(Firing):
        of_trigger.setdefault(firing.trigger, []).append(firing)
    found: list[Firing] = []
    for trigger, firings in of_trigger.items():
        last = _last_instant(firings)
        for firing in firings[: max(0, len(firings) - keep)]:
            if firing.created >= before or firing.state == "waiting" or firing.run in going or firing is last:
                continue
            match _kind(firing, kinds.get(trigger)):
                case "new_file" if _files_are_there(firing, root):
                    continue
                case "run_finished" if firing.occurrence in states:
                    continue
                case "new_artifact" if firing.event.get("data", {}).get("run") is None or firing.occurrence in made:
                    continue  # versions of models and names are there for good
                case "stale" if firing is firings[-1]:
                    continue  # it may be stale still
            found.append(firing)
    return found


def _kind(firing: Firing, of_trigger: str | None) -> str:
    """Return which kind of thing happened; where the trigger is gone, its firings may still say so."""
    said = str(firing.event.get("type", ""))
    if firing.state == "gathered":
        return "new_file"
    if of_trigger == "event" or said not in _KINDS:
        return "event"
    return said


def _last_instant(firings: list[Firing]) -> Firing | None:
    """Return the firing of the last instant of a schedule: from there on it goes on."""
    named = [(instant, firing) for firing in firings if (instant := _instant(firing)) is not None]
    return max(named, key=lambda each: each[0])[1] if named else None


def _instant(firing: Firing) -> float | None:
    return named_instant(firing.occurrence) if firing.event.get("type") in SCHEDULED else None


def _files_are_there(firing: Firing, root: Path) -> bool:
    data = firing.event.get("data")
    if isinstance(data, Mapping):
        files: list[dict[str, Any]] = data.get("files", [data])
        paths = [str(file["path"]) for file in files if "path" in file]
    else:  # part of a batch: only its name says which file it was
        paths = [firing.occurrence.rpartition(" ")[0]]
    return any((root / path).exists() for path in paths)
