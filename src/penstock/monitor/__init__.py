"""What makes runs start by themselves: schedules, files, events, other runs; each occurrence exactly once."""

from penstock.monitor.arriving import Received, fire, receive
from penstock.monitor.changing import degraded, drift
from penstock.monitor.cloud_events import CloudEvent, matches, read_http, read_structured
from penstock.monitor.declare import (
    NamedPipeline,
    TriggerDeclaration,
    arguments_of,
    as_trigger,
    cron,
    event,
    event_data,
    every,
    new_artifact,
    new_file,
    on,
    read_params,
    run_finished,
    stale,
    when_of,
)
from penstock.monitor.firing import cause_of
from penstock.monitor.monitor import Monitor
from penstock.monitor.pruning import old_firings
from penstock.monitor.registering import pause, register, register_declared, remove, resume
from penstock.monitor.schedules import SCHEDULED, instant_name, instants
from penstock.monitor.services import Breached, Judge, Services
from penstock.monitor.staleness import Freshness, freshness_of
from penstock.monitor.watched import JUDGED
from penstock.monitor.when import When

__all__ = [
    "JUDGED",
    "SCHEDULED",
    "Breached",
    "CloudEvent",
    "Freshness",
    "Judge",
    "Monitor",
    "NamedPipeline",
    "Received",
    "Services",
    "TriggerDeclaration",
    "When",
    "arguments_of",
    "as_trigger",
    "cause_of",
    "cron",
    "degraded",
    "drift",
    "event",
    "event_data",
    "every",
    "fire",
    "freshness_of",
    "instant_name",
    "instants",
    "matches",
    "new_artifact",
    "new_file",
    "old_firings",
    "on",
    "pause",
    "read_http",
    "read_params",
    "read_structured",
    "receive",
    "register",
    "register_declared",
    "remove",
    "resume",
    "run_finished",
    "stale",
    "when_of",
]
