"""Training and inference from one definition: what a step is told of the mode, and what inference may not do."""

from __future__ import annotations

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

_RUNNING: ContextVar[str] = ContextVar("penstock_mode", default="train")


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
    token = _RUNNING.set(mode)
    try:
        yield
    finally:
        _RUNNING.reset(token)


def check_allowed(step: str, modes: frozenset[str]) -> None:
    """Raise `RunError` where a step of a run that infers calls one that only training may."""
    mode = _RUNNING.get()
    if mode not in modes:
        raise RunError(
            f"'{step}' runs only in mode {' and '.join(sorted(modes))}, and a step of a run in mode {mode} called it; "
            "give the step what was learned as an input: it comes from the run that was promoted"
        )
