"""A run as a picture: the graph of its pipeline, with what has become of each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.core.run import Run, StepRun
from penstock.pipelines.drawing import Drawn, draw
from penstock.pipelines.selection import lender


def draw_run(run: Run, steps: Sequence[StepRun], address: Callable[[str], str] | None = None) -> str:
    """Return a run as SVG: a box for each step, with its state, how long it took and, pointed at, why; `address` says
    where the box of a step leads."""
    drawn = [
        Drawn(
            name=step.step,
            state=step.state,
            needs=step.needs,
            below=_ended(step),
            lent=lender(step.reason),
            told=step.error.partition("\n")[0] or step.reason,
            address=address(step.step) if address is not None else "",
        )
        for step in steps
    ]
    return draw(f"Run {run.id} of pipeline {run.pipeline}, {run.state}", drawn)


def _ended(step: StepRun) -> str:
    said = step.state.replace("_", " ")
    if step.started is None or step.ended is None or step.state in ("skipped", "up_to_date"):
        return said
    minutes, seconds = divmod(step.ended - step.started, 60)
    return f"{said}, {minutes:,.0f} min {seconds:.0f} s" if minutes else f"{said}, {seconds:.1f} s"
