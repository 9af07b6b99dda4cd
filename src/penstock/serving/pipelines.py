"""The endpoints of pipelines: what is declared, what a run would do, and running."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.serving.bodies import decoded, read_body
from penstock.serving.drivers import plan_run, start_run, verify_step as run_verification
from penstock.serving.errors import reported
from penstock.serving.forms import PlanForm, RunForm, VerifyForm
from penstock.serving.idempotency import idempotency_key, started_once
from penstock.serving.state import json_answer, serving


def list_pipelines(request: Request) -> Response:
    """GET /v1/pipelines."""
    pipelines = serving(request).project.pipelines
    return json_answer({"pipelines": [_pipeline(name, function) for name, function in pipelines.items()]})


def _pipeline(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    params = {each.name: _parameter(each) for each in parameters.values()}
    return {"name": name, "description": inspect.getdoc(function) or "", "params": params}


def _parameter(parameter: inspect.Parameter) -> dict[str, Any]:
    note = parameter.annotation
    shown = (
        {} if note is parameter.empty else {"type": note if isinstance(note, str) else inspect.formatannotation(note)}
    )
    return shown if parameter.default is parameter.empty else {**shown, "default": parameter.default}


async def create_run(request: Request) -> Response:
    """POST /v1/pipelines/{name}/runs: answers once the run is recorded, or refused; it then goes on by itself."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), RunForm)

    def start(run_id: str = "") -> dict[str, Any]:
        return start_run(served.project.root, name, form, run_id=form.run_id or run_id)

    return await started(request, start, asked={"pipeline": name, "form": form})


async def started(request: Request, start: Callable[..., dict[str, Any]], *, asked: Any) -> Response:
    """Answer a request that starts a run: one that is sent again under the same `Idempotency-Key` starts no other."""
    if key := idempotency_key(request):
        said = await run_in_threadpool(started_once, serving(request).project.metadata, key, asked, start)
    else:
        said = await run_in_threadpool(start)
    return _refused(said, request) or json_answer({"id": said["id"]}, 201, {"location": f"/v1/runs/{said['id']}"})


async def plan_pipeline(request: Request) -> Response:
    """POST /v1/pipelines/{name}:plan: what a run would do now; nothing is run."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), PlanForm)
    said = await run_in_threadpool(plan_run, served.project.root, name, form)
    return _refused(said, request) or json_answer(said)


async def verify_step(request: Request) -> Response:
    """POST /v1/runs/{id}/steps/{step}:verify: whether a step gives the same when it runs again."""
    served, names = serving(request), request.path_params
    form = decoded(await read_body(request.receive, served.limits.body_bytes), VerifyForm)
    said = await run_in_threadpool(run_verification, served.project.root, names["id"], names["step"], form)
    return _refused(said, request) or json_answer(said)


def _refused(said: dict[str, Any], request: Request) -> Response | None:
    """Return the answer to what a process of its own refused; None: it did not."""
    if "error" not in said:
        return None
    refused = reported(said["error"], request.url.path)
    return Response(refused.body, refused.status, media_type="application/json")
