"""The stores of a project that is served elsewhere: records are asked for, blobs are fetched once and checked."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.core.run import Record, Run
from penstock.errors import CorruptArtifactError, DeclarationError, ForbiddenError, UnknownNameError
from penstock.remote.connection import Server, segment
from penstock.remote.rows import ARROW_STREAM, arrow_bytes
from penstock.stores import open_artifacts
from penstock.stores.records import RECORDS

R = TypeVar("R", bound=Record)


class RemoteMetadata:
    """A `MetadataStore` that a server holds. It is read as any other; what may be written over REST is what no step
    depends on: names, and the tags and note of a run."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def find(
        self,
        kind: type[R],
        /,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        after: Record | None = None,
        **equal: Any,
    ) -> list[R]:
        """Return the records whose fields equal the given values, in the store's order."""
        asked = {
            "equal": {name: list(value) if isinstance(value, set | tuple) else value for name, value in equal.items()},
            "limit": limit,
            "newest_first": newest_first,
            "after": None if after is None else msgspec.to_builtins(after),
        }
        found = self._server.post(f"/v1/records/{RECORDS[kind].name}:find", asked)["records"]
        return [msgspec.convert(record, kind) for record in found]

    def get(self, kind: type[R], *identity: Any) -> R | None:
        """Return the record of that identity, or None."""
        found = self.find(kind, limit=1, **dict(zip(RECORDS[kind].identity, identity, strict=True)))
        return found[0] if found else None

    def insert(self, *records: Record) -> None:
        """Insert records of one kind, all or none; raises `ConflictError` if one is there."""
        for kind in {type(record) for record in records}:
            same = [msgspec.to_builtins(record) for record in records if type(record) is kind]
            self._server.post(f"/v1/records/{RECORDS[kind].name}:insert", {"records": same})

    def write(self, *records: Record) -> None:
        """Change the tags and the note of a run."""
        for record in records:
            if not isinstance(record, Run):
                raise ForbiddenError(f"a {type(record).__name__} is written by what runs, never over REST")
            before = self.get(Run, record.id)
            gone = dict.fromkeys(before.tags, None) if before is not None else {}
            body = {"tags": {**gone, **record.tags}, "notes": record.notes}
            self._server.json("PATCH", f"/v1/runs/{segment(record.id)}", body=body)

    def delete(self, kind: type[R], /, **equal: Any) -> int:
        """Refuse: records are deleted where the project is."""
        raise ForbiddenError(f"{RECORDS[kind].name} are deleted where the project is, never over REST")


class RemoteArtifacts:
    """An `ArtifactStore` that a server holds. A blob is fetched when it is first wanted, held against its digest, and
    kept in a folder that is removed when this process ends."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @cached_property
    def _kept(self) -> ArtifactStore:
        folder = tempfile.mkdtemp(prefix="penstock-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return open_artifacts(folder)

    def put(self, source: Path | bytes) -> str:
        """Keep bytes here, so that `path` finds them; they are not sent to the server (`upload` sends values)."""
        return self._kept.put(source)

    def path(self, digest: str) -> Path:
        """Return a local read-only file of these bytes; raises `CorruptArtifactError` where they are missing there, or
        did not arrive as they are."""
        if not self._kept.has(digest):
            self._fetch(digest)
        return self._kept.path(digest)

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there, or was fetched."""
        if self._kept.has(digest):
            return True
        try:
            self._server.content("HEAD", f"/v1/blobs/{segment(digest)}")
        except UnknownNameError:
            return False
        return True

    def verify(self, digest: str) -> None:
        """Read every byte of the copy here."""
        self.path(digest)
        self._kept.verify(digest)

    def scratch(self) -> Path:
        """Return a fresh path for a temporary file."""
        return self._kept.scratch()

    def _fetch(self, digest: str) -> None:
        scratch = self.scratch()
        try:
            with scratch.open("wb") as file:
                for piece in self._server.pieces(f"/v1/blobs/{segment(digest)}"):
                    file.write(piece)
            arrived = self._kept.put(scratch)
        except UnknownNameError as error:
            raise CorruptArtifactError(
                f"blob {digest[:12]} is not in the store of {self._server.url}; run again: the step that made it will "
                "make it anew",
                digest=digest,
            ) from error
        finally:
            scratch.unlink(missing_ok=True)
        if arrived != digest:
            raise CorruptArtifactError(
                f"blob {digest[:12]} did not arrive as it is: its bytes hash to {arrived[:12]}", digest=digest
            )


def upload(server: Server, value: Any) -> Artifact:
    """Send a value to be kept as an artifact: a table, a text, bytes, or what JSON can say."""
    media, body = _encoded(value)
    sent = server.content("POST", "/v1/artifacts", body=body, headers={"content-type": media})
    return msgspec.convert(msgspec.json.decode(sent), Artifact)


def _encoded(value: Any) -> tuple[str, bytes]:
    match value:
        case str():
            return "text/plain", value.encode()
        case bytes():
            return "application/octet-stream", value
    if hasattr(value, "__arrow_c_stream__"):
        return ARROW_STREAM, arrow_bytes(value)
    try:
        return "application/json", msgspec.json.encode(value)
    except (TypeError, OverflowError) as error:
        raise DeclarationError(
            f"a {type(value).__name__} cannot be sent to a server: {error}; send a table, a text, bytes or JSON"
        ) from error
