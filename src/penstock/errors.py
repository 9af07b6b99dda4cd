"""Every error that penstock raises on purpose, as one tree. The REST layer and the CLI map these classes to statuses.

PenstockError
├── DeclarationError      what the user declared cannot be: a wrong name, type, option, cycle
│   ├── UnknownNameError      a name that nothing has (`kind`, `name`, `known`)
│   └── FingerprintError      a step's code reaches a value that has no fingerprint
├── ExpressionError       an expression has no meaning: wrong argument types, a value outside an operation's domain
├── SqlError              a SQL text that we cannot run, and where in it
├── DataError             rows or a file that are not what was declared (`field`)
├── RequestError          a request to a server that it cannot answer
│   ├── TooLargeError         a body above the server's limit
│   ├── UnauthorizedError     a request without the server's token
│   ├── ForbiddenError        a request that the server is not configured to answer
│   └── UnreachableError      no server answers, or its answer broke off (`url`)
├── StepError             a step did not produce what it declared (`step`)
├── RunError              a run that did not succeed (`run_id`)
├── ConflictError         something of that identity exists already
├── CorruptArtifactError  stored bytes that are not the bytes that were written (`digest`)
├── ContainerError        podman or docker is not there, or did not do what it was asked; an image is not there
├── StorageError          the disk is full, or the store cannot be written
└── MissingExtraError     an optional dependency is not installed (`extra`)
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from functools import partial
from typing import Any

_HERE = os.path.dirname(__file__) + os.sep


class PenstockError(Exception):
    """Base of all errors that penstock raises on purpose. `str(error)` is one message for a person."""


class DeclarationError(PenstockError):
    """A declaration (step, pipeline, model, configuration) that cannot be what it says."""


class UnknownNameError(DeclarationError):
    """A name that nothing has; the message lists what there is and the nearest name."""

    _within = ""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, within: str = "") -> None:
        """Say that no `kind` is named `name`, among `known`, optionally within some named thing."""
        self.kind, self.name, self.known, self._within = kind, name, tuple(known), within
        near = difflib.get_close_matches(name, self.known, n=1, cutoff=0.6)
        there = f"there are: {', '.join(self.known)}" if self.known else "there are none"
        hint = f". Did you mean '{near[0]}'?" if near else ""
        super().__init__(f"no {kind} named '{name}'{f' in {within}' if within else ''}; {there}{hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes by the fields, not by the message."""
        return partial(type(self), within=self._within), (self.kind, self.name, self.known)


class FingerprintError(DeclarationError):
    """A step's code reaches a value that cannot be fingerprinted; the message names it and the ways out."""


class ExpressionError(PenstockError):
    """An expression that has no meaning: argument types no operation takes, or a value outside its domain."""


class SqlError(PenstockError):
    """A SQL text that cannot be parsed or run; the message quotes the place."""


class DataError(PenstockError):
    """Rows, or a file, that are not what was declared."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        """Keep the name of the offending field, where there is one."""
        super().__init__(message)
        self.field = field


class RequestError(PenstockError):
    """A request to a server that it cannot answer: a body that is not of the form that its endpoint takes."""


class TooLargeError(RequestError):
    """A request body above the server's limit."""


class UnauthorizedError(RequestError):
    """A request without the server's token, or with another."""


class ForbiddenError(RequestError):
    """A request that the server is not configured to answer."""


class UnreachableError(RequestError):
    """A server that does not answer, or whose answer broke off."""

    def __init__(self, message: str, *, url: str | None = None) -> None:
        """Keep the server's address."""
        super().__init__(message)
        self.url = url


class StepError(PenstockError):
    """A step that failed, or did not produce what it declared."""

    def __init__(self, message: str, *, step: str | None = None) -> None:
        """Keep the step's name."""
        super().__init__(message)
        self.step = step


class RunError(PenstockError):
    """A run that did not succeed."""

    def __init__(self, message: str, *, run_id: str | None = None) -> None:
        """Keep the run's id."""
        super().__init__(message)
        self.run_id = run_id


class ConflictError(PenstockError):
    """Something of that identity exists already."""


class CorruptArtifactError(PenstockError):
    """Stored bytes that are missing, cut off or changed."""

    def __init__(self, message: str, *, digest: str | None = None) -> None:
        """Keep the digest that the bytes should have."""
        super().__init__(message)
        self.digest = digest


class ContainerError(PenstockError):
    """Podman or docker is not there, or refused; an image is missing, or not what a step needs."""


class StorageError(PenstockError):
    """The store cannot be written: a full disk, a missing permission."""


class MissingExtraError(PenstockError):
    """An optional dependency is not installed."""

    _purpose = "this"

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        """Name the package, what needs it and the command that installs it."""
        super().__init__(f"{purpose} needs the package '{package}'; install it with: pip install 'penstock[{extra}]'")
        self.package, self.extra, self._purpose = package, extra, purpose

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes by the fields, not by the message."""
        return partial(type(self), extra=self.extra, purpose=self._purpose), (self.package,)


def raised(error: BaseException) -> str:
    """Say in one line what foreign code raised, and where: the innermost place that is not ours."""
    import traceback  # loaded where something failed, not by everybody

    said = "".join(traceback.format_exception_only(error)).strip().rpartition("\n")[2]
    if isinstance(error, SyntaxError):
        return f"{said}, at {error.filename}:{error.lineno}"
    places = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(_HERE)]
    return f"{said}, at {places[-1].filename}:{places[-1].lineno}" if places else said


def code(error: type[PenstockError]) -> str:
    """Return the name of a class of errors as machines get it: `unknown_name`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__.removesuffix("Error")).lower()


def describe(error: PenstockError) -> dict[str, Any]:
    """Return an error as machines get it, from REST and from `--json`: its code, its message, its fields."""
    fields = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    return {"code": code(type(error)), "message": str(error), **fields}
