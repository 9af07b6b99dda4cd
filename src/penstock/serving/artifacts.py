"""The endpoints of artifacts: what is known of each, its value, and blobs as they are stored."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.errors import CorruptArtifactError, RequestError, UnknownNameError
from penstock.project.codecs import load_artifact
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import WRITERS, accepted, media_type, table_bytes
from penstock.serving.forms import GcForm
from penstock.serving.parameters import page, parameters
from penstock.serving.shown import shown_artifact
from penstock.serving.state import json_answer, serving

_FOREVER = "private, max-age=31536000, immutable"  # a digest is a name for the same bytes for ever
_HEX = frozenset("0123456789abcdef")
_DIGEST_LENGTH = 64


def list_artifacts(request: Request) -> Response:
    """GET /v1/artifacts, newest first; `next` is the `after` of the next page."""
    metadata = serving(request).project.metadata
    parameters(request, "kind", "made_by", "limit", "after")
    found, following = page(request, metadata, Artifact, "kind", "made_by", identity=lambda one: one.digest)
    return json_answer({"artifacts": list(map(shown_artifact, found)), "next": following})


def show_artifact(request: Request) -> Response:
    """GET /v1/artifacts/{digest}: what is known of it."""
    return json_answer(shown_artifact(_artifact(serving(request).project.metadata, request.path_params["digest"])))


async def artifact_content(request: Request) -> Response:
    """GET /v1/artifacts/{digest}/content: a table as Arrow, Parquet, CSV or JSON, by `Accept`; all else as stored."""
    served = serving(request)
    artifact = await run_in_threadpool(_artifact, served.project.metadata, request.path_params["digest"])
    if artifact.kind != "table":
        return await _blob(request, artifact.digest, media_type(artifact))
    media = accepted(request.headers.get("accept", ""), tuple(WRITERS))
    table = await run_in_threadpool(load_artifact, artifact, served.project.artifacts)
    headers = {"vary": "accept", "etag": f'"{artifact.digest}.{media}"', "cache-control": _FOREVER}
    return StreamingResponse(table_bytes(table, media), media_type=media, headers=headers)


async def blob(request: Request) -> Response:
    """GET /v1/blobs/{digest}: bytes as they are stored; `Range` gives a part of them."""
    return await _blob(request, request.path_params["digest"], "application/octet-stream")


async def _blob(request: Request, digest: str, media: str) -> Response:
    store = serving(request).project.artifacts
    if len(digest) != _DIGEST_LENGTH or not _HEX.issuperset(digest):
        raise UnknownNameError("blob", digest, ())
    try:
        path = await run_in_threadpool(store.path, digest)
    except CorruptArtifactError as error:
        if await run_in_threadpool(store.has, digest):
            raise
        raise UnknownNameError("blob", digest, ()) from error
    headers = {
        "etag": f'"{digest}"',
        "cache-control": _FOREVER,
        "x-content-type-options": "nosniff",  # what a step made is no page of this server
        "content-security-policy": "sandbox",
        "content-disposition": f"inline; filename*=utf-8''{quote(digest[:12])}",
    }
    return FileResponse(path, media_type=media, headers=headers)


def _artifact(metadata: MetadataStore, digest: str) -> Artifact:
    found = metadata.get(Artifact, digest)
    if found is None:
        raise UnknownNameError("artifact", digest, ())
    return found


async def collect_garbage(request: Request) -> Response:
    """POST /v1/gc: what nothing needs any more; taken away only with `"dry_run": false`."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), GcForm)
    collect = partial(served.project.repository.gc, **msgspec.structs.asdict(form))
    return json_answer(msgspec.to_builtins(await run_in_threadpool(collect), enc_hook=repr))


def usage(request: Request) -> Response:
    """GET /v1/usage: what takes how much room on disk."""
    parameters(request)
    return json_answer(msgspec.to_builtins(serving(request).project.repository.usage(), enc_hook=repr))


def lineage(request: Request) -> Response:
    """GET /v1/lineage/{what}: what it comes from and what came of it; `direction=up` or `down`: only one of them."""
    direction = parameters(request, "direction").get("direction", "")
    if direction not in ("", "up", "down"):
        raise RequestError(f"direction is '{direction}'; give up or down, or leave it out for both")
    what, repository = request.path_params["what"], serving(request).project.repository
    found = repository.lineage(what, up=direction != "down", down=direction != "up")
    return json_answer(msgspec.to_builtins(found, enc_hook=repr))
