"""What comes from outside by itself: events, and people who fire a trigger by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.trigger import Firing, Trigger
from penstock.errors import RequestError
from penstock.monitor.cloud_events import CloudEvent, matches, occurrence_of
from penstock.monitor.firing import begin, claim, manual_event, record, record_failure
from penstock.monitor.services import Services


@dataclass(frozen=True, slots=True)
class Received:
    """What an event led to: a firing, new or (the event came again) known."""

    firing: Firing
    new: bool


def receive(services: Services, event: CloudEvent) -> list[Received]:
    """Record an event for every trigger that it matches; their runs are started by whoever watches the triggers."""
    found = services.metadata.find(Trigger, kind="event")
    return [_received(services, trigger, event) for trigger in found if matches(trigger, event)]


def receive_from_stream(services: Services, trigger: Trigger, entry: str, event: CloudEvent | RequestError) -> None:
    """Record an entry of the stream of a trigger: a firing, or that it was none."""
    if isinstance(event, RequestError):
        record_failure(services, trigger, entry, {"type": "", "source": trigger.spec["stream"]}, str(event))
    elif matches(trigger, event):
        record(services, trigger, occurrence_of(event), event)


def fire(services: Services, trigger: Trigger, data: Mapping[str, Any]) -> Firing:
    """Fire a trigger by hand, also one that is paused, and start its run here if one more may be under way."""
    firing = record(services, trigger, *manual_event(dict(data), services.clock()))
    while firing is None:  # two people in one microsecond
        firing = record(services, trigger, *manual_event(dict(data), services.clock()))
    if claim(services, trigger, firing):
        begin(services, trigger, firing)
    return services.metadata.get(Firing, firing.trigger, firing.occurrence) or firing


def _received(services: Services, trigger: Trigger, event: CloudEvent) -> Received:
    occurrence = occurrence_of(event)
    firing = record(services, trigger, occurrence, event)
    if firing is not None:
        return Received(firing, new=True)
    known = services.metadata.get(Firing, trigger.name, occurrence)
    return Received(known or Firing(trigger=trigger.name, occurrence=occurrence), new=False)
