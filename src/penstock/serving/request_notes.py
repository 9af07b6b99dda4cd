"""Requests that were answered, on their way to the log: a share of them, beside the requests, never before them."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from penstock.core.schema import Schema
from penstock.errors import DeclarationError, PenstockError
from penstock.models.routing import is_routed
from penstock.production.records import FEATURES, RecordForm, features_of, is_sampled, row_id, utc
from penstock.production.request_log import RequestLog, Written
from penstock.project.config import Config
from penstock.serving.at_once import REQUEST_ID, Headers
from penstock.serving.errors import LOG
from penstock.serving.metrics import RequestCounts
from penstock.serving.predictors import Loaded, Predictors

if TYPE_CHECKING:
    import pyarrow as pa

MOST_REQUESTS, MOST_BYTES = 10_000, 64 << 20
"""How much may wait for the log: what comes while there is more is dropped, and counted."""

_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0
_ROWS_AT_ONCE = 500
_MOST_FORMS = 64
_YIELD_SECONDS = 0.00005
_MOST_ID = 200
_IDS = b'"ids"'

Shadows = Callable[[str], Loaded | None]
"""Gives the version of a model that stands in the shadow of the one that is served, if there is one."""


class _Note(NamedTuple):  # a frozen dataclass takes four times as long to make
    time: float
    loaded: Loaded
    request: bytes
    body: bytes
    answer: bytes
    seconds: float

    @property
    def size(self) -> int:
        return len(self.body) + len(self.answer)


class _BatchNote(NamedTuple):
    time: float
    loaded: Loaded
    request: bytes
    rows: pa.Table
    seconds: float

    @property
    def size(self) -> int:
        size: int = self.rows.nbytes
        return size


class _Body(msgspec.Struct):
    instances: list[msgspec.Raw]


_raw = msgspec.json.Decoder(_Body).decode
_instance: Callable[[msgspec.Raw], dict[str, Any]] = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class RequestNotes:
    """Keeps a share of the answered requests in the log, and asks shadows what they would have said.

    `name` and `note` cost a request about a microsecond: a look at its headers, the hash of its id and, where it is one
    of the share, an entry of a queue. All else is done by a thread, which lets others have the interpreter after each
    row that a shadow predicts.
    """

    def __init__(
        self, log: RequestLog, share: float, shadows: Shadows, counts: RequestCounts, *, flush_seconds: float = 2.0,
        form: Callable[[Loaded], RecordForm], clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._log, self._share, self._shadows, self.counts = log, share, shadows, counts
        self.is_on, self._clock = share > 0, clock
        self._flush_seconds, self._form = flush_seconds, form
        self._forms: dict[int, tuple[Loaded, RecordForm]] = {}
        self._waiting: deque[_Note | _BatchNote] = deque()
        self._came, self._went = 0, 0  # bytes; each is written by one thread
        self._mark, self._number = secrets.token_hex(6).encode(), itertools.count().__next__
        self._made: dict[RecordForm, list[dict[str, Any]]] = {}
        self._made_rows = 0
        self._flushed, self._problem = time.monotonic(), ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="penstock-requests", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is anything for it; where the log cannot be written, that is told at once."""
        if self.is_on:
            self._write(self._log.check)
            self._thread.start()

    def close(self) -> None:
        """Write what waits, without asking shadows, and end the thread; one that does not end is left behind."""
        self._stop.set()
        if self.is_on:
            self._thread.join(_END_SECONDS)
        if not self._thread.is_alive():
            self._write(self._log.close)

    def name(self, headers: Headers) -> bytes:
        """Return what a request is called: as its header says, or a name that no other one has."""
        for name, value in headers:
            if name == REQUEST_ID and value:
                return value[:_MOST_ID]
        return b"%s-%x" % (self._mark, self._number())

    def note(self, loaded: Loaded, request: bytes, body: bytes, answer: bytes, seconds: float) -> None:
        """Keep a request that was answered, if it is one of the share. Called by the event loop only.

        Where its body says what each row is called, each row is one of the share or not; the thread looks.
        """
        if not is_sampled(request, self._share) and _IDS not in body:
            return
        size = len(body) + len(answer)
        if len(self._waiting) >= MOST_REQUESTS or self._came - self._went + size > MOST_BYTES:
            self.counts.dropped += 1
            return
        self._came += size
        self._waiting.append(_Note(self._clock(), loaded, request, body, answer, seconds))

    def note_batch(self, loaded: Loaded, request: bytes, rows: pa.Table, seconds: float) -> None:
        """Keep rows that were predicted as a table, those that are of the share. Called by the event loop only."""
        if len(self._waiting) >= MOST_REQUESTS or self._came - self._went + rows.nbytes > MOST_BYTES:
            self.counts.dropped += 1
            return
        self._came += rows.nbytes
        self._waiting.append(_BatchNote(self._clock(), loaded, request, rows, seconds))

    def _work(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._waiting:
            note = self._waiting.popleft()
            self._went += note.size
            try:
                self._take(note)
            except Exception:  # the border of the thread: whatever is odd about one request, the others are logged
                self.counts.lost += 1
                LOG.exception("a request to model '%s' cannot be logged", note.loaded.model)
            if self._made_rows >= _ROWS_AT_ONCE:
                self._hand_over()
        self._hand_over()
        self._flush_if_due()

    def _take(self, note: _Note | _BatchNote) -> None:
        form = self._form_of(note.loaded)
        if isinstance(note, _BatchNote):
            self._add_batch(form, note)
            return
        for record in self._records(form, note):
            self._made.setdefault(form, []).append(record)
            self._made_rows += 1
            self._flush_if_due()  # a shadow may take its time

    def _add_batch(self, form: RecordForm, note: _BatchNote) -> None:
        request, rows = note.request.decode("latin-1"), note.rows
        ids = [row_id(request, number, rows.num_rows) for number in range(rows.num_rows)]
        found = form.batch(rows, ids, {"time": utc(note.time), "request": request, "latency_seconds": note.seconds})
        if self._share < 1:
            found = found.filter([is_sampled(each.encode(), self._share) for each in ids])
        if found.num_rows:
            self._log.add(found)

    def _hand_over(self) -> None:
        made, self._made, self._made_rows = self._made, {}, 0
        for form, records in made.items():
            try:
                self._log.add(form.table(records))
            except Exception:  # a value that no column takes: each row alone, so that it is the only one that is lost
                self._hand_over_each(form, records)
        time.sleep(_YIELD_SECONDS)

    def _hand_over_each(self, form: RecordForm, records: Sequence[dict[str, Any]]) -> None:
        for record in records:
            try:
                self._log.add(form.table([record]))
            except Exception as error:  # the border of the thread, as above
                self.counts.lost += 1
                LOG.error("row '%s' of model '%s' cannot be logged: %s", record["id"], form.model, error)

    def _flush_if_due(self) -> None:
        if time.monotonic() - self._flushed >= self._flush_seconds:
            self._hand_over()
            self._write(self._log.flush)
            self._flushed = time.monotonic()

    def _write(self, write: Callable[[], Written]) -> None:
        """Write, and count. Predictions go on whatever comes of it; a problem is told when it comes, and its end."""
        try:
            found = write()
        except Exception as error:  # the border of the thread: it must not end before the server does
            found = Written(problem=f"{type(error).__name__}: {error}")
        self.counts.kept += found.rows
        self.counts.lost += found.lost
        if found.lost:
            LOG.error("%s rows of requests cannot be logged, and are lost: %s", found.lost, found.problem)
        elif found.problem and not self._problem:
            LOG.error("requests cannot be logged just now, which is tried again: %s", found.problem)
        elif self._problem and not found.problem:
            LOG.warning("requests are logged again")
        self._problem = found.problem
        time.sleep(_YIELD_SECONDS)

    def _records(self, form: RecordForm, note: _Note) -> Iterator[dict[str, Any]]:
        loaded, shadow = note.loaded, self._shadows(note.loaded.model)
        request = note.request.decode("latin-1")
        instances, ids, predictions = form.read(note.body, note.answer)
        wanted = self._wanted(note.request, ids)
        asks = shadow is not None and shadow.version != loaded.version
        raw = _raw(note.body).instances if asks else []
        own = {"time": utc(note.time), "request": request, "latency_seconds": note.seconds}
        for number, (instance, prediction) in enumerate(zip(instances, predictions, strict=True)):
            if not wanted(number):
                continue
            id = ids[number] if ids is not None else row_id(request, number, len(instances))
            record = form.record(instance, prediction, {**own, "id": id, "row": number})
            if form.features.fields:
                record[FEATURES] = _looked_up(loaded, instance)
            if asks and shadow is not None and not self._stop.is_set():
                record |= _shadowed(raw[number], shadow)
            yield record

    def _wanted(self, request: bytes, ids: Sequence[str] | None) -> Callable[[int], bool]:
        if ids is None:
            return lambda number: True
        return lambda number: is_sampled(ids[number].encode(), self._share)

    def _form_of(self, loaded: Loaded) -> RecordForm:
        found = self._forms.get(id(loaded))
        if found is None or found[0] is not loaded:
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            found = self._forms[id(loaded)] = loaded, self._form(loaded)
        return found[1]


def _looked_up(loaded: Loaded, instance: Any) -> dict[str, Any] | None:
    """Return the features of a row, a moment after it was predicted; None where they are not to be had any more."""
    try:
        return loaded.predictor.looked_up(instance)
    except PenstockError as error:
        LOG.warning("features of a request to model '%s' cannot be logged: %s", loaded.model, error)
        return None


def _shadowed(instance: msgspec.Raw, shadow: Loaded) -> dict[str, Any]:
    """Return what a shadow says of a row. Nothing that it does may reach the requests."""
    said: dict[str, Any] = {"shadow_version": shadow.version}
    try:
        made = shadow.predictor.predict(_instance(instance))
        said["shadow_prediction"] = _encode(made).decode()
        said["shadow_route"] = made["route"] if is_routed(shadow.graph) else None
    except Exception as error:  # a border, as that of a request: whatever happened is told in the log
        said["shadow_error"] = f"{type(error).__name__}: {error}"
    time.sleep(_YIELD_SECONDS)
    return said


def request_notes(
    config: Config, predictors: Predictors, counts: RequestCounts, clock: Callable[[], float] = time.time
) -> RequestNotes:
    """Return what keeps requests as penstock.toml says; raises `DeclarationError` for a shadow of no requests."""
    section, shadows = config.monitoring, config.server.shadow
    if shadows and not section.log_requests:
        raise DeclarationError(
            f"[server] names a shadow of '{next(iter(shadows))}' and no requests are logged; a shadow predicts those "
            "that are: set a share of them, [monitoring] log_requests = 0.1"
        )
    log = RequestLog(config.requests, section.size_bytes, section.keep_seconds, clock)

    def form(loaded: Loaded) -> RecordForm:
        features = features_of(loaded.graph) if section.features else Schema(())
        more: Any = {"model": loaded.model, "features": features, "keep_bytes": section.bytes}
        return RecordForm(loaded.graph, loaded.version, loaded.digest, **more)

    flush = section.flush_seconds
    asked = predictors.shadows.get
    return RequestNotes(log, section.log_requests, asked, counts, flush_seconds=flush, form=form, clock=clock)
