"""Records as they are answered: all of their fields, but what is of use on this machine only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from penstock.core.artifact import Artifact
from penstock.core.run import Attempt, Run, StepRun


def shown_run(run: Run) -> dict[str, Any]:
    """Return a run."""
    shown: dict[str, Any] = msgspec.to_builtins(run, enc_hook=repr)
    del shown["pid"]
    return shown


def shown_step(step: StepRun, failed: Iterable[Attempt] | None = None, *, parts: bool = False) -> dict[str, Any]:
    """Return a step of a run; its log is an address. The parts of its key are many, so they come when asked for;
    `failed` are the attempts at it that failed, None where nobody looked."""
    shown: dict[str, Any] = msgspec.to_builtins(step, enc_hook=repr)
    if not parts:
        del shown["parts"]
    if failed is not None:
        shown["failed_attempts"] = [msgspec.to_builtins(attempt) for attempt in failed]
    return {**shown, "log": f"/v1/runs/{step.run}/steps/{step.step}/log"}


def shown_artifact(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact; its bytes are at the address that `uri` is."""
    shown: dict[str, Any] = msgspec.to_builtins(artifact, enc_hook=repr)
    return {**shown, "uri": f"/v1/artifacts/{artifact.digest}/content"}
