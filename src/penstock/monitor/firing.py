"""From something that happened to exactly one run of it, with any number of servers on one store, any of which may die.

1. `record`: the firing is inserted; its identity is the trigger and what happened, so it is there once. The id of its
   run is chosen here.
2. `claim`: a place among the runs that may be under way is taken, by inserting leases; so each firing is started by one
   server, and there are never more runs than the trigger allows.
3. `begin`: the run is started under that id, and the firing says so.

A server that dies between two of these leaves a firing that waits. Another one goes on with it after a while; if the
first had started the run after all, the second is refused, as no two runs have one id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from penstock.core.run import ENDED, Lease, Run
from penstock.core.trigger import Firing, FiringState, Trigger
from penstock.errors import ConflictError, PenstockError, StorageError
from penstock.monitor.parameters import given_params
from penstock.monitor.services import Services

TAKE_OVER_SECONDS = 90.0
"""How long after it was claimed a firing that still waits is started by whoever sees it: its server must have died."""
_MANUAL = "manual"
_CAUSE_BYTES = 16 * 1024  # it goes to the run's process as an argument
_DATA = ("data", "data_base64")


def record(
    services: Services, trigger: Trigger, occurrence: str, event: dict[str, Any], *, gathered: Iterable[str] = ()
) -> Firing | None:
    """Record that a trigger fires for something that happened; None: it did so before. Those `gathered` (a file each)
    are recorded with it, as part of its run, all or none."""
    now = services.clock()
    firing = Firing(trigger=trigger.name, occurrence=occurrence, run=services.new_run_id(now), event=event, created=now)
    reason = f"in the batch {occurrence}"
    members = [replace(firing, occurrence=each, state="gathered", event={}, reason=reason) for each in gathered]
    try:
        services.metadata.insert(firing, *members)
    except ConflictError:
        return None
    return firing


def record_failure(services: Services, trigger: Trigger, occurrence: str, event: dict[str, Any], reason: str) -> None:
    """Record that something happened for which a trigger cannot fire, and why; once, as any other firing."""
    failed = Firing(
        trigger=trigger.name,
        occurrence=occurrence,
        state="failed",
        event=event,
        reason=reason,
        created=services.clock(),
    )
    try:
        services.metadata.insert(failed)
    except ConflictError:
        return


def manual_event(data: dict[str, Any], now: float) -> tuple[str, dict[str, Any]]:
    """Return what somebody who fires a trigger by hand makes happen."""
    return f"{_MANUAL} {now:.6f}", {"type": _MANUAL, "data": data}


def waiting(services: Services, trigger: Trigger, *, paused: bool) -> Sequence[Firing]:
    """Return the firings of a trigger whose runs are to be started, oldest first; of a paused one those by hand."""
    if paused:
        found = services.metadata.find(Firing, trigger=trigger.name, state="waiting")
        return [firing for firing in found if firing.event.get("type") == _MANUAL]
    # A few more than can start now: some may be claimed by other servers at this moment.
    return services.metadata.find(Firing, trigger=trigger.name, state="waiting", limit=2 * trigger.max_parallel + 10)


def claim(services: Services, trigger: Trigger, firing: Firing) -> bool:
    """Take the right to start the run of a firing that waits; False: another server has it, or enough runs are under
    way. For a trigger that skips what is too much, the firing is then skipped."""
    metadata, now = services.metadata, services.clock()
    own = Lease(key=f"firing:{firing.run}", run=firing.run, created=now)
    held = metadata.get(Lease, own.key)
    if held is not None and now - held.created < TAKE_OVER_SECONDS:
        return False
    if held is not None:
        metadata.write(own)  # for others the time begins anew
    elif not _inserted(services, own):
        return False
    if _still_waits(services, firing):
        if _take_place(services, trigger, firing, now):
            return True
        if trigger.when_full == "skip":
            reason = f"{trigger.max_parallel} of its runs were under way, and max_parallel is {trigger.max_parallel}"
            _settle(services, firing, "skipped", reason)
            return False
    metadata.delete(Lease, run=firing.run)
    return False


def begin(services: Services, trigger: Trigger, firing: Firing) -> None:
    """Start the run of a firing that was claimed, and record how that went."""
    if services.metadata.get(Run, firing.run) is not None:
        _settle(services, firing, "started")
        return
    try:
        said = services.start_run(trigger, firing, given_params(trigger.params, firing.event))
        error = said.get("error", {}).get("message", "")
    except StorageError:
        raise  # nothing can be recorded: it waits, and is started again
    except PenstockError as refused:
        error = str(refused)
    if error and services.metadata.get(Run, firing.run) is None:
        _settle(services, firing, "failed", error)
    else:
        _settle(services, firing, "started")


def cause_of(firing: Firing) -> dict[str, Any]:
    """Return the cause that the run of a firing has; large data of an event is left out, its firing has them."""
    event = firing.event
    if len(msgspec.json.encode(event)) > _CAUSE_BYTES:
        event = {**{name: value for name, value in event.items() if name not in _DATA}, "data_left_out": True}
    return {"kind": "trigger", "trigger": firing.trigger, "occurrence": firing.occurrence, "event": event}


def _take_place(services: Services, trigger: Trigger, firing: Firing, now: float) -> bool:
    for number in range(trigger.max_parallel):
        key = f"trigger:{trigger.name}:{number}"
        held = services.metadata.get(Lease, key)
        if held is not None and held.run == firing.run:
            return True  # taken by the server that died
        if held is not None and not _over(services, held.run):
            continue
        if held is not None:
            services.metadata.delete(Lease, run=held.run)
        if _inserted(services, Lease(key=key, run=firing.run, created=now)):
            return True
    return False


def _over(services: Services, run_id: str) -> bool:
    """Tell whether the run that holds a place has ended, or will never be."""
    run = services.metadata.get(Run, run_id)
    if run is not None:
        return run.state in ENDED
    # Without a record the run is still to come, unless its firing says that it came (and was deleted) or will not.
    return all(firing.state != "waiting" for firing in services.metadata.find(Firing, run=run_id))


def _still_waits(services: Services, firing: Firing) -> bool:
    now = services.metadata.get(Firing, firing.trigger, firing.occurrence)
    return now is not None and now.state == "waiting"


def _settle(services: Services, firing: Firing, state: FiringState, reason: str = "") -> None:
    services.metadata.write(replace(firing, state=state, reason=reason))
    if state != "started":
        services.metadata.delete(Lease, run=firing.run)


def _inserted(services: Services, lease: Lease) -> bool:
    try:
        services.metadata.insert(lease)
    except ConflictError:
        return False
    return True
