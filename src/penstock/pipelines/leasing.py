"""Leases: of the runs that are about to make the same thing at once, one makes it and the others wait for it.

Correctness never depends on them, publishing is idempotent; they only save work. A lease whose run is over, or whose
driver is gone, does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, ENDED, Lease, Run, StepRun
from penstock.errors import ConflictError
from penstock.pipelines.liveness import alive


class Leases:
    """The leases of one run. Keys that it holds are under way; those done stay recorded until the run ends, because one
    statement that frees them all costs less than one a step."""

    def __init__(self, metadata: MetadataStore, run: str, *, clock: Callable[[], float]) -> None:
        self._metadata, self._run, self._clock = metadata, run, clock
        self._held: set[str] = set()
        self._done: set[str] = set()

    def take(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that this run may make now; the others are being made, here or elsewhere."""
        again = {key for key in keys if key in self._done}
        new = [key for key in dict.fromkeys(keys) if key not in self._done | self._held]
        taken = again | (set(new) if self._insert(new) else {key for key in new if self._take_one(key)})
        self._done -= again
        self._held |= taken
        return taken

    def made(self, keys: Sequence[str]) -> bool:
        """Tell whether this run has made what any of the keys stands for itself."""
        return not self._done.isdisjoint(keys)

    def done(self, key: str) -> None:
        """Say that what a key stands for is published."""
        if key in self._held:
            self._held.discard(key)
            self._done.add(key)

    def free(self, keys: Sequence[str]) -> None:
        """Let others make what failed here, or turned out to be there."""
        ours = [key for key in keys if key in self._held]
        if ours:
            self._held.difference_update(ours)
            self._metadata.delete(Lease, key=ours, run=self._run)

    def end(self) -> None:
        """Free everything: the run has ended."""
        if self._held or self._done:
            self._metadata.delete(Lease, run=self._run)
            self._held.clear()
            self._done.clear()

    def _insert(self, keys: Sequence[str]) -> bool:
        if not keys:
            return True
        try:
            self._metadata.insert(*(Lease(key=key, run=self._run, created=self._clock()) for key in keys))
        except ConflictError:
            return False
        return True

    def _take_one(self, key: str) -> bool:
        if self._insert([key]):
            return True
        lease = self._metadata.get(Lease, key)
        if lease is not None and not self._over(lease):
            return False
        if lease is not None:
            self._metadata.delete(Lease, key=key, run=lease.run)
        return self._insert([key])

    def _over(self, lease: Lease) -> bool:
        """Tell whether a lease does not count any more: its run has ended, died, or is done with that key."""
        run = self._metadata.get(Run, lease.run)
        if run is None or run.state in ENDED or not alive(run, self._metadata):
            return True
        steps = self._metadata.find(StepRun, run=lease.run, key=lease.key)
        return bool(steps) and all(step.state in DONE for step in steps)
