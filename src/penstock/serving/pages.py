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
from penstock.serving.state import json_answer, serving

_POLICY = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    )
}


@cache
def _page(name: str) -> Template:
    return Template((files("penstock.serving") / name).read_text(encoding="utf-8"))


async def index(request: Request) -> Response:
    """GET /: what this server has."""
    served = serving(request)
    models = [
        f'<li><a href="/v1/models/{quote(each.model)}">{escape(each.model)}</a> version {each.version}</li>'
        for each in served.predictors.served
    ]
    pipelines = [f"<li>{escape(name)}</li>" for name in served.project.pipelines]
    none = "<li>none yet</li>"
    page = _page("index.html").substitute(
        version=penstock.__version__, models="\n".join(models) or none, pipelines="\n".join(pipelines) or none
    )
    return HTMLResponse(page, headers=_POLICY)


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
