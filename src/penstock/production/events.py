"""What came of it: the triggers that a model's requests made fire, the runs that followed, where its aliases went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import AliasChange, Run
from penstock.core.trigger import Firing, Trigger
from penstock.monitor import JUDGED

MOST_EVENTS = 20


def events(metadata: MetadataStore, model: str) -> tuple[dict[str, Any], ...]:
    """Return the newest that happened to a model, the oldest first, as plain JSON: its triggers on drift and metrics
    that fired (`event` is their kind), with the run and how that stands, and aliases that moved (`event` is "alias").
    """
    found = [*_fired(metadata, model), *_moved(metadata, model)]
    return tuple(sorted(found, key=lambda each: str(each["time"]))[-MOST_EVENTS:])


def _fired(metadata: MetadataStore, model: str) -> Iterator[dict[str, Any]]:
    triggers = {each.name: each for each in metadata.find(Trigger) if each.kind in JUDGED}
    own = [name for name, each in triggers.items() if each.spec["model"] == model]
    newest: Any = {"newest_first": True, "limit": MOST_EVENTS}
    firings = [each for name in own for each in metadata.find(Firing, trigger=name, **newest)]
    ids = [each.run for each in firings if each.run]
    runs = {run.id: run for run in metadata.find(Run, id=ids)} if ids else {}
    for each in firings:
        run, data = runs.get(each.run), each.event.get("data", {})
        yield _event(each.created, triggers[each.trigger].kind, _about(data) or each.reason) | {
            "trigger": each.trigger,
            "version": data.get("version"),
            "state": each.state if run is None else run.state,
            "run": "" if run is None else run.id,
        }


def _moved(metadata: MetadataStore, model: str) -> Iterator[dict[str, Any]]:
    for each in metadata.find(AliasChange, model=model, newest_first=True, limit=MOST_EVENTS):
        about = f"{each.alias} is version {each.version}: {each.reason}".removesuffix(": ")
        yield _event(each.created, "alias", about) | {"version": each.version}


def _event(moment: float, event: str, about: str) -> dict[str, Any]:
    time = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"time": time, "event": event, "about": about, "trigger": "", "state": "", "run": "", "version": None}


def _about(data: Mapping[str, Any]) -> str:
    """Return in words what a firing was about: "km: PSI 0.96, bound 0.2"."""
    if "feature" in data:
        return f"{data['feature']}: {data['metric']} {data['distance']:.4g}, bound {data['threshold']:g}"
    if "value" in data:
        where = f" where {data['where']}" if data.get("where") else ""
        return f"{data['metric']} {data['value']:.4g}{where}, bound {data['threshold']:g}"
    return ""
