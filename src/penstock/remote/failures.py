"""Errors of another process as the same errors here: the other direction of `errors.describe`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from penstock.errors import PenstockError, code


def from_description(described: Mapping[str, Any]) -> PenstockError:
    """Return the error that `describe` described, of the same class, with the same fields and the same message."""
    classes = {code(cls): cls for cls in error_classes()}
    cls = classes.get(described.get("code", ""), PenstockError)
    error = cls.__new__(cls)
    Exception.__init__(error, described.get("message", "an error without a message"))
    for name, value in described.items():
        if name not in ("code", "message"):
            setattr(error, name, tuple(value) if isinstance(value, list) else value)
    return error


def error_classes(cls: type[PenstockError] = PenstockError) -> Iterator[type[PenstockError]]:
    """Yield every class of the tree of errors."""
    yield cls
    for child in cls.__subclasses__():
        yield from error_classes(child)
