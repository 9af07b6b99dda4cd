"""The pages for people (index and documentation, each one file without anything from elsewhere), health and metrics."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

import penstock
from penstock.serving.openapi import openapi
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving

_POLICY = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    )
}


@cache
def _page(name: str) -> Template:
    return Template((files("penstock.serving") / name).read_text(encoding="utf-8"))


def index(request: Request) -> Response:
    """GET /: what this server has."""
    served = serving(request)
    models = [
        f'<li><a href="/v1/models/{quote(each.model)}">{escape(each.model)}</a> version {each.version}</li>'
        for each in served.predictors.served
    ]
    pipelines = _pipelines(served.project)
    none = "<li>none yet</li>"
    page = _page("index.html").substitute(
        version=penstock.__version__, models="\n".join(models) or none, pipelines="\n".join(pipelines) or none
    )
    return HTMLResponse(page, headers=_POLICY)


def _pipelines(project: Service) -> list[str]:
    try:
        return [f"<li>{escape(name)}</li>" for name in project.pipelines]
    except Exception as error:  # the user's own modules are imported here: what is wrong in them is theirs to see
        return [f"<li>cannot be loaded: {escape(repr(error))}</li>"]


async def docs(request: Request) -> Response:
    """GET /docs: every endpoint, with a form to try it."""
    return HTMLResponse(_page("docs.html").template, headers=_POLICY)


async def describe(request: Request) -> Response:
    """GET /openapi.json."""
    return json_answer(openapi(serving(request).predictors.served))


async def health(request: Request) -> Response:
    """GET /health: the server answers; which model versions it serves."""
    served = {each.model: each.version for each in serving(request).predictors.served}
    return json_answer({"status": "ok", "models": served})


async def metrics(request: Request) -> Response:
    """GET /metrics."""
    return Response(serving(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
