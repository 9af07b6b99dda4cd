"""The endpoints of records: the metadata store over REST, for clients that are penstock too. They read everything and
write only what no step depends on: names of artifacts."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.run import NameChange, NamedVersion, Record
from penstock.errors import ForbiddenError, RequestError, UnknownNameError
from penstock.pipelines import reap
from penstock.serving.bodies import decoded, read_body
from penstock.serving.forms import FindForm, InsertForm
from penstock.serving.state import json_answer, serving
from penstock.stores.records import RECORDS

_KINDS: dict[str, type[Record]] = {table.name: kind for kind, table in RECORDS.items()}
_INSERTED = (NamedVersion, NameChange)


async def find_records(request: Request) -> Response:
    """POST /v1/records/{kind}:find: the records whose fields equal what is given, in the store's order."""
    served, kind = serving(request), _kind(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), FindForm)
    after = None if form.after is None else _record(form.after, kind)

    def find() -> list[Record]:
        reap(served.project.metadata)
        return served.project.metadata.find(
            kind, limit=form.limit, newest_first=form.newest_first, after=after, **form.equal
        )

    found = await run_in_threadpool(find)
    return json_answer({"records": [msgspec.to_builtins(record, enc_hook=repr) for record in found]})


async def insert_records(request: Request) -> Response:
    """POST /v1/records/{kind}:insert: all or none; one that is there already is a conflict."""
    served, kind = serving(request), _kind(request)
    if kind not in _INSERTED:
        raise ForbiddenError(f"{request.path_params['kind']} are written by what runs, never over REST")
    form = decoded(await read_body(request.receive, served.limits.body_bytes), InsertForm)
    records = [_record(each, kind) for each in form.records]
    try:
        await run_in_threadpool(served.project.metadata.insert, *records)
    except OverflowError as error:
        raise RequestError(f"a number of these records is larger than the store can keep: {error}") from error
    return json_answer({"inserted": len(records)}, 201)


def _kind(request: Request) -> type[Record]:
    name = request.path_params["kind"]
    if name not in _KINDS:
        raise UnknownNameError("kind of record", name, _KINDS)
    return _KINDS[name]


def _record(content: dict[str, Any], kind: type[Record]) -> Record:
    try:
        record: Record = msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise RequestError(f"that is no {kind.__name__}: {error}") from error
    return record
