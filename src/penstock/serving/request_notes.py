"""Requests that were answered, on their way to the log: a share of them, beside the requests, never before them."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from penstock.errors import DeclarationError
from penstock.models.routing import is_routed
from penstock.project.config import Config
from penstock.serving.at_once import Headers
from penstock.serving.errors import LOG
from penstock.serving.metrics import RequestCounts
from penstock.serving.predictors import Loaded, Predictors
from penstock.stores.request_log import LoggedRow, RequestLog

MOST_REQUESTS, MOST_BYTES = 10_000, 64 << 20
"""How much may wait for the log: what comes while there is more is dropped, and counted."""

_LOOK_SECONDS = 0.2
_WAIT_SECONDS = 1.0
_END_SECONDS = 5.0
_ROWS_AT_ONCE = 500
_YIELD_SECONDS = 0.00005
_ID, _MOST_ID = b"x-request-id", 200

Shadows = Callable[[str], Loaded | None]
"""Gives the version of a model that stands in the shadow of the one that is served, if there is one."""


class _Note(NamedTuple):  # a frozen dataclass takes four times as long to make
    time: float
    loaded: Loaded
    headers: Headers
    body: bytes
    answer: bytes
    seconds: float


class _Body(msgspec.Struct):
    instances: list[msgspec.Raw]


class _Answer(msgspec.Struct):
    predictions: list[msgspec.Raw]


class _Routed(msgspec.Struct):
    route: str | None = None


_body, _answer = msgspec.json.Decoder(_Body).decode, msgspec.json.Decoder(_Answer).decode
_routed = msgspec.json.Decoder(_Routed).decode
_instance: Callable[[msgspec.Raw], dict[str, Any]] = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class RequestNotes:
    """Keeps a share of the answered requests in the log, and asks shadows what they would have said.

    `note` costs a request a random number and, where it is one of the share, an entry of a queue. All else is done by
    a thread, which lets others have the interpreter after each row that a shadow predicts.
    """

    def __init__(self, log: RequestLog, share: float, shadows: Shadows, counts: RequestCounts) -> None:
        self._log, self._share, self._shadows, self.counts = log, share, shadows, counts
        self._waiting: deque[_Note] = deque()
        self._came, self._went = 0, 0  # bytes; each is written by one thread
        self._chance = random.random
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="penstock-requests", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is anything for it."""
        if self._share > 0:
            self._thread.start()

    def close(self) -> None:
        """Write what waits, without asking shadows, and end the thread; one that does not end is left behind."""
        self._stop.set()
        if self._share > 0:
            self._thread.join(_END_SECONDS)
        if not self._thread.is_alive():
            self._log.close()

    def note(self, loaded: Loaded, headers: Headers, body: bytes, answer: bytes, seconds: float) -> None:
        """Keep a request that was answered, if it is one of the share. Called by the event loop only."""
        if self._chance() >= self._share:
            return
        size = len(body) + len(answer)
        if len(self._waiting) >= MOST_REQUESTS or self._came - self._went + size > MOST_BYTES:
            self.counts.dropped += 1
            return
        self._came += size
        self._waiting.append(_Note(time.time(), loaded, headers, body, answer, seconds))

    def _work(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        rows: list[LoggedRow] = []
        written = time.monotonic()
        while self._waiting:
            note = self._waiting.popleft()
            self._went += len(note.body) + len(note.answer)
            for row in self._rows(note):
                rows.append(row)
                if len(rows) >= _ROWS_AT_ONCE or time.monotonic() > written + _WAIT_SECONDS:
                    self._write(rows)
                    rows, written = [], time.monotonic()
        if rows:
            self._write(rows)

    def _write(self, rows: list[LoggedRow]) -> None:
        try:
            self._log.add(rows)
            self.counts.kept += len(rows)
        except OSError as error:  # predictions go on; the counter and the server's log tell of it
            self.counts.lost += len(rows)
            LOG.error("%s rows of requests cannot be logged: %s", len(rows), error)
        time.sleep(_YIELD_SECONDS)

    def _rows(self, note: _Note) -> Iterator[LoggedRow]:
        loaded, shadow = note.loaded, self._shadows(note.loaded.model)
        named = next((value[:_MOST_ID].decode("latin-1") for name, value in note.headers if name == _ID), "")
        request, routed = named or uuid.uuid4().hex, is_routed(loaded.graph)
        pairs = zip(_body(note.body).instances, _answer(note.answer).predictions, strict=True)
        for number, (instance, prediction) in enumerate(pairs):
            row = LoggedRow(
                time=datetime.fromtimestamp(note.time, UTC),
                request=request,
                row=number,
                model=loaded.model,
                version=loaded.version,
                digest=loaded.digest,
                instance=instance,
                prediction=prediction,
                latency_seconds=note.seconds,
                route=_routed(prediction).route if routed else None,
            )
            asks = shadow is not None and shadow.version != loaded.version and not self._stop.is_set()
            yield _shadowed(row, shadow) if asks and shadow is not None else row


def _shadowed(row: LoggedRow, shadow: Loaded) -> LoggedRow:
    """Return a row with what a shadow says of it. Nothing that it does may reach the requests."""
    said: dict[str, Any] = {"shadow_version": shadow.version}
    try:
        made = shadow.predictor.predict(_instance(row.instance))
        said["shadow_prediction"] = msgspec.Raw(_encode(made))
        said["shadow_route"] = made["route"] if is_routed(shadow.graph) else None
    except Exception as error:  # a border, as that of a request: whatever happened is told in the log
        said["shadow_error"] = f"{type(error).__name__}: {error}"
    time.sleep(_YIELD_SECONDS)
    return msgspec.structs.replace(row, **said)


def request_notes(config: Config, predictors: Predictors, counts: RequestCounts) -> RequestNotes:
    """Return what keeps requests as penstock.toml says; raises `DeclarationError` for a shadow of no requests."""
    section = config.server
    if section.shadow and not section.log_requests:
        raise DeclarationError(
            f"[server] names a shadow of '{next(iter(section.shadow))}' and logs no requests; a shadow predicts those "
            "that are logged: set log_requests to a share of them, log_requests = 0.1"
        )
    log = RequestLog(config.requests, section.log_size_bytes)
    return RequestNotes(log, section.log_requests, predictors.shadows.get, counts)
