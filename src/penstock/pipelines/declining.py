"""How a step ends without having made anything, and without having failed: it declines, or waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from penstock.core.run import DONE, StepRun

REQUEST = "request"
"""The output of a step that waits: what is asked."""
EXPIRES = "expires"
"""The fact of a request that says until when it waits, in seconds since 1970."""


class Unmade(Exception):  # no error: a way to end that the worker takes down
    """A step that gives nothing: `skipped`, or `waiting` with a `request`."""

    def __init__(
        self,
        state: Literal["skipped", "waiting"],
        reason: str,
        request: Mapping[str, Any] | None = None,
        expires: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.state, self.reason, self.request, self.expires = state, reason, dict(request or {}), expires


def is_quiet(step: StepRun) -> bool:
    """Tell whether a step prints nothing any more: it has ended, or waits for a person."""
    return step.state in DONE or REQUEST in step.artifacts


def decline(reason: str) -> NoReturn:
    """End the step here: it is recorded as skipped, with the reason, and what needs it does not run."""
    raise Unmade("skipped", reason)


def wait_for(reason: str, request: Mapping[str, Any], *, expires: float | None = None) -> NoReturn:
    """End the step here: it waits, and so does the run, with no process, until somebody decides about the request, or
    until `expires` (seconds since 1970)."""
    raise Unmade("waiting", reason, request, expires)
