"""The thread that watches all triggers of a project and starts what they fire. Any number of them share one store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType

from penstock.core.trigger import Firing, Pause, Trigger
from penstock.errors import PenstockError, RequestError, raised
from penstock.monitor.arriving import receive_from_stream
from penstock.monitor.cloud_events import CloudEvent
from penstock.monitor.files import watched_folder
from penstock.monitor.firing import begin, claim, record_failure, waiting
from penstock.monitor.services import Services
from penstock.monitor.streams import StreamReader
from penstock.monitor.watched import POLL_SECONDS, Watched
from penstock.monitor.watching import FolderWatch

LOG = logging.getLogger("penstock.triggers")
REAP_SECONDS = 5.0
_STARTERS = 4  # runs that are started at once: a process that imports the user's code each

Spawn = Callable[[Callable[[], None]], object]


class Monitor:
    """Watches triggers while it is open. `tick` is one look at all of them, for a moment that the clock of `services`
    says; the thread of `start` does so at each instant at which something is due, and when something came."""

    def __init__(self, services: Services, *, spawn: Spawn | None = None) -> None:
        """`spawn` runs a function apart, so that starting runs keeps nothing waiting (default: in threads)."""
        self._services = services
        self._pool = None if spawn else ThreadPoolExecutor(_STARTERS, thread_name_prefix="penstock-start")
        self._spawn: Spawn = spawn or self._submit
        self._watched: dict[str, Watched] = {}
        self._readers: dict[str, tuple[Trigger, StreamReader]] = {}
        self._problems: dict[tuple[str, str], str] = {}
        self._folders = FolderWatch(self._files_changed)
        self._changed, self._wake, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._reaped = 0.0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, first: Callable[[], object] | None = None) -> None:
        """Watch in a thread of its own until closed; `first` is called there before, again and again until it raises
        nothing."""
        self._thread = threading.Thread(target=self.run, args=(first,), name="penstock-triggers", daemon=True)
        self._thread.start()

    def run(self, first: Callable[[], object] | None = None) -> None:
        """Watch until closed, in this thread."""
        while not self._closed.is_set():
            try:
                if first is not None:
                    first()
                    first = None
                wait = self.tick()
            except Exception:  # the border of the thread: whatever happened, the next look may go well
                LOG.exception("the triggers cannot be watched; again in %g s", REAP_SECONDS)
                wait = REAP_SECONDS
            self._wake.wait(wait)
            self._wake.clear()

    def wake(self) -> None:
        """Look at once: something was recorded."""
        self._wake.set()

    def close(self) -> None:
        """Stop watching, once the runs that are being started are recorded."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._folders.close()
        for _, reader in self._readers.values():
            reader.close()
        if self._pool is not None:
            self._pool.shutdown()

    def tick(self) -> float:
        """Record what happened, start what may start; return for how many seconds nothing is to be done."""
        now, changed = self._services.clock(), self._changed.is_set()
        self._changed.clear()
        triggers = {trigger.name: trigger for trigger in self._services.metadata.find(Trigger)}
        paused = {pause.trigger for pause in self._services.metadata.find(Pause)}
        self._follow(triggers)
        self._reap(triggers, now)
        until = now + POLL_SECONDS
        for name, trigger in triggers.items():
            try:
                until = min(until, self._look(trigger, now, paused=name in paused, changed=changed))
                self._problems.pop((name, "look"), None)
            except Exception as error:  # the border of one trigger: whatever happened in it, the others go on
                self._note(trigger, "look", str(error) if isinstance(error, PenstockError) else raised(error))
        return max(0.0, until - self._services.clock())

    def _look(self, trigger: Trigger, now: float, *, paused: bool, changed: bool) -> float:
        watched = self._watched.get(trigger.name)
        if watched is None or watched.trigger != trigger:
            watched = self._watched[trigger.name] = Watched(self._services, trigger)
        again = watched.look(now, paused=paused, changed=changed)
        for firing in waiting(self._services, trigger, paused=paused):
            if claim(self._services, trigger, firing):
                LOG.info("trigger %s fires for %s: run %s", trigger.name, firing.occurrence, firing.run)
                self._spawn(partial(self._begin, trigger, firing))
        return again

    def _begin(self, trigger: Trigger, firing: Firing) -> None:
        try:
            begin(self._services, trigger, firing)
        except (PenstockError, OSError) as error:
            self._note(trigger, "start", str(error))
        self._wake.set()

    def _follow(self, triggers: dict[str, Trigger]) -> None:
        """Watch the folders and read the streams that the triggers need now."""
        self._watched = {name: watched for name, watched in self._watched.items() if name in triggers}
        files = [trigger for trigger in triggers.values() if trigger.kind == "new_file"]
        streams = {name: each for name, each in triggers.items() if each.spec.get("stream")}
        for name, (trigger, reader) in list(self._readers.items()):
            if streams.get(name) != trigger:
                reader.close()
                del self._readers[name]
        try:
            self._folders.watch({self._services.root / watched_folder(each.spec["pattern"]) for each in files})
        except PenstockError as error:
            for trigger in files:
                self._note(trigger, "watch", str(error))
        for name, trigger in streams.items():
            if name not in self._readers:
                try:
                    reader = StreamReader(trigger, self._services.project, partial(self._entry, trigger))
                    self._readers[name] = trigger, reader
                except PenstockError as error:
                    self._note(trigger, "watch", str(error))

    def _entry(self, trigger: Trigger, name: str, event: CloudEvent | RequestError) -> None:
        receive_from_stream(self._services, trigger, name, event)
        self._wake.set()

    def _files_changed(self) -> None:
        self._changed.set()
        self._wake.set()

    def _reap(self, triggers: dict[str, Trigger], now: float) -> None:
        """Let runs end whose process was killed: others wait for their place, or for their end."""
        if triggers and now - self._reaped >= REAP_SECONDS:
            self._reaped = now
            self._services.reap()

    def _note(self, trigger: Trigger, doing: str, problem: str) -> None:
        """Log what keeps a trigger from working, and put it into its history: once, not at each look."""
        if self._problems.get((trigger.name, doing)) == problem:
            return
        self._problems[trigger.name, doing] = problem
        LOG.error("trigger %s: %s", trigger.name, problem)
        try:
            moment = f"problem {self._services.clock():.3f}"
            record_failure(self._services, trigger, moment, {"type": "problem"}, problem)
        except PenstockError as error:
            LOG.error("trigger %s: that cannot be recorded: %s", trigger.name, error)

    def _submit(self, work: Callable[[], None]) -> None:
        if self._pool is not None:
            self._pool.submit(work)
