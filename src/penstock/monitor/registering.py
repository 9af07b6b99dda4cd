"""How declared triggers come into the store, and stay in step with the code that declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.core.ports import MetadataStore
from penstock.core.trigger import Pause, Trigger
from penstock.errors import ConflictError


def register(metadata: MetadataStore, trigger: Trigger) -> Trigger:
    """Record a trigger and return it as it is recorded; one of that name is changed to it and keeps its history.

    What happened before a change of what it waits for does not make it fire.
    """
    there = metadata.get(Trigger, trigger.name)
    if there is None:
        try:
            metadata.insert(trigger)
        except ConflictError:  # another process was first, with the same code or other
            return register(metadata, trigger)
        return trigger
    waits_for_the_same = (there.kind, there.spec) == (trigger.kind, trigger.spec)
    changed = replace(trigger, created=there.created, since=there.since if waits_for_the_same else trigger.since)
    if changed != there:
        metadata.write(changed)
    return changed


def register_declared(metadata: MetadataStore, declared: Mapping[str, Trigger]) -> None:
    """Bring the triggers of the project's modules into the store; those not declared there any more are removed."""
    for trigger in declared.values():
        register(metadata, trigger)
    for trigger in metadata.find(Trigger):
        if trigger.declared and trigger.name not in declared:
            remove(metadata, trigger.name)


def remove(metadata: MetadataStore, name: str) -> None:
    """Forget a trigger; its history stays."""
    metadata.delete(Trigger, name=name)
    metadata.delete(Pause, trigger=name)


def pause(metadata: MetadataStore, trigger: Trigger, *, reason: str, now: float) -> None:
    """Let a trigger start nothing until it is resumed."""
    metadata.write(Pause(trigger=trigger.name, reason=reason, created=now))


def resume(metadata: MetadataStore, trigger: Trigger) -> None:
    """Let a paused trigger go on, with what waits."""
    metadata.delete(Pause, trigger=trigger.name)
