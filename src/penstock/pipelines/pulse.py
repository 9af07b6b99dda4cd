"""The pulse of a run: tells the store that its driver lives, and hears when somebody wants the run to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Self

from penstock.core.ports import MetadataStore
from penstock.core.run import Cancellation, Heartbeat
from penstock.errors import StorageError

LISTEN_SECONDS = 0.5
"""How often the driver of a run looks for a `Cancellation`."""
BEAT_SECONDS = 10.0
"""How often it writes its `Heartbeat`."""


class Pulse:
    """A thread beside the driver of a run, while the block lasts. `cancelled` becomes the reason of a cancellation; a
    driver that is inside `interruptible` then, in the main thread, gets a `KeyboardInterrupt` there."""

    def __init__(self, run: str, metadata: MetadataStore, *, clock: Callable[[], float]) -> None:
        self.cancelled: str | None = None
        self.interruptible = False
        self._run, self._metadata, self._clock = run, metadata, clock
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"penstock-pulse-{run}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        quiet_seconds = 0.0
        while not self._ended.wait(LISTEN_SECONDS):
            quiet_seconds += LISTEN_SECONDS
            try:
                found = self._metadata.get(Cancellation, self._run)
                if quiet_seconds >= BEAT_SECONDS:
                    self._metadata.write(Heartbeat(run=self._run, beat=self._clock()))
                    quiet_seconds = 0.0
            except StorageError:
                continue  # the driver writes to the same store, and says so; a pulse that comes back is welcome
            if found is not None and self.cancelled is None:
                self.cancelled = found.reason or "cancelled"
                self._interrupt()

    def _interrupt(self) -> None:
        if self.interruptible and self._in_main_thread:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
