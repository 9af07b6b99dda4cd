"""The endpoints of feature sets themselves: what there is, declarations applied, rows taken out."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.errors import RequestError, UnknownNameError
from penstock.features import (
    Applied,
    FeatureSet,
    FeatureSetView,
    columns_from_json,
    feature_service,
    feature_set,
    find_set,
)
from penstock.operations.notation import expression_from_json
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import ARROW_STREAM, JSON, accepted
from penstock.serving.feature_forms import EntitiesForm, ExpireForm, FeatureServiceForm, FeatureSetForm, IngestForm
from penstock.serving.feature_rows import ingested_answer, instant
from penstock.serving.parameters import parameters
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving


def list_feature_sets(request: Request) -> Response:
    """GET /v1/feature-sets: the newest version of each, or of those that have every word of `search`."""
    features, given = serving(request).project.features, parameters(request, "search")
    found = features if "search" not in given else [hit.name for hit in features.search(given["search"])]
    return json_answer({"feature_sets": [_standing(features[name]) for name in found]})


def show_feature_set(request: Request) -> Response:
    """GET /v1/feature-sets/{name}: what it is, its JSON Schema, and every version with what changed."""
    found = serving(request).project.features[request.path_params["name"]]
    return json_answer(
        {
            **found.describe(),
            "schema": found.schema,
            "versions": [
                {
                    "version": each.record.version,
                    "created": each.record.created,
                    "changes": each.record.changes,
                    "breaks": each.record.breaks,
                    "compatible": each.record.compatible,
                }
                for each in reversed(found.versions)
            ],
        }
    )


def show_ingests(request: Request) -> Response:
    """GET /v1/feature-sets/{name}/ingests: what is recorded of the rows of each ingest, the oldest first."""
    counted = serving(request).project.features[request.path_params["name"]].counted
    return json_answer({"ingests": [msgspec.to_builtins(record, enc_hook=repr) for record in counted]})


async def apply_feature_set(request: Request) -> Response:
    """POST /v1/feature-sets: register a declaration; 201 for a new version, 200 where nothing changed."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), FeatureSetForm)
    applied = await run_in_threadpool(lambda: served.project.features.apply(_declared(served.project, form)))
    return _applied(applied, f"/v1/feature-sets/{applied.name}")


def list_feature_services(request: Request) -> Response:
    """GET /v1/feature-services: the newest version of each, with the versions of sets that it has pinned."""
    services = serving(request).project.features.services
    return json_answer({"feature_services": [each.describe() for each in services.values()]})


def show_feature_service(request: Request) -> Response:
    """GET /v1/feature-services/{name}: one, or a version of it, pricing@2."""
    services = serving(request).project.features.services
    return json_answer(services[request.path_params["name"]].describe())


async def apply_feature_service(request: Request) -> Response:
    """POST /v1/feature-services: register a service; 201 for a new version, 200 where nothing changed."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), FeatureServiceForm)
    given = {name: getattr(form, name) for name in form.__struct_fields__}
    applied = await run_in_threadpool(lambda: served.project.features.apply(feature_service(**given)))
    return _applied(applied, f"/v1/feature-services/{applied.name}")


def _applied(applied: Applied, path: str) -> Response:
    said = {
        "name": applied.name,
        "version": applied.version,
        "is_new": applied.is_new,
        "changes": applied.changes,
        "breaks": applied.breaks,
        "message": applied.message,
        "schema": dict(applied),
    }
    return json_answer(said, 201 if applied.is_new else 200, {"location": path})


async def ingest_source(request: Request) -> Response:
    """POST /v1/feature-sets/{name}:ingest: add the rows of the set's own source (`POST /push`: rows that are sent)."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), IngestForm)
    media = accepted(request.headers.get("accept", ""), (JSON, ARROW_STREAM))
    ingest = served.project.features.ingest
    return ingested_answer(await run_in_threadpool(ingest, name, batch=form.batch, on_bad=form.on_bad), media)


async def materialize(request: Request) -> Response:
    """POST /v1/feature-sets/{name}:materialize: bring the online records up to the history."""
    features, name = serving(request).project.features, request.path_params["name"]
    return json_answer({"entities": await run_in_threadpool(features.materialize, name)})


async def forget_entities(request: Request) -> Response:
    """POST /v1/feature-sets/{name}:forget: take every row of entities out, for good."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), EntitiesForm)

    def forget() -> dict[str, Any]:
        types = find_set(served.project.metadata, name).definition.set.entities
        entities = columns_from_json(form.entities, types, "the entities")
        done: dict[str, Any] = msgspec.to_builtins(served.project.features.forget(name, entities))
        return done

    return json_answer(await run_in_threadpool(forget))


async def expire_rows(request: Request) -> Response:
    """POST /v1/feature-sets/{name}:expire: take rows whose event is older than an instant out, for good."""
    served, name = serving(request), request.path_params["name"]
    form = decoded(await read_body(request.receive, served.limits.body_bytes), ExpireForm)
    before = instant(form.before, "before")
    return json_answer({"rows": await run_in_threadpool(lambda: served.project.features.expire(name, before=before))})


async def compact(request: Request) -> Response:
    """POST /v1/feature-sets/{name}:compact: put small files of the history together."""
    features, name = serving(request).project.features, request.path_params["name"]
    return json_answer({"files": await run_in_threadpool(features.compact, name)})


def _standing(found: FeatureSetView) -> dict[str, Any]:
    return {
        "name": found.name,
        "version": found.version,
        "entities": found.entities,
        "features": list(found.features),
        "description": found.description,
        "owner": found.owner,
        "tags": found.tags,
        "created": found.created,
    }


def _declared(project: Service, form: FeatureSetForm) -> FeatureSet:
    """Return the declaration of a form. Its source is a declared table and no path: what lies on this machine's disk is
    not for whoever can call it."""
    if form.source is not None and form.source not in project.config.tables:
        raise UnknownNameError("table", form.source, project.config.tables)
    given = {name: getattr(form, name) for name in form.__struct_fields__ if name not in ("name", "features")}
    features: Any = form.features
    if isinstance(features, dict):
        features = {name: _expression(each) for name, each in features.items()}
    return feature_set(form.name, features=features, **given)


def _expression(given: str | list[Any]) -> Any:
    if isinstance(given, str):
        return given
    try:
        return expression_from_json(given)
    except (TypeError, ValueError, IndexError) as error:
        raise RequestError(f"{msgspec.json.encode(given).decode()} is no expression: {error}") from error
