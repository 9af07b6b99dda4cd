"""Whether a worker has loaded the code that a step's key was made of: files may change while a process lives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.core.ports import Task
from penstock.errors import StepError
from penstock.pipelines.fingerprint import fingerprint

_CODE = ("code ", "global ", "captured ")


def code_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a key that are code which a worker imports (what `__main__` has travels whole)."""
    return {
        name: part
        for name, part in parts.items()
        if name.startswith(_CODE) and not name.partition(" ")[2].startswith("__main__.")
    }


def check_code(task: Task) -> None:
    """Raise `StepError` where this process would run other code than the one that made the task's key.

    A long-lived process (a notebook) keeps a module as it was when it was imported; a worker imports it as it is now.
    """
    if task.pid == os.getpid() or not task.code:
        return
    step, here = task.step, dict[str, str]()
    for value in _roots(task):
        here |= _parts(task, value)
    for name, part in task.code.items():
        digest, _, there = part.partition(" ")
        found, _, now = here.get(name, part).partition(" ")
        if found != digest:
            shown = there if there == now else f"{there} there, {now} in a fresh process"
            raise StepError(
                f"step '{step.name}' has not run: its {name} is not what the process that drives the run has loaded "
                f"({shown}). It was edited, or set to another value, after its import: "
                "restart that process (a notebook: its kernel), or reload the module, and run again",
                step=step.name,
            )


def _parts(task: Task, value: Any) -> dict[str, str]:
    step = task.step
    return fingerprint(value, ignore=step.ignore, version=step.version, root=task.context.root, contents=False).parts


def _roots(task: Task) -> Iterator[Any]:
    """What of a task is or may be code, in the order in which the key takes it."""
    yield task.step.call
    yield from (item for item in task.step.depends_on if not isinstance(item, str | Path))
    yield from (value for value in task.arguments.values() if callable(value))
