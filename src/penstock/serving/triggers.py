"""The endpoints of triggers, and of the events that make them fire; what watches them while the server runs."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.errors import PenstockError, RequestError
from penstock.monitor import Monitor, read_http, read_params, when_of
from penstock.project.triggers import FiringView, TriggerView
from penstock.serving.bodies import decoded, read_body
from penstock.serving.forms import FireForm, PauseForm, TriggerForm
from penstock.serving.parameters import parameters, whole_number
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving

LOG = logging.getLogger("penstock.server")
_FEW = 50


def watch(project: Service, monitor: Monitor) -> None:
    """Begin to watch the triggers. The modules that declare them are imported meanwhile, so that requests do not wait;
    where they cannot be, the triggers recorded stay as they are."""

    def declared() -> None:
        try:
            project.triggers.bring_in_step()
        except PenstockError as error:
            LOG.error("the triggers that the modules declare cannot be read: %s", error)

    monitor.start(first=declared)


def list_triggers(request: Request) -> Response:
    """GET /v1/triggers."""
    return json_answer({"triggers": [_shown(trigger) for trigger in serving(request).project.triggers.values()]})


def show_trigger(request: Request) -> Response:
    """GET /v1/triggers/{name}."""
    return json_answer(_shown(_trigger(request)))


async def put_trigger(request: Request) -> Response:
    """PUT /v1/triggers/{name}: run a pipeline whenever something happens; one of that name is changed."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), TriggerForm)
    arguments = {key: value for key, value in form.when.items() if key != "kind"}

    def put() -> dict[str, Any]:
        try:
            when = when_of(str(form.when.get("kind", "")), arguments)
            params = read_params(form.params)
        except (TypeError, ValueError, AttributeError, KeyError) as error:  # of a value that is of another type
            raise RequestError(f"that is no trigger: {error}") from error
        how = {each: getattr(form, each) for each in ("experiment", "mode", "max_parallel", "when_full")}
        return _shown(served.project.triggers.on(when, form.pipeline, name=name, params=params, **how))

    shown = await run_in_threadpool(put)
    served.monitor.wake()
    return json_answer(shown)


def remove_trigger(request: Request) -> Response:
    """DELETE /v1/triggers/{name}: forget it, but for its history."""
    trigger = _trigger(request)
    trigger.remove()
    return json_answer({"name": trigger.name})


def list_firings(request: Request) -> Response:
    """GET /v1/triggers/{name}/firings, newest first: what made it fire, and the runs that came of it."""
    limit = whole_number(parameters(request, "limit"), "limit", _FEW)
    return json_answer({"firings": [_shown_firing(firing) for firing in _trigger(request).firings(limit)]})


async def pause_trigger(request: Request) -> Response:
    """POST /v1/triggers/{name}:pause."""
    form = decoded(await read_body(request.receive, serving(request).limits.body_bytes), PauseForm)
    trigger = await run_in_threadpool(_trigger, request)
    await run_in_threadpool(trigger.pause, form.reason)
    return json_answer(await run_in_threadpool(_shown, trigger))


def resume_trigger(request: Request) -> Response:
    """POST /v1/triggers/{name}:resume."""
    trigger = _trigger(request)
    trigger.resume()
    serving(request).monitor.wake()
    return json_answer(_shown(trigger))


async def fire_trigger(request: Request) -> Response:
    """POST /v1/triggers/{name}:fire: fires by hand, as if an event with that data had come."""
    form = decoded(await read_body(request.receive, serving(request).limits.body_bytes), FireForm)
    trigger = await run_in_threadpool(_trigger, request)
    firing = await run_in_threadpool(serving(request).project.triggers.fire, trigger.record, form.data)
    return json_answer(msgspec.to_builtins(firing), 202)


async def receive_events(request: Request) -> Response:
    """POST /v1/events: CloudEvents 1.0, structured, batched or binary; answers once their firings are recorded."""
    served = serving(request)
    events = read_http(request.headers, await read_body(request.receive, served.limits.body_bytes))

    def receive() -> list[dict[str, Any]]:
        received = [each for event in events for each in served.project.triggers.receive(event)]
        return [{**_shown_firing(FiringView(each.firing, None)), "new": each.new} for each in received]

    firings = await run_in_threadpool(receive)
    served.monitor.wake()
    return json_answer({"firings": firings}, 202)


def _trigger(request: Request) -> TriggerView:
    return serving(request).project.triggers[request.path_params["name"]]


def _shown(trigger: TriggerView) -> dict[str, Any]:
    return {**msgspec.to_builtins(trigger.record), "paused": trigger.paused, "next": trigger.next}


def _shown_firing(firing: FiringView) -> dict[str, Any]:
    recorded = msgspec.to_builtins(firing.record)
    return {**recorded, "run": firing.run, "state": firing.state, "reason": firing.reason}
