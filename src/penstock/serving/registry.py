"""The endpoints of models: what is registered, and what a row of each is."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import UnknownNameError
from penstock.serving.predictors import served_version
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
    versions = await run_in_threadpool(_versions, served.project, name)
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
            "versions": [msgspec.to_builtins(version, enc_hook=repr) for version in versions],
        }
    )


def _versions(project: Service, name: str) -> list[ModelVersion]:
    found = project.metadata.find(ModelVersion, model=name, newest_first=True)
    if not found:
        raise UnknownNameError("model", name, tuple(project.models))
    return found


def _standing(project: Service, name: str) -> dict[str, Any]:
    changes = sorted(project.metadata.find(AliasChange, model=name), key=lambda change: change.sequence)
    return {"served": served_version(project, name), "aliases": {change.alias: change.version for change in changes}}
