"""The endpoints of pipelines and runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run, StepRun
from penstock.errors import RequestError, UnknownNameError
from penstock.pipelines import reap
from penstock.serving.bodies import decoded, read_body
from penstock.serving.drivers import cancel_run, start_run
from penstock.serving.errors import reported
from penstock.serving.forms import RunForm
from penstock.serving.state import json_answer, serving
from penstock.serving.streams import follow, read_log


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
    said = await run_in_threadpool(start_run, served.project.root, name, form)
    if "error" in said:
        refused = reported(said["error"], request.url.path)
        return Response(refused.body, refused.status, media_type="application/json")
    return json_answer({"id": said["id"]}, 201, {"location": f"/v1/runs/{said['id']}"})


def list_runs(request: Request) -> Response:
    """GET /v1/runs, newest first; filtered by the query parameters pipeline, experiment, state, limit."""
    query = dict(request.query_params)
    limit = query.pop("limit", "50")
    if not limit.isdecimal():
        raise RequestError(f"limit is '{limit}'; give a whole number")
    for name in query:
        if name not in ("pipeline", "experiment", "state"):
            raise RequestError(f"runs cannot be filtered by '{name}'; there are: pipeline, experiment, state, limit")
    metadata = serving(request).project.metadata
    reap(metadata)
    runs = metadata.find(Run, newest_first=True, limit=int(limit), **query)
    return json_answer({"runs": [_shown(run) for run in runs]})


def show_run(request: Request) -> Response:
    """GET /v1/runs/{id}: the run and its steps."""
    metadata = serving(request).project.metadata
    reap(metadata)
    run = _run(metadata, request.path_params["id"])
    steps = sorted(metadata.find(StepRun, run=run.id), key=lambda step: step.position)
    return json_answer({**_shown(run), "steps": [_shown_step(step) for step in steps]})


def stop_run(request: Request) -> Response:
    """POST /v1/runs/{id}:cancel."""
    metadata = serving(request).project.metadata
    run = _run(metadata, request.path_params["id"])
    cancel_run(metadata, run)
    return json_answer({"id": run.id}, 202)


async def step_log(request: Request) -> Response:
    """GET /v1/runs/{id}/steps/{step}/log: text, or live as server-sent events."""
    project, run_id, name = serving(request).project, request.path_params["id"], request.path_params["step"]
    metadata = project.metadata
    step = await run_in_threadpool(_step, metadata, run_id, name)
    live = request.query_params.get("follow", "").lower() in ("1", "true")
    if not live and "text/event-stream" not in request.headers.get("accept", ""):
        return StreamingResponse(read_log(project.root / step.log), media_type="text/plain")
    seen = request.headers.get("last-event-id", "0")
    events = follow(lambda: _step(metadata, run_id, name), project.root, int(seen) if seen.isdecimal() else 0)
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})


def _run(metadata: MetadataStore, id: str) -> Run:
    found = metadata.get(Run, id)
    if found is None:
        newest = metadata.find(Run, newest_first=True, limit=5)
        raise UnknownNameError("run", id, [run.id for run in newest])
    return found


def _step(metadata: MetadataStore, run_id: str, name: str) -> StepRun:
    found = metadata.get(StepRun, run_id, name)
    if found is None:
        steps = metadata.find(StepRun, run=_run(metadata, run_id).id)
        raise UnknownNameError("step", name, [step.step for step in steps], within=f"run {run_id}")
    if found.state not in DONE and reap(metadata):  # whoever follows the log must see an end of it
        return metadata.get(StepRun, run_id, name) or found
    return found


def _shown(run: Run) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(run, enc_hook=repr)
    del shown["pid"]
    return shown


def _shown_step(step: StepRun) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(step, enc_hook=repr)
    del shown["run"], shown["parts"]
    return {**shown, "log": f"/v1/runs/{step.run}/steps/{step.step}/log"}
