"""The endpoints of what could not be stored in feature sets: read, and taken out."""

from __future__ import annotations

import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import ARROW_STREAM, JSON, accepted, table_bytes
from penstock.serving.feature_forms import ClearForm
from penstock.serving.feature_rows import instant
from penstock.serving.parameters import parameters, whole_number
from penstock.serving.state import json_answer, serving

_FEW = 50


async def read_dead_letters(request: Request) -> Response:
    """GET /v1/feature-sets/{name}/dead-letters: the newest `limit` of them, the oldest of these first; as an Arrow
    stream all, unless `limit` says less."""
    features, given = serving(request).project.features, parameters(request, "limit")
    media = accepted(request.headers.get("accept", ""), (JSON, ARROW_STREAM))
    name = features[request.path_params["name"]].name

    def letters() -> pa.Table:
        return features.dead_letters.read(name)

    found = await run_in_threadpool(letters)
    limit = whole_number(given, "limit", _FEW if media == JSON else found.num_rows)
    shown = found.slice(max(found.num_rows - limit, 0))
    if media == ARROW_STREAM:
        return StreamingResponse(table_bytes(shown, media), media_type=media, headers={"vary": "accept"})
    return json_answer({"count": found.num_rows, "dead_letters": shown.to_pylist()})


async def clear_dead_letters(request: Request) -> Response:
    """POST /v1/feature-sets/{name}:clearDeadLetters: take them out for good, all or those of before an instant."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), ClearForm)
    features = served.project.features
    name = features[request.path_params["name"]].name
    before = None if form.before is None else instant(form.before, "before")
    return json_answer({"cleared": await run_in_threadpool(lambda: features.dead_letters.clear(name, before=before))})
