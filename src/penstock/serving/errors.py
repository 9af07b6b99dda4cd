"""Which HTTP status an error has, and the one JSON body that every error is answered with."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.errors import (
    ConflictError,
    CorruptArtifactError,
    DataError,
    DeclarationError,
    ExpressionError,
    ForbiddenError,
    MissingExtraError,
    PenstockError,
    RequestError,
    RunError,
    SqlError,
    StepError,
    StorageError,
    TooLargeError,
    UnauthorizedError,
    UnknownNameError,
    code,
    describe,
)

LOG = logging.getLogger("penstock.server")


STATUSES: dict[type[PenstockError], int] = {
    RequestError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    UnknownNameError: 404,  # 422 where the name stands in the body and not in the path
    ConflictError: 409,
    TooLargeError: 413,
    DataError: 422,
    DeclarationError: 422,
    ExpressionError: 422,
    SqlError: 422,
    StepError: 500,
    RunError: 500,
    CorruptArtifactError: 500,
    MissingExtraError: 501,
    StorageError: 507,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is answered."""

    status: int
    body: bytes


def failure(error: Exception, path: str) -> Failure:
    """Return the answer to an error; one that is not ours is logged in full, and the client gets only its id."""
    if isinstance(error, PenstockError):
        return Failure(_status(type(error), describe(error), path), _encoded(describe(error)))
    id = secrets.token_hex(6)
    LOG.error("request failed, id %s, path %s", id, path, exc_info=error)
    message = f"the server failed to answer; its log has the details under the id {id}"
    return Failure(500, _encoded({"code": "internal", "message": message, "id": id}))


def reported(described: dict[str, Any], path: str) -> Failure:
    """Return the answer to an error that another process described."""
    cls = next((cls for cls in STATUSES if code(cls) == described["code"]), PenstockError)
    return Failure(_status(cls, described, path), _encoded(described))


def _status(cls: type[PenstockError], described: dict[str, Any], path: str) -> int:
    if cls is UnknownNameError and described["name"] not in {*path.split("/"), *re.split("[/:@]", path)}:
        return STATUSES[DeclarationError]
    return next((STATUSES[base] for base in cls.__mro__ if base in STATUSES), 500)


def plain_failure(status: int, name: str, message: str) -> Failure:
    """Return an answer that no error of ours stands behind: an unknown path, a wrong method."""
    return Failure(status, _encoded({"code": name, "message": message}))


def _encoded(described: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"error": {**described, "field": described.get("field")}})
