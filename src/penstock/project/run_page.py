"""A run as one page of HTML: what it was asked, its steps, and what each of them made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from penstock.components.page import page
from penstock.components.page_parts import Drawn, table
from penstock.errors import PenstockError
from penstock.project.runs import Run, StepView
from penstock.values import Figure, html

_SHOWN_KINDS = frozenset({"table", "json", "metrics", "model", "figure", "text"})
_MOST_BYTES = 64 << 20


def run_page(run: Run) -> Figure:
    """Return the page: the steps with what they read, and a section for each thing that they made and that is worth
    showing; what is too large or of another kind is named in the table of steps."""
    record = run.record
    asked = " ".join(f"{name}={value}" for name, value in record.params.items())
    said = [
        f"run {record.id}: {record.state}{f', {record.error}' if record.error else ''}",
        f"began {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(record.created))}, mode {record.mode}"
        + (f", parameters {asked}" if asked else ""),
    ]
    steps = Drawn(f'<div class="wide">{run._repr_svg_()}</div>\n{_steps(run)}')
    sections = {"Steps": steps, **dict(_made(run))}
    return html(page(record.pipeline, sections, said=said))


def _steps(run: Run) -> Drawn:
    """Return the table of steps: how each ended, why, and the digests of what it read and made."""
    rows = [
        (
            name,
            step.state.replace("_", " "),
            "" if step.seconds is None else f"{step.seconds:.2f} s",
            ", ".join(f"{parameter} {digest[:8]}" for parameter, digest in step.record.inputs.items()),
            ", ".join(f"{output} {digest[:8]}" for output, digest in step.record.artifacts.items()),
            step.record.error.partition("\n")[0] or step.reason,
        )
        for name, step in run.steps.items()
    ]
    titles = ("step", "state", "took", "read", "made", "why")
    return Drawn(table(rows, titles=titles))


def _made(run: Run) -> Iterator[tuple[str, Any]]:
    for name, step in run.steps.items():
        for output in step.record.artifacts:
            yield from _section(name, step, output)


def _section(name: str, step: StepView, output: str) -> Iterator[tuple[str, Any]]:
    title = name if output == "result" else f"{name}: {output}"
    try:
        artifact = step.artifact(output)
        if artifact.record.kind in _SHOWN_KINDS and artifact.record.facts.get("size_bytes", 0) <= _MOST_BYTES:
            yield title, artifact.load()
    except PenstockError as error:  # collected meanwhile: the page says so, and has the rest
        yield title, str(error)
