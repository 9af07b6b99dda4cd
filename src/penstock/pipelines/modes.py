"""Training and inference from one definition: what a step is told of the mode, and what inference may not do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Pipeline
from penstock.errors import RunError

MODES = ("train", "infer")
TOLD = "penstock.Mode"
Mode: TypeAlias = Annotated[Literal["train", "infer"], TOLD]
"""A parameter annotated `ps.Mode` gets the mode of the run: it is part of the step's key, as any parameter is."""

_RUNNING: ContextVar[str | None] = ContextVar("penstock_mode", default=None)
_STEPS: list[tuple[str, frozenset[threading.Thread]]] = []
"""The steps that run in this process: the mode of each, and the threads that were there when it began. A new thread has
no context of its starter's, and so is known as a step's."""


def in_mode(pipeline: Pipeline, mode: str) -> Pipeline:
    """Return the pipeline as a run in that mode has it: steps that ask which mode it is are told; those that are not
    for it keep what they are told in their own."""
    steps = []
    for step in pipeline.steps:
        told = mode if mode in step.modes else min(step.modes, default=mode)
        asking = {name: told for name, kind in step.kinds.items() if kind == "mode"}
        steps.append(replace(step, inputs=FrozenMap({**step.inputs, **asking})) if asking else step)
    return replace(pipeline, steps=tuple(steps))


@contextmanager
def running_in(mode: str) -> Iterator[None]:
    """Say in which mode the step inside runs."""
    token, running = _RUNNING.set(mode), (mode, frozenset(threading.enumerate()))
    _STEPS.append(running)
    try:
        yield
    finally:
        _STEPS.remove(running)
        _RUNNING.reset(token)


def current_mode() -> str:
    """Return the mode of the run whose step calls this, itself or from a thread that it has started; outside of runs
    that is "train"."""
    if (mode := _RUNNING.get()) is not None:
        return mode
    thread = threading.current_thread()
    return next((mode for mode, others in reversed(_STEPS) if thread not in others), "train")


def check_allowed(step: str, modes: frozenset[str]) -> None:
    """Raise `RunError` where a step of a run that infers calls one that only training may."""
    if (mode := current_mode()) not in modes:
        raise RunError(
            f"'{step}' runs only in mode {' and '.join(sorted(modes))}, and a step of a run in mode {mode} called it; "
            "give the step what was learned as an input: it comes from the run that was promoted"
        )


def check_run_allowed(pipeline: Pipeline, mode: str) -> None:
    """Raise `RunError` where a step of a run that infers would start one that learns."""
    learning = [step.name for step in pipeline.steps if "infer" not in step.modes]
    if mode == "train" and learning and current_mode() == "infer":
        raise RunError(
            f"a step of a run in mode infer would run pipeline '{pipeline.name}' in mode train, where '{learning[0]}' "
            "learns; run it by itself, or let a trigger (ps.on) do so"
        )
