"""The pages for people (index and documentation, each one file without anything from elsewhere), health and metrics."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

import penstock
from penstock.cascades.page import page as cascade_page
from penstock.core.artifact import Artifact
from penstock.core.run import Run
from penstock.core.trigger import Trigger
from penstock.models.reporting import REPORT, report
from penstock.models.routing import is_routed
from penstock.pipelines import reap, steps_of
from penstock.project.requests import logged_shares
from penstock.project.triggers import FiringView, TriggerView
from penstock.serving.openapi import openapi
from penstock.serving.predictors import Loaded
from penstock.serving.run_page import link, row, run_parts
from penstock.serving.runs import find_run
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving

POLICY = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self'; frame-src 'self'"
    )
}

_NONE = "<tr><td>none yet</td></tr>"
_SHOWN_RUNS = 10
_SHOWN_STEPS = 300


@cache
def _page(name: str) -> Template:
    return Template((files("penstock.serving") / name).read_text(encoding="utf-8"))


def index(request: Request) -> Response:
    """GET /: what this server has."""
    served = serving(request)
    models = [
        row(link(_page_of(each), each.model), f"version {each.version}", _takes(each) + _watched(served.project, each))
        for each in served.predictors.served
    ]
    return _shown(
        "index.html",
        project=escape(served.project.root.resolve().name),
        version=penstock.__version__,
        models="\n".join(models) or _NONE,
        features="\n".join(_features(served.project)) or _NONE,
        pipelines="\n".join(_pipelines(served.project)) or _NONE,
        triggers="\n".join(_triggers(served.project)) or _NONE,
        runs="\n".join(_runs(served.project)) or _NONE,
    )


def show_run(request: Request) -> Response:
    """GET /runs/{id}: a run, its steps and what they made, with the figures among it."""
    metadata = serving(request).project.metadata
    reap(metadata)
    run = find_run(metadata, request.path_params["id"])
    steps = steps_of(metadata, run)
    digests = [digest for step in steps[:_SHOWN_STEPS] for digest in step.artifacts.values()]
    made = {artifact.digest: artifact for artifact in metadata.find(Artifact, digest=digests)} if digests else {}
    return _shown("run.html", **run_parts(run, steps, made, _SHOWN_STEPS))


async def show_model(request: Request) -> Response:
    """GET /models/{name}: the report on a cascade, with the shares of its routes in serving where they are logged."""
    served, name = serving(request), request.path_params["name"]
    loaded = await served.predictors.get(name)
    log = served.project.config.requests
    shares = await run_in_threadpool(logged_shares, log, loaded.model, loaded.version)
    return HTMLResponse(cascade_page(report(loaded.graph, serving=shares)), headers=POLICY)


def _page_of(loaded: Loaded) -> str:
    has_page = is_routed(loaded.graph) and REPORT in loaded.graph.facts
    return f"{'' if has_page else '/v1'}/models/{quote(loaded.model)}"


def _watched(project: Service, loaded: Loaded) -> str:
    """Return the link to what is monitored of a model, where requests are logged."""
    page = f"/models/{quote(loaded.model)}/monitoring"
    return f"<br>{link(page, 'in production')}" if project.config.monitoring.log_requests else ""


def _shown(name: str, **parts: str) -> Response:
    return HTMLResponse(_page(name).substitute(parts, style=_page("page.css").template), headers=POLICY)


def _takes(loaded: Loaded) -> str:
    signature = loaded.graph.signature
    return escape(f"{', '.join(signature.outputs.names)} from {', '.join(signature.inputs.names)}")


def _features(project: Service) -> list[str]:
    found = [project.features[name] for name in project.features]
    return [
        row(
            link(f"/v1/feature-sets/{quote(each.name)}", each.name),
            f"version {each.version}",
            escape(f"{', '.join(each.features)} of {', '.join(each.entities)}"),
        )
        for each in found
    ]


def _pipelines(project: Service) -> list[str]:
    try:
        return [row(escape(name), escape(inspect.getdoc(each) or "")) for name, each in project.pipelines.items()]
    except Exception as error:  # the user's own modules are imported here: what is wrong in them is theirs to see
        return [row(f"cannot be loaded: {escape(repr(error))}")]


def _triggers(project: Service) -> list[str]:
    """Return a row for each recorded trigger; the modules that declare them are not imported for that."""
    recorded = project.metadata.find(Trigger)
    return [_trigger_row(TriggerView(each, project.triggers)) for each in sorted(recorded, key=lambda each: each.name)]


def _trigger_row(trigger: TriggerView) -> str:
    what = f"{trigger.record.kind}, runs {trigger.record.pipeline}"
    last = trigger.firings(1)
    said = f"{escape(what)}<br>{_fired(last[0]) if last else 'has not fired yet'}"
    state = '<span class="cancelled">paused</span>' if trigger.paused else "active"
    return row(link(f"/v1/triggers/{quote(trigger.name)}", trigger.name), state, said)


def _fired(firing: FiringView) -> str:
    moment = datetime.fromtimestamp(firing.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    run = f" → {link(f'/runs/{quote(firing.run)}', firing.run)}" if firing.run else ""
    return f'{moment}{run} <span class="{firing.state}">{firing.state}</span>'


def _runs(project: Service) -> list[str]:
    newest = project.metadata.find(Run, newest_first=True, limit=_SHOWN_RUNS)
    return [
        row(
            link(f"/runs/{quote(run.id)}", run.id),
            f'<span class="{run.state}">{run.state}</span>',
            escape(" ".join([run.pipeline, *(f"{name}={value}" for name, value in run.params.items())])),
        )
        for run in newest
    ]


async def docs(request: Request) -> Response:
    """GET /docs: every endpoint, with a form to try it."""
    return HTMLResponse(_page("docs.html").template, headers=POLICY)


async def describe(request: Request) -> Response:
    """GET /openapi.json."""
    return json_answer(openapi(serving(request).predictors.served))


async def health(request: Request) -> Response:
    """GET /health: the server answers; which model versions it serves."""
    served = {each.model: each.version for each in serving(request).predictors.served}
    return json_answer({"status": "ok", "models": served})


async def metrics(request: Request) -> Response:
    """GET /metrics."""
    served = serving(request)
    return Response(served.metrics.text() + served.gauges.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
