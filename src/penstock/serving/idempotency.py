"""`Idempotency-Key`: a request to run that is sent again, to this server or another, starts no second run.

As in the IETF's draft (draft-ietf-httpapi-idempotency-key-header): the same key with the same request is the same run
and the same answer; with another request it is an error. Keys are records, so they outlive the server; they are kept
for a day. A request that was refused started nothing and leaves no key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from blake3 import blake3
from starlette.requests import Request

from penstock.core.ports import MetadataStore
from penstock.core.run import Run, StartRequest
from penstock.errors import ConflictError, DataError, RequestError
from penstock.pipelines import START_SECONDS, new_run_id

HEADER = "idempotency-key"
KEPT_SECONDS = 24 * 3600.0
_LONGEST = 255
_POLL_SECONDS = 0.05
_TIDIED = 100  # keys looked at when one is added


def idempotency_key(request: Request) -> str:
    """Return the key of a request, "" where it has none; raises `RequestError` for one that cannot be."""
    if HEADER not in request.headers:
        return ""
    text = request.headers[HEADER].strip()
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text  # the draft writes it as a quoted string
    if not key or len(key) > _LONGEST or not key.isascii() or not key.isprintable():
        raise RequestError(
            f"Idempotency-Key is {text!r}; give 1 to {_LONGEST} printable ASCII characters, as a UUID is"
        )
    return key


def started_once(
    metadata: MetadataStore,
    key: str,
    asked: Any,
    start: Callable[[str], dict[str, Any]],
    *,
    run_id: str = "",
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Start a run, or return the one that was started by this key; `start` gets the id that the run is to have:
    `run_id`, or a new one.

    The id is recorded before the run is started, and only one run can be recorded under it. So there is one run also
    where the same request comes several times at once, or a server dies between the two.
    """
    digest = blake3(msgspec.json.encode(asked, order="deterministic", enc_hook=repr)).hexdigest()
    while True:
        mine = StartRequest(key=key, asked=digest, run=run_id or new_run_id(clock()), created=clock())
        found = _recorded(metadata, mine)
        if found.created < clock() - KEPT_SECONDS:
            _forget(metadata, found)
            continue
        if found.asked != digest:
            raise DataError(
                f"idempotency key '{key}' was used for another request, which started run {found.run}; use a new key"
            )
        if metadata.get(Run, found.run) is not None:
            if found is mine:  # so it was there before this key was: another run's id
                _forget(metadata, mine)
                raise ConflictError(f"Run {found.run} exists already")
            return {"id": found.run}
        if found is not mine and clock() - found.created < START_SECONDS:
            time.sleep(_POLL_SECONDS)  # the same request is being answered just now, here or by another server
            continue
        return _start(metadata, found, start)


def _start(metadata: MetadataStore, found: StartRequest, start: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    try:
        said = start(found.run)
    except BaseException:
        _forget(metadata, found)
        raise
    if "error" in said:
        if metadata.get(Run, found.run) is not None:  # somebody else started it meanwhile
            return {"id": found.run}
        _forget(metadata, found)
    return said


def _recorded(metadata: MetadataStore, mine: StartRequest) -> StartRequest:
    """Return the record of this key: `mine`, unless there is one already."""
    while True:
        try:
            metadata.insert(mine)
        except ConflictError:
            if (found := metadata.get(StartRequest, mine.key)) is not None:
                return found
        else:
            for old in metadata.find(StartRequest, limit=_TIDIED):
                if old.created < mine.created - KEPT_SECONDS:
                    _forget(metadata, old)
            return mine


def _forget(metadata: MetadataStore, request: StartRequest) -> None:
    metadata.delete(StartRequest, key=request.key, run=request.run)
