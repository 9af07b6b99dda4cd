"""The endpoints of models in production: what is monitored, as JSON and as a page, and labels that come later."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from penstock.errors import RequestError
from penstock.production import Monitoring
from penstock.production.page import page
from penstock.serving.bodies import decoded, read_body
from penstock.serving.forms import LabelsForm
from penstock.serving.pages import POLICY
from penstock.serving.parameters import parameters, whole_number
from penstock.serving.state import json_answer, serving
from penstock.serving.uploads import uploaded_rows

_KNOWN = ("window", "windows", "by", "now", "over", "metric", "minimum", "threshold")


async def show_monitoring(request: Request) -> Response:
    """GET /v1/models/{name}/monitoring: metrics over time, skew, drift, and what is beyond its bounds."""
    return json_answer((await _monitored(request)).to_json())


async def show_page(request: Request) -> Response:
    """GET /models/{name}/monitoring: the same as a page, with charts."""
    return HTMLResponse(page(await _monitored(request)), headers=POLICY)


async def add_labels(request: Request) -> Response:
    """POST /v1/models/{name}/labels: what was true of rows that were predicted, by their ids."""
    served, name = serving(request), request.path_params["name"]
    given: dict[str, Any] = parameters(request, "id", "label", "time")
    rows: Any = await uploaded_rows(request)
    if rows is None:
        form = decoded(await read_body(request.receive, served.limits.body_bytes), LabelsForm)
        rows = [msgspec.structs.asdict(each) for each in form.labels]
        timed = [each for each in rows if each["time"] is not None]
        if timed and len(timed) < len(rows):
            raise RequestError("some labels have a time and some have none; give each its time, or none")
        rows = rows if timed else [{name: each[name] for name in ("id", "label")} for each in rows]
        given = {"label": "label", **({"time": "time"} if timed else {})} | given
    count = await run_in_threadpool(served.project.production.add_labels, name, rows, **given) if len(rows) else 0
    return json_answer({"labels": count}, 201)


async def _monitored(request: Request) -> Monitoring:
    given = parameters(request, *_KNOWN)
    how: dict[str, Any] = {name: given[name] for name in ("window", "metric") if name in given}
    how |= {name: whole_number(given, name, 0) for name in ("windows", "minimum") if name in given}
    how |= {name: _number(given[name], name) for name in ("over", "now") if name in given}
    how["by"] = request.query_params.getlist("by")
    how["thresholds"] = dict(_threshold(each) for each in request.query_params.getlist("threshold"))
    monitored = serving(request).project.production.monitor
    return await run_in_threadpool(monitored, request.path_params["name"], **how)


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    if not name:
        raise RequestError(f"threshold is '{text}'; give the feature and its own bound: threshold=distance=0.3")
    return name, _number(value, f"the threshold of {name}")


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RequestError(f"{name} is '{text}'; give a number") from error
