"""One trigger being watched: what it has seen to already, and what is new."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from penstock.core.trigger import Firing, Trigger
from penstock.monitor.files import Arrivals, NewFile, batch_event
from penstock.monitor.firing import record
from penstock.monitor.recorded import RecordedNews
from penstock.monitor.schedules import MOST_AT_ONCE, SCHEDULED, due, instant_name, instants, named_instant
from penstock.monitor.services import Services
from penstock.monitor.staleness import freshness_of

RESCAN_SECONDS = 30.0
"""How often files are looked for where the system says nothing: its word can be lost, and network folders give none."""
STALE_SECONDS = 10.0
"""How often it is looked whether a feature set that is stale is fresh again, or fresh for longer."""
JUDGED = ("drift", "degraded")
"""The kinds of triggers that judge models in production."""
JUDGE_SECONDS = 60.0
"""How often labels that come late are looked for, and how soon what could not be judged is judged again."""
SETTLE_SECONDS = 15.0
"""So long after a window has ended it is judged: servers write what they have answered every few seconds."""
POLL_SECONDS = 1.0
"""How often the store is asked what other processes wrote."""


class Watched:
    """A trigger, as it is recorded now; one that is changed is watched anew."""

    def __init__(self, services: Services, trigger: Trigger) -> None:
        self.trigger = trigger
        self._services = services
        self._look: Callable[[float, bool], float] = {
            "every": self._schedule,
            "cron": self._schedule,
            "new_file": self._files,
            "new_artifact": self._news,
            "run_finished": self._news,
            "stale": self._staleness,
            "drift": self._production,
            "degraded": self._production,
            "event": lambda now, changed: math.inf,
        }[trigger.kind]
        self._handled = trigger.since
        self._scan_at = self._looked_at = 0.0
        if trigger.kind in SCHEDULED:
            newest = services.metadata.find(Firing, trigger=trigger.name, newest_first=True, limit=2 * MOST_AT_ONCE)
            names = (named_instant(firing.occurrence) for firing in newest)
            self._handled = max([trigger.since, *(name for name in names if name is not None)])
        elif trigger.kind == "new_file":
            self._arrivals = Arrivals(services.root, trigger, self._history())
        elif trigger.kind in ("stale", *JUDGED):
            names = (named_instant(firing.occurrence.rpartition(" ")[2]) for firing in self._history())
            self._handled = max((name for name in names if name is not None), default=-math.inf)
        elif trigger.kind != "event":
            self._recorded = RecordedNews(services.metadata, trigger)
            self._known = {firing.occurrence for firing in self._history()}

    def look(self, now: float, *, paused: bool, changed: bool) -> float:
        """Record what is new; return when to look again, if nothing happens before. `changed`: there may be files."""
        if paused and self.trigger.kind in SCHEDULED:
            return now + POLL_SECONDS
        if now < self._looked_at:
            self._scan_at = 0.0  # the clock was set back: what it said of when to look again is for nothing
        self._looked_at = now
        return self._look(now, changed)

    def _schedule(self, now: float, changed: bool) -> float:
        kind, spec = self.trigger.kind, self.trigger.spec
        passed = due(kind, spec, handled=self._handled, now=now)
        for instant in passed:
            name = instant_name(instant)
            record(self._services, self.trigger, name, {"type": kind, "data": {"scheduled": name}})
            self._handled = instant
        if len(passed) == MOST_AT_ONCE:
            return now  # there are more
        return next(instants(kind, spec, max(now, self._handled)))

    def _files(self, now: float, changed: bool) -> float:
        settles = self._arrivals.settles()
        if changed or now >= self._scan_at or (settles is not None and settles <= now):
            self._scan_at = now + RESCAN_SECONDS
            files = self._arrivals.look(now)
            if files and self.trigger.spec["batch"]:
                self._batch(files)
            else:
                for file in files:
                    self._record(file.occurrence, file.data())
                self._arrivals.handled(files)
            settles = self._arrivals.settles()
        return min(self._scan_at, math.inf if settles is None else settles)

    def _batch(self, files: list[NewFile]) -> None:
        name, event = batch_event(files)
        if record(self._services, self.trigger, name, event, gathered=[file.occurrence for file in files]) is not None:
            self._arrivals.handled(files)
            return
        # Another server has some of them already; the rest make a batch of their own the next time.
        metadata, trigger = self._services.metadata, self.trigger.name
        self._arrivals.handled(file for file in files if metadata.get(Firing, trigger, file.occurrence) is not None)

    def _news(self, now: float, changed: bool) -> float:
        for name, data in self._recorded.look():
            if name not in self._known:
                self._record(name, data)
                self._known.add(name)
        return now + POLL_SECONDS

    def _staleness(self, now: float, changed: bool) -> float:
        if now >= self._scan_at:
            self._scan_at = self._look_at_freshness(now)
        return self._scan_at

    def _look_at_freshness(self, now: float) -> float:
        """A time of being stale has the name of when it began: the one that is known is not recorded again."""
        name = self.trigger.spec["feature_set"]
        found = freshness_of(self._services.metadata, name)
        if found is None or found.stale_from is None:
            return now + STALE_SECONDS
        if not found.is_stale(now):
            return min(now + STALE_SECONDS, found.stale_from + 0.001)
        since = instant_name(found.stale_from)
        began = named_instant(since) or found.stale_from
        if began > self._handled:
            data = {"feature_set": name, "version": found.version, "stale_since": since}
            event = None if found.last_event is None else instant_name(found.last_event)
            self._record(f"{name} {since}", data | {"last_event": event, "freshness_seconds": found.limit})
            self._handled = began
        return now + STALE_SECONDS

    def _production(self, now: float, changed: bool) -> float:
        if now >= self._scan_at:
            self._scan_at = now + JUDGE_SECONDS
            self._judge_production(now - SETTLE_SECONDS)
            length = self.trigger.spec["window_seconds"]
            ends = (math.floor((now - SETTLE_SECONDS) / length) + 1) * length + SETTLE_SECONDS
            self._scan_at = ends if self.trigger.kind == "drift" else min(ends, now + JUDGE_SECONDS)
        return self._scan_at

    def _judge_production(self, now: float) -> None:
        """A breach has the name of the window: whoever else judges it means the same."""
        last = None if math.isinf(self._handled) else self._handled
        found = self._services.judge(self.trigger.kind, self.trigger.spec, now, last)
        if found is not None and found.ended > max(self._handled, self.trigger.since):
            self._record(f"{self.trigger.spec['model']} {instant_name(found.ended)}", found.data)
            self._handled = found.ended

    def _record(self, name: str, data: dict[str, Any]) -> None:
        record(self._services, self.trigger, name, {"type": self.trigger.kind, "data": data})

    def _history(self) -> Iterable[Firing]:
        return self._services.metadata.find(Firing, trigger=self.trigger.name)
