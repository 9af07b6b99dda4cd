"""What a user writes to declare a trigger: when it fires, what it runs, with which parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from penstock.core.mapping import FrozenMap
from penstock.core.trigger import EventData, Trigger
from penstock.core.units import seconds
from penstock.errors import DeclarationError, UnknownNameError
from penstock.monitor.changing import degraded, drift
from penstock.monitor.schedules import checked_cron
from penstock.monitor.when import When, one_of
from penstock.secrets import REDIS_PASSWORD, without_password

_CATCH_UPS = ("none", "last", "all")
_WHEN_FULL = ("queue", "skip")
_MODES = ("train", "infer")
_NONE: Any = object()


class NamedPipeline(Protocol):
    """A function declared with `@pipeline`, or a cascade, whose pipeline trains all of it."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


class NamedSet(Protocol):
    """A feature set."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDeclaration:
    """A trigger as it stands in a module. Without a name it has that of the variable that holds it."""

    when: When
    pipeline: str
    params: FrozenMap[Any] = field(default_factory=FrozenMap)
    name: str = ""
    experiment: str = ""
    mode: str = "train"
    max_parallel: int = 1
    when_full: str = "queue"


def every(interval: float | str, *, catch_up: str = "last") -> When:
    """Fire at each full interval, counted from 1970 in UTC: "15m" at :00, :15, :30 and :45, "1d" at midnight.

    `catch_up` says what becomes of instants that passed while no server was there, or the trigger was paused: `last`
    fires once for all of them, `all` for each, `none` for no one.
    """
    length = seconds(interval, "the interval of every()")
    if length < 1:
        raise DeclarationError(f"every({interval!r}) is shorter than a second; runs take longer than that to start")
    return When(kind="every", spec=FrozenMap({"seconds": length, "catch_up": one_of(catch_up, _CATCH_UPS, "catch_up")}))


def cron(expression: str, *, zone: str = "UTC", catch_up: str = "last") -> When:
    """Fire at the times of a cron expression (minute, hour, day of month, month, day of week) in a time zone.

    Where clocks are set forward, a time that is left out fires right after; where they are set back, a time that comes
    twice fires once, and one of every hour (`*`) each time: as Debian's cron does. `catch_up`: see `every`.
    """
    spec = {
        "expression": checked_cron(expression, zone),
        "zone": zone,
        "catch_up": one_of(catch_up, _CATCH_UPS, "catch_up"),
    }
    return When(kind="cron", spec=FrozenMap(spec))


def new_file(pattern: str, *, debounce: float | str = 2.0, batch: bool = False, existing: bool = True) -> When:
    """Fire for each file that comes to match a pattern below the project's root (`in/*.parquet`, `in/**/*.csv`).

    A file counts once it has not changed for `debounce`, and once for its content: written anew with other bytes it is
    new again. With `batch` the files that come together share one run. With `existing=False` those do not count that
    were there before the trigger was. The event's data has `path`, `size_bytes` and `digest` (a batch: `paths`).
    """
    if not pattern or pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
        raise DeclarationError(f"new_file({pattern!r}): give a pattern below the project's root, as in 'in/*.parquet'")
    spec = {
        "pattern": pattern,
        "debounce_seconds": seconds(debounce, "the debounce of new_file()"),
        "batch": batch,
        "existing": existing,
    }
    return When(kind="new_file", spec=FrozenMap(spec))


def event(
    type: str, *, source: str = "", filter: Mapping[str, Any] | None = None, stream: str = ""
) -> When:  # `type`, `source`: CloudEvents' own words
    """Fire for each CloudEvent of a type (`*` stands for anything: `com.shop.*`), by POST /v1/events.

    `source` may be a pattern too; `filter` gives values that the event's data must have: {"bucket.name": "in"}. With
    `stream` ("redis://host:6379/name") events are read from a Redis stream as well. An event of the same source and id
    fires once.
    """
    if not type:
        raise DeclarationError("event('') has no type; give the type of the events, or '*' for all")
    if stream:
        parts = urlsplit(stream)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or not parts.path.strip("/"):
            shown = without_password(stream)
            raise DeclarationError(f"stream={shown!r} is not a Redis stream; give redis://host:6379/name")
        if without_password(stream) != stream:
            raise DeclarationError(
                f"stream={without_password(stream)!r} was given with a password, and a trigger is recorded and shown; "
                f"leave it out, and put it into the environment of the server: {REDIS_PASSWORD}"
            )
    spec = {"type": type, "source": source, "filter": dict(filter or {}), "stream": stream}
    return When(kind="event", spec=FrozenMap(spec))


def new_artifact(name: str) -> When:
    """Fire for each new version of a registered model (`bicycle`) or of a named artifact (`prices`), or for each new
    output of a step of another pipeline (`pipeline/step`, `pipeline/step.output`): equal bytes again are not new. The
    event's data has `digest`, and `version`, or `run`."""
    if not name.strip("/"):
        raise DeclarationError("new_artifact('') names nothing; give a model, a named artifact, or 'pipeline/step'")
    return When(kind="new_artifact", spec=FrozenMap({"name": name}))


def run_finished(pipeline: NamedPipeline | str, *, state: str = "succeeded") -> When:
    """Fire when a run of another pipeline has ended in that state (`any`: in whichever). The event's data has `run`,
    `state`, `params` and `experiment`."""
    states = ("succeeded", "failed", "cancelled", "any")
    return When(
        kind="run_finished", spec=FrozenMap({"pipeline": _name(pipeline), "state": one_of(state, states, "state")})
    )


