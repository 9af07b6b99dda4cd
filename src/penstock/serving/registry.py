"""The endpoints of models: what is registered, and what a row of each is."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.graph import ModelGraph
from penstock.models import aliases, resolve_version, versions
from penstock.models.routing import is_routed, routing_of
from penstock.operations import text
from penstock.serving.schemas import example_row
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving


def list_models(request: Request) -> Response:
    """GET /v1/models."""
    project = serving(request).project
    return json_answer({"models": [{"name": name, **_standing(project, name)} for name in project.models]})


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
