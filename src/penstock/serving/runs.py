"""The endpoints of runs: their steps, logs and events, the experiments that group them."""

from __future__ import annotations

import datetime
import math
from functools import partial
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Attempt, Run, StepRun
from penstock.core.units import seconds
from penstock.errors import RequestError, UnknownNameError
from penstock.pipelines import (
    Curve,
    LogLine,
    LogQuery,
    cancel_run,
    draw_run,
    plain,
    reap,
    run_lines,
    steps_of,
    tag_run,
    why,
)
from penstock.project.experiments import compare_runs as compare
from penstock.project.runs import LocalRecords
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import SVG
from penstock.serving.forms import CancelForm, RunChange
from penstock.serving.parameters import page, parameters, whole_number
from penstock.serving.progress import run_events
from penstock.serving.service import Service
from penstock.serving.shown import shown_run, shown_step
from penstock.serving.state import json_answer, serving
from penstock.serving.streams import EVENT_STREAM, follow, read_log

JSON_LINES = "application/x-ndjson"
_FILTERS = ("pipeline", "experiment", "state", "mode", "engine")


def list_runs(request: Request) -> Response:
    """GET /v1/runs, newest first; `next` is the `after` of the next page. `tag=name=value` may be given several times:
    runs that have all of them."""
    metadata = serving(request).project.metadata
    parameters(request, *_FILTERS, "tag", "limit", "after")
    tags = {tuple(text.split("=", 1)) for text in request.query_params.getlist("tag")}
    if odd := [tag for tag in tags if len(tag) != 2]:
        raise RequestError(f"'{odd[0][0]}' is not a tag; write tag=name=value")
    reap(metadata)
    runs, following = page(
        request, metadata, Run, *_FILTERS, identity=lambda run: run.id, keep=lambda run: tags <= run.tags.items()
    )
    return json_answer({"runs": [shown_run(run) for run in runs], "next": following})


def show_run(request: Request) -> Response:
    """GET /v1/runs/{id}: the run and its steps, with the attempts at each that failed."""
    metadata = serving(request).project.metadata
    reap(metadata)
    run = find_run(metadata, request.path_params["id"])
    failed: dict[str, list[Attempt]] = {}
    for attempt in metadata.find(Attempt, run=run.id):
        failed.setdefault(attempt.step, []).append(attempt)
    steps = [shown_step(step, failed.get(step.step, ())) for step in steps_of(metadata, run)]
    return json_answer({**shown_run(run), "steps": steps})


def show_step(request: Request) -> Response:
    """GET /v1/runs/{id}/steps/{step}: one step, with the parts of its key and the attempts at it that failed."""
    metadata = serving(request).project.metadata
    step = _step(metadata, request.path_params["id"], request.path_params["step"])
    failed = metadata.find(Attempt, run=step.run, step=step.step)
    return json_answer(shown_step(step, failed, parts=True))


def step_why(request: Request) -> Response:
    """GET /v1/runs/{id}/steps/{step}/why: in one line, why the step ran or did not."""
    run, step = request.path_params["id"], request.path_params["step"]
    return json_answer({"run": run, "step": step, "why": why(serving(request).project.metadata, run, step)})


