"""Following a stream: micro-batches of messages, each stored with how far it brings the stream, in one commit.

So a message is in the history exactly once: what is read again after a crash, or by a second follower, is behind the
place that the history names. Bad messages go to the dead letters first, with a place of their own, likewise.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from penstock.errors import DataError, StorageError
from penstock.features.history.tables import Move
from penstock.features.ingest.batches import Ingested, OnProgress, Progress, Target, with_created
from penstock.features.ingest.checking import OnBad
from penstock.features.ingest.dead_letters import dead_letters
from penstock.features.ingest.payloads import Bad, payload_reader
from penstock.features.ingest.streams import Message, Stream

LOG = logging.getLogger("penstock.features")
_BACKOFF_SECONDS, _BACKOFF_MOST = 0.5, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How large micro-batches are: at most so many messages, and of so many seconds."""

    messages: int = 10_000
    seconds: float = 1.0


PACE = Pace()


def follow(
    target: Target,
    stream: Stream,
    *,
    on_bad: OnBad = "dead_letter",
    until: threading.Event | None = None,
    pace: Pace | None = None,
    on_progress: OnProgress | None = None,
) -> Ingested:
    """Store what a stream holds from where the history stands: all that is there now, or with `until` also what comes,
    until that is set; the micro-batch under way is stored then.

    With `until` a stream, or a history, that is away is waited for. Raises `DataError` for a message that cannot be
    stored, if `on_bad` is "fail".
    """
    if on_bad == "set_aside":
        raise DataError("rows of a stream cannot be set aside for a caller; write on_bad='dead_letter', or 'fail'")
    follower = _Follower(target, stream, on_bad, pace or PACE, on_progress)
    wait = _BACKOFF_SECONDS
    try:
        while True:
            ends = until is not None and until.is_set()
            try:
                more = follower.step(until)
                if ends or (until is None and not more):
                    return follower.done
                wait = _BACKOFF_SECONDS
            except StorageError as error:
                if until is None:
                    raise
                LOG.warning("%s: %s; again in %g s", target.name, error, wait)
                follower.forget()
                if until.wait(wait):
                    return follower.done
                wait = min(2 * wait, _BACKOFF_MOST)
    finally:
        stream.close()


class _Follower:
    """Where a follower stands: `_stored` is what the history says, `_place` is behind the last message it dealt with,
    which a message without any good row moves on alone."""

    def __init__(
        self, target: Target, stream: Stream, on_bad: OnBad, pace: Pace, on_progress: OnProgress | None
    ) -> None:
        self._target, self._stream, self._on_bad, self._pace = target, stream, on_bad, pace
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._read = payload_reader(target.definition, stream.payload)
        self._stored: dict[str, int] = {}
        self._place: dict[str, int] = {}
        self.done = Ingested(target.name, 0, pa.table({}), (), (), None)

    def forget(self) -> None:
        """Ask the history anew where it stands."""
        self._place = {}

    def step(self, until: threading.Event | None) -> bool:
        """Store the next micro-batch; tell whether there was one."""
        if not self._place:
            self._stored = self._target.history.sources(self._stream.sources())
            self._place = dict(self._stored)
            self._target.serve()  # the follower before may have been killed between the two
        messages = self._collected(until)
        if not messages:
            return False
        rows, bad = self._read(messages)
        if bad and self._on_bad == "fail":
            first = bad[0]
            raise DataError(
                f"feature set '{self._target.name}': message {first.message.sequence} of '{first.message.source}': "
                f"{first.reason}; nothing of its micro-batch was stored. Follow with on_bad='dead_letter'"
            )
        reached = {message.source: message.sequence for message in messages}
        letters = self._keep(bad)
        if rows.num_rows and not self._store(rows, reached):
            self.forget()  # another follower was faster
            return True
        self._place |= reached
        self._stream.stored(self._place)
        self.done = replace(
            self.done,
            rows=self.done.rows + rows.num_rows,
            dead_letters=self.done.dead_letters + letters,
            seconds=time.monotonic() - self._began,
        )
        if self._on_progress is not None:
            done = self.done
            self._on_progress(
                Progress(stage="done", rows=done.rows, total=None, refused=done.dead_letters, seconds=done.seconds)
            )
        return True

    def _collected(self, until: threading.Event | None) -> list[Message]:
        """Return messages until they are as many, or have taken as long, as a micro-batch may."""
        found: list[Message] = []
        place = dict(self._place)
        deadline = time.monotonic() + self._pace.seconds
        while len(found) < self._pace.messages:
            left = deadline - time.monotonic()
            if found and left <= 0:
                break
            waits = until is not None and not until.is_set()
            more = self._stream.read(
                place, most=self._pace.messages - len(found), seconds=max(left, 0.001) if waits else 0
            )
            if not more and (not waits or found or left <= 0):
                break
            if not found:
                deadline = time.monotonic() + self._pace.seconds
            found += more
            place |= {message.source: message.sequence for message in more}
        return found

    def _store(self, rows: pa.Table, reached: Mapping[str, int]) -> bool:
        """Commit rows with the places that they bring the sources to; tell whether they were not there yet."""
        definition = self._target.definition
        moves = {name: Move(self._stored[name], sequence) for name, sequence in reached.items()}
        commit = self._target.history.append(
            with_created(definition, rows, time.time_ns() // 1000), timestamp=definition.set.timestamp, moves=moves
        )
        if commit is None:
            return False
        self._stored |= reached
        self.done = replace(self.done, version=commit.version)
        self._target.count(commit, "")
        self._target.serve()
        return True

    def _keep(self, bad: Sequence[Bad]) -> int:
        """Keep what could not be stored, unless it is kept already; return how many letters there are more."""
        store, name = self._target.dead_letters, self._target.definition.name
        while bad:
            kept = store.sources(name, sorted({each.message.source for each in bad}))
            bad = [each for each in bad if each.message.sequence > kept[each.message.source]]
            if not bad:
                break
            letters = pa.concat_tables([
                dead_letters(
                    self._target.name,
                    positions=[each.message.sequence],
                    reasons=[each.reason],
                    rows=[each.row],
                    source=each.message.source,
                    now=time.time_ns() // 1000,
                )
                for each in bad
            ])  # fmt: skip
            moves = {each.message.source: Move(kept[each.message.source], each.message.sequence) for each in bad}
            if store.add(name, letters, moves=moves) is not None:
                return len(bad)
        return 0
