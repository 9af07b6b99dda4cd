"""The endpoints of pipelines: what is declared, what a run would do, and running."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from penstock.pipelines import Plan, may_go_on, waiting_step
from penstock.project.runs import LocalRecords
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import JSON, SVG, accepted
from penstock.serving.drivers import plan_run, start_run, start_search, verify_step as run_verification
from penstock.serving.errors import reported
from penstock.serving.forms import DecisionForm, PlanForm, RunForm, TuneForm, VerifyForm
from penstock.serving.idempotency import idempotency_key, started_once
from penstock.serving.registry import OVER_REST
from penstock.serving.runs import find_run
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

    return await _started(request, name, form)


async def resume_run(request: Request) -> Response:
    """POST /v1/runs/{id}:resume: a run that goes on from this one, as it was asked; what the form says is changed."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), RunForm)
    run = await run_in_threadpool(find_run, served.project.metadata, request.path_params["id"])
    return await _started(request, run.pipeline, msgspec.structs.replace(form, resume=run.id))


async def tune_pipeline(request: Request) -> Response:
    """POST /v1/pipelines/{name}:tune: answers once the search is recorded as a run; it then goes on by itself."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), TuneForm)
    return await _started(request, name, form)


async def _started(request: Request, pipeline: str, form: RunForm | TuneForm) -> Response:
    """Start a run or a search; the same request again, under the same `Idempotency-Key`, starts no other."""
    project = serving(request).project

    def start(run_id: str) -> dict[str, Any]:
        if isinstance(form, TuneForm):
            return start_search(project.root, pipeline, form, run_id=run_id)
        return start_run(project.root, pipeline, form, run_id=run_id)

    if key := idempotency_key(request):
        once = partial(started_once, project.metadata, key, {"pipeline": pipeline, "form": form}, start)
        said = await run_in_threadpool(partial(once, run_id=form.run_id))
    else:
        said = await run_in_threadpool(start, form.run_id)
    return _refused(said, request) or json_answer({"id": said["id"]}, 201, {"location": f"/v1/runs/{said['id']}"})


async def plan_pipeline(request: Request) -> Response:
    """POST /v1/pipelines/{name}:plan: what a run would do now, in words or drawn; nothing is run."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), PlanForm)
    media = accepted(request.headers.get("accept", ""), (JSON, SVG))
    said = await run_in_threadpool(plan_run, served.project.root, name, form)
    if (refused := _refused(said, request)) is not None:
        return refused
    return Response(msgspec.convert(said, Plan).svg, media_type=SVG) if media == SVG else json_answer(said)


async def verify_step(request: Request) -> Response:
    """POST /v1/runs/{id}/steps/{step}:verify: whether a step gives the same when it runs again."""
    served, names = serving(request), request.path_params
    form = decoded(await read_body(request.receive, served.limits.body_bytes), VerifyForm)
    said = await run_in_threadpool(run_verification, served.project.root, names["id"], names["step"], form)
    return _refused(said, request) or json_answer(said)


async def approve_step(request: Request) -> Response:
    """POST /v1/runs/{id}/steps/{step}:approve: a person approves what the step waits for; the run goes on by itself."""
    await _decided(request, approved=True)
    project, id = serving(request).project, request.path_params["id"]

    def go_on() -> dict[str, Any]:
        if not may_go_on(project.metadata, id):
            return {}  # whoever drives it just now sees the decision
        run = find_run(project.metadata, id)
        return start_run(project.root, run.pipeline, RunForm(resume=id, run_id=id), run_id=id)

    return _refused(await run_in_threadpool(go_on), request) or _shown_again(request)


async def reject_step(request: Request) -> Response:
    """POST /v1/runs/{id}/steps/{step}:reject: a person rejects what the step waits for; the run has failed."""
    await _decided(request, approved=False)
    return _shown_again(request)


async def _decided(request: Request, *, approved: bool) -> None:
    served, names = serving(request), request.path_params
    body = await read_body(request.receive, served.limits.body_bytes)
    form = _of_page(body) if _is_of_page(request) else decoded(body, DecisionForm)
    project = served.project

    def decide() -> None:
        step = waiting_step(project.metadata, find_run(project.metadata, names["id"]), names["step"])
        recorded = LocalRecords(project.metadata, project.artifacts, project.root)
        recorded.decide(step, approved=approved, reason=form.reason, by=form.by or OVER_REST)

    await run_in_threadpool(decide)


def _is_of_page(request: Request) -> bool:
    """Tell whether the buttons of the run's page sent this, which a browser writes in its own way."""
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _of_page(body: bytes) -> DecisionForm:
    given = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    return DecisionForm(reason=given.get("reason", ""), by=given.get("by", ""))


def _shown_again(request: Request) -> Response:
    id = request.path_params["id"]
    if _is_of_page(request):
        return RedirectResponse(f"/runs/{quote(id)}", HTTPStatus.SEE_OTHER)
    return json_answer({"id": id})


def _refused(said: dict[str, Any], request: Request) -> Response | None:
    """Return the answer to what a process of its own refused; None: it did not."""
    if "error" not in said:
        return None
    refused = reported(said["error"], request.url.path)
    return Response(refused.body, refused.status, media_type="application/json")