async def change_run(request: Request) -> Response:
    """PATCH /v1/runs/{id}: its tags and its note."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), RunChange)
    id, metadata = request.path_params["id"], served.project.metadata
    changed = await run_in_threadpool(partial(tag_run, metadata, id, form.tags, note=form.notes))
    return json_answer(shown_run(changed))


def run_graph(request: Request) -> Response:
    """GET /v1/runs/{id}/graph: the run as a picture, with what has become of each step so far."""
    metadata = serving(request).project.metadata
    reap(metadata)
    run = find_run(metadata, request.path_params["id"])
    return Response(draw_run(run, steps_of(metadata, run)), media_type=SVG)


def run_metrics(request: Request) -> Response:
    """GET /v1/runs/{id}/metrics: what its steps logged, as curves, also while they run; `step`: only of that one."""
    given, project = parameters(request, "step"), serving(request).project
    recorded = _recorded(project)
    run = find_run(project.metadata, request.path_params["id"])
    steps = [_step(project.metadata, run.id, given["step"])] if "step" in given else steps_of(project.metadata, run)
    found = {step.step: recorded.metrics(step) for step in steps}
    shown = {step: {name: _shown_curve(curve) for name, curve in each.items()} for step, each in found.items() if each}
    return json_answer({"run": run.id, "metrics": shown})


def _shown_curve(curve: Curve) -> list[tuple[float | None, float | str]]:
    """Return a curve as JSON holds it: NaN and infinity are texts."""
    return [(number, value if math.isfinite(value) else str(value)) for number, value in curve]


def compare_runs(request: Request) -> Response:
    """GET /v1/compare?run=a&run=b: what differs between runs."""
    parameters(request, "run")
    asked = request.query_params.getlist("run")
    if len(asked) < 2:
        raise RequestError("give two runs or more: /v1/compare?run=a&run=b")
    found = compare(_recorded(serving(request).project), *asked)
    return json_answer(msgspec.to_builtins(found, enc_hook=repr))


def _recorded(project: Service) -> LocalRecords:
    return LocalRecords(project.metadata, project.artifacts, project.root)


async def stop_run(request: Request) -> Response:
    """POST /v1/runs/{id}:cancel."""
    served = serving(request)
    body = await read_body(request.receive, served.limits.body_bytes)
    form = decoded(b"" if body == b"null" else body, CancelForm)  # a JSON client's way to send nothing
    metadata = served.project.metadata
    run = await run_in_threadpool(find_run, metadata, request.path_params["id"])
    await run_in_threadpool(partial(cancel_run, metadata, run, reason=form.reason))
    return json_answer({"id": run.id}, 202)


def list_experiments(request: Request) -> Response:
    """GET /v1/experiments: how many runs each has, in which states, and the newest of them."""
    parameters(request)
    metadata = serving(request).project.metadata
    reap(metadata)
    found: dict[str, dict[str, Any]] = {}
    for run in metadata.find(Run, newest_first=True):
        if run.experiment:
            one = found.setdefault(
                run.experiment, {"name": run.experiment, "runs": 0, "states": {}, "newest": shown_run(run)}
            )
            one["runs"] += 1
            one["states"][run.state] = one["states"].get(run.state, 0) + 1
    return json_answer({"experiments": list(found.values())})


async def step_log(request: Request) -> Response:
    """GET /v1/runs/{id}/steps/{step}/log: text, or live as server-sent events."""
    project, run_id, name = serving(request).project, request.path_params["id"], request.path_params["step"]
    metadata = project.metadata
    step = await run_in_threadpool(_step, metadata, run_id, name)
    live = _says_yes(request.query_params.get("follow", ""))
    if not live and "text/event-stream" not in request.headers.get("accept", ""):
        return StreamingResponse(read_log(project.root / step.log), media_type="text/plain")
    seen = request.headers.get("last-event-id", "0")
    events = follow(lambda: _step(metadata, run_id, name), project.root, int(seen) if _counts(seen) else 0)
    return StreamingResponse(events, headers=EVENT_STREAM)


def run_log(request: Request) -> Response:
    """GET /v1/runs/{id}/log: what its steps printed, by time, searched by `grep`; as text, or as lines of JSON."""
    project = serving(request).project
    given = parameters(request, "step", "grep", "ignore_case", "since", "context")
    query = LogQuery(
        step=given.get("step", ""),
        grep=given.get("grep", ""),
        ignore_case=_says_yes(given.get("ignore_case", "")),
        since_seconds=seconds(given["since"], "since") if given.get("since") else None,
        context=whole_number(given, "context", 0),
    )
    run = find_run(project.metadata, request.path_params["id"])
    lines = run_lines(project.metadata, project.root, run, query)
    if JSON_LINES in request.headers.get("accept", ""):
        return StreamingResponse(map(_json_line, lines), media_type=JSON_LINES)
    return StreamingResponse(map(_text_line, lines), media_type="text/plain")


def _json_line(line: LogLine) -> bytes:
    return msgspec.json.encode({"step": line.step, "time": line.time, "line": plain(line.text)}) + b"\n"


def _text_line(line: LogLine) -> str:
    moment = datetime.datetime.fromtimestamp(line.time, datetime.UTC).isoformat(timespec="milliseconds")
    return f"{line.step} {moment} | {plain(line.text)}\n"


async def events(request: Request) -> Response:
    """GET /v1/runs/{id}/events: the run as it goes, as server-sent events; `Last-Event-ID` goes on where it broke."""
    metadata = serving(request).project.metadata
    run = await run_in_threadpool(find_run, metadata, request.path_params["id"])
    stream = run_events(metadata, run.id, request.headers.get("last-event-id", ""))
    return StreamingResponse(stream, headers=EVENT_STREAM)


def _says_yes(text: str) -> bool:
    return text.lower() in ("1", "true")


def _counts(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


def find_run(metadata: MetadataStore, id: str) -> Run:
    """Return the run of that id."""
    found = metadata.get(Run, id)
    if found is None:
        newest = metadata.find(Run, newest_first=True, limit=5)
        raise UnknownNameError("run", id, [run.id for run in newest])
    return found


def _step(metadata: MetadataStore, run_id: str, name: str) -> StepRun:
    found = metadata.get(StepRun, run_id, name)
    if found is None:
        steps = metadata.find(StepRun, run=find_run(metadata, run_id).id)
        raise UnknownNameError("step", name, [step.step for step in steps], within=f"run {run_id}")
    if found.state not in DONE and reap(metadata):  # whoever follows the log must see an end of it
        return metadata.get(StepRun, run_id, name) or found
    return found
