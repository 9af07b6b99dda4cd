"""Values that clients send: rows to predict, and artifacts for a run to use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.artifact import Artifact
from penstock.errors import RequestError, TooLargeError
from penstock.project.codecs import CODECS
from penstock.serving.content import ARROW_STREAM, JSON, read_rows
from penstock.serving.shown import shown_artifact
from penstock.serving.state import json_answer, serving

if TYPE_CHECKING:
    import pyarrow as pa


async def upload_artifact(request: Request) -> Response:
    """POST /v1/artifacts: keep a table (an Arrow stream), JSON, a text or bytes; equal bytes are one artifact."""
    project = serving(request).project
    media = _media(request)
    if media not in _KINDS:
        raise RequestError(f"content-type is '{media}'; an artifact is sent as one of: {', '.join(_KINDS)}")

    def keep(path: Path) -> Artifact:
        codec = next(codec for codec in CODECS if codec.kind == _KINDS[media])
        artifact = codec.save(_value(path, media), project.artifacts)
        known = project.metadata.get(Artifact, artifact.digest)
        if known is None:
            project.metadata.write(artifact)
        return known or artifact

    async with _received(request) as path:
        artifact = await run_in_threadpool(keep, path)
    location = {"location": f"/v1/artifacts/{artifact.digest}"}
    return json_answer(shown_artifact(artifact), 201, location)


async def uploaded_rows(request: Request) -> pa.Table | None:
    """Return the rows of a request whose body is an Arrow stream; None: it is of another type."""
    if _media(request) != ARROW_STREAM:
        return None
    async with _received(request) as path:
        return await run_in_threadpool(read_rows, path)


_KINDS = {ARROW_STREAM: "table", JSON: "json", "text/plain": "text", "application/octet-stream": "bytes"}
"""Media type -> kind of artifact. Kinds whose reading runs code are not among them."""


def _value(path: Path, media: str) -> Any:
    match _KINDS[media]:
        case "table":
            return read_rows(path)
        case "json":
            try:
                return msgspec.json.decode(path.read_bytes())
            except (msgspec.DecodeError, RecursionError) as error:
                raise RequestError(f"the body is no JSON: {error}") from error
        case "text":
            try:
                return path.read_bytes().decode()
            except UnicodeDecodeError as error:
                raise RequestError(f"the body is no text in UTF-8: {error}") from error
    return path.read_bytes()


def _media(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def _received(request: Request) -> AsyncIterator[Path]:
    """Give the body as a file: it may be larger than memory, and is never larger than the server allows."""
    served = serving(request)
    path, limit, size = served.project.artifacts.scratch(), served.limits.upload_bytes, 0
    try:
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise TooLargeError(f"the body is larger than {limit} bytes; send it in parts")
                file.write(chunk)
        yield path
    finally:
        path.unlink(missing_ok=True)
