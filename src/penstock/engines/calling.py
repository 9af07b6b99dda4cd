"""The call of a task's entry: whatever user code does there, an outcome comes back."""

from __future__ import annotations

import time
import traceback
from importlib import import_module

from penstock.core.failure import ENDINGS, names_of
from penstock.core.ports import Outcome, Task
from penstock.secrets import masked


def call(task: Task) -> Outcome:
    """Import and call `task.entry`; an exception that the entry lets through makes a failed outcome.

    `KeyboardInterrupt` goes through: it is the user's word to whoever drives the run.
    """
    started = time.time()
    try:
        module, _, function = task.entry.partition(":")
        outcome: Outcome = getattr(import_module(module), function)(task)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a step that calls sys.exit() has failed, not the engine
        return failed(task.id, told(error), started=started, of=names_of(type(error)))
    return outcome


def told(error: BaseException) -> str:
    """Return an error as records keep it: what it says first, then its traceback."""
    said = "".join(traceback.format_exception_only(error)).strip()
    text = f"{said}\n\n{''.join(traceback.format_exception(error))}".rstrip()
    text = masked(text)
    return text.encode(errors="backslashreplace").decode()  # a record is UTF-8, what an error says may not be


def failed(
    task_id: str, error: str, *, started: float, final: bool = False, of: tuple[str, ...] = ENDINGS["killed"]
) -> Outcome:
    """Return the outcome of a task that ends now without one of its own; `final`: it would fail again; `of`: the names
    of what it failed of."""
    return Outcome(
        task=task_id, state="failed", error=error, final=final, failed_of=of, started=started, ended=time.time()
    )
