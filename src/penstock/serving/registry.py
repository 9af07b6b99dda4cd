"""The endpoints of models: what is registered, and what a row of each is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.graph import ModelGraph
from penstock.core.run import AliasChange
from penstock.models import aliases, promote, resolve_version, rollback, versions
from penstock.models.routing import is_routed, routing_of
from penstock.operations import text
from penstock.serving.bodies import decoded, read_body
from penstock.serving.forms import PromoteForm, RollbackForm
from penstock.serving.schemas import example_row
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving


def list_models(request: Request) -> Response:
    """GET /v1/models."""
    project = serving(request).project
    return json_answer({"models": [{"name": name, **_standing(project, name)} for name in project.models]})


OVER_REST = "somebody over REST"
"""Who acts where a request does not say it."""


async def show_model(request: Request) -> Response:
    """GET /v1/models/{name}: versions, aliases, and what a row is."""
    served, name = serving(request), request.path_params["name"]
    found = await run_in_threadpool(versions, served.project.metadata, name)
    standing = await run_in_threadpool(_standing, served.project, name)
    graph = (await served.predictors.get(name)).graph
    signature = graph.signature
    return json_answer(
        {
            "name": name,
            **standing,
            **({"cascade": _cascade(graph)} if is_routed(graph) else {}),
            "signature": {
                "inputs": msgspec.to_builtins(signature.inputs.fields),
                "outputs": msgspec.to_builtins(signature.outputs.fields),
            },
            "example": {"instances": [example_row(signature.inputs)]},
            "versions": [msgspec.to_builtins(version, enc_hook=repr) for version in reversed(found)],
        }
    )


async def promote_version(request: Request) -> Response:
    """POST /v1/models/{name}:promote: an alias points at a version by hand; the history keeps who, and why."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), PromoteForm)
    return await _moved(request, partial(promote, version=form.version), form)


async def roll_back(request: Request) -> Response:
    """POST /v1/models/{name}:rollback: an alias points back where it pointed before."""
    served = serving(request)
    body = await read_body(request.receive, served.limits.body_bytes)
    return await _moved(request, rollback, decoded(body, RollbackForm))


async def _moved(request: Request, move: Callable[..., AliasChange], form: PromoteForm | RollbackForm) -> Response:
    metadata, name = serving(request).project.metadata, request.path_params["name"]
    made = await run_in_threadpool(
        partial(move, metadata, name, alias=form.alias, reason=form.reason, by=form.by or OVER_REST)
    )
    return json_answer(msgspec.to_builtins(made))


def _cascade(graph: ModelGraph) -> dict[str, Any]:
    """Return which way a cascade's rows go: its router, its routes in the order in which they are tried, its stages."""
    routing, told = routing_of(graph), graph.facts.get("stages", {})
    return {
        "router": routing.router,
        "routes": [
            {"name": branch.name, "when": None if branch.when is None else text(branch.when)}
            for branch in routing.branches
        ],
        "blend": routing.blend,
        "stages": {name: {"digest": digest, **told.get(name, {})} for name, digest in routing.digests.items()},
    }


def _standing(project: Service, name: str) -> dict[str, Any]:
    metadata = project.metadata
    return {"served": resolve_version(metadata, name).version, "aliases": aliases(metadata, name)}
