"""The endpoints of models: what is registered, and what a row of each is."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.models import aliases, resolve_version, versions
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
    signature = (await served.predictors.get(name)).graph.signature
    return json_answer(
        {
            "name": name,
            **standing,
            "signature": {
                "inputs": msgspec.to_builtins(signature.inputs.fields),
                "outputs": msgspec.to_builtins(signature.outputs.fields),
            },
            "example": {"instances": [example_row(signature.inputs)]},
            "versions": [msgspec.to_builtins(version, enc_hook=repr) for version in reversed(found)],
        }
    )


def _standing(project: Service, name: str) -> dict[str, Any]:
    metadata = project.metadata
    return {"served": resolve_version(metadata, name).version, "aliases": aliases(metadata, name)}