def stale(feature_set: NamedSet | str) -> When:
    """Fire when the newest event of a feature set has become older than its `freshness`; once, however long that lasts,
    and again when it was fresh meanwhile. A set without rows is as old as it is applied. The event's data has
    `feature_set`, `version`, `stale_since`, `last_event` and `freshness_seconds`."""
    name = feature_set if isinstance(feature_set, str) else getattr(feature_set, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise DeclarationError(f"stale({feature_set!r}): give a feature set, or its name, as in stale('driver_rides')")
    return When(kind="stale", spec=FrozenMap({"feature_set": name}))


WHENS: dict[str, Callable[..., When]] = {
    "every": every,
    "cron": cron,
    "new_file": new_file,
    "event": event,
    "new_artifact": new_artifact,
    "run_finished": run_finished,
    "stale": stale,
    "drift": drift,
    "degraded": degraded,
}
"""What makes a trigger fire, by the name of its kind."""
_ARGUMENTS = {
    "seconds": "interval", "debounce_seconds": "debounce", "window_seconds": "window", "cooldown_seconds": "cooldown",
}  # fmt: skip


def arguments_of(when: When) -> dict[str, Any]:
    """Return the arguments that the function of a kind takes to give this."""
    return {_ARGUMENTS.get(name, name): value for name, value in when.spec.items()}


def when_of(kind: str, arguments: Mapping[str, Any]) -> When:
    """Return what a kind and the arguments of its function say: the other direction of `arguments_of`."""
    make = WHENS[one_of(kind, tuple(WHENS), "kind of trigger")]
    known = inspect.signature(make).parameters
    for name in arguments:
        if name not in known:
            raise UnknownNameError("argument", name, known, within=f"{kind}()")
    missing = [name for name, each in known.items() if each.default is each.empty and name not in arguments]
    if missing:
        raise DeclarationError(f"{kind}() needs {', '.join(missing)}")
    return make(**arguments)


def event_data(path: str, *, default: Any = _NONE) -> EventData:
    """Stand for a value in the event's data, as a parameter: `params={"source": ps.event_data("path")}`.

    Keys on the way are joined by dots, positions in lists are numbers: "records.0.key". With `default=` that is taken
    where the data has no such value; without it the firing fails and says so.
    """
    if not all(path.split(".")):
        raise DeclarationError(f"event_data({path!r}) leads nowhere; join keys by dots: event_data('bucket.name')")
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    return EventData(keys, () if default is _NONE else (default,))


def on(
    when: When,
    pipeline: NamedPipeline | str,
    *,
    params: Mapping[str, Any] | None = None,
    name: str = "",
    experiment: str = "",
    mode: str = "train",
    max_parallel: int = 1,
    when_full: str = "queue",
) -> TriggerDeclaration:
    """Declare that a pipeline runs when something happens; `penstock serve` and `penstock trigger run` see to it.

    `params` are values, or `event_data(...)`. At most `max_parallel` runs of the trigger are under way; what comes then
    waits (`when_full="queue"`) or is recorded and left (`"skip"`).
    """
    if not isinstance(when, When):
        raise DeclarationError(f"on({when!r}, ...): say when with {', '.join(WHENS)}")
    if not isinstance(max_parallel, int) or max_parallel < 1:
        raise DeclarationError(f"max_parallel is {max_parallel!r}; give a whole number of runs, 1 or more")
    return TriggerDeclaration(
        when=when,
        pipeline=_name(pipeline),
        params=FrozenMap(params or {}),
        name=_checked_name(name),
        experiment=experiment,
        mode=one_of(mode, _MODES, "mode"),
        max_parallel=max_parallel,
        when_full=one_of(when_full, _WHEN_FULL, "when_full"),
    )


def as_trigger(declaration: TriggerDeclaration, *, name: str, declared: str, now: float) -> Trigger:
    """Return the record of a declaration that is called `name`."""
    return Trigger(
        name=_checked_name(name),
        kind=declaration.when.kind,
        pipeline=declaration.pipeline,
        spec=dict(declaration.when.spec),
        params={key: _written(value, key) for key, value in declaration.params.items()},
        experiment=declaration.experiment,
        mode=declaration.mode,
        max_parallel=declaration.max_parallel,
        when_full=declaration.when_full,
        declared=declared,
        created=now,
        since=now,
    )


def read_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trigger's record, with `EventData` where it stood when they were declared."""
    return {
        name: EventData(tuple(value["$event"]), tuple(value["default"]))
        if isinstance(value, dict) and "$event" in value
        else value
        for name, value in params.items()
    }


def _written(value: Any, name: str) -> Any:
    if isinstance(value, EventData):
        return {"$event": list(value.path), "default": list(value.default)}
    if isinstance(value, dict) and "$event" in value:
        raise DeclarationError(f"parameter '{name}' has the key '$event', which stands for event_data(...) here")
    return value


def _name(pipeline: NamedPipeline | str) -> str:
    name = pipeline if isinstance(pipeline, str) else getattr(pipeline, "name", None)
    if not isinstance(name, str) or not name:
        raise DeclarationError(
            f"{pipeline!r} is not a pipeline; give a function declared with @ps.pipeline, a cascade, or the name of one"
        )
    return name


def _checked_name(name: str) -> str:
    if any(letter in "/:@?#% " or not letter.isprintable() for letter in name):
        raise DeclarationError(f"'{name}' cannot name a trigger: leave out spaces and any of / : @ ? # %")
    return name
