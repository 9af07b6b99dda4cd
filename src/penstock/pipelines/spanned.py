"""`spans`: files by day, so that a step runs once for each of them, and a new day is all that a next run does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.core.artifact import Source
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Step
from penstock.errors import DeclarationError
from penstock.pipelines.tracing import current_trace


class Spans(str):
    """The spans of a path or a declared table, before it is known which there are: `in/day={date}/*.parquet@last 7`."""

    __slots__ = ()


def spans(source: str, span: str = "all") -> Any:
    """Return the spans of a path such as `in/day={date}/*.parquet`, for `.map(...)`: one text for each, which `ps.read`
    reads.

        days = ps.read.map(ps.spans("in/day={date}/*.parquet"))
        ps.predict.map(graph, days)

    `span` says which: "all", "latest", "last 7" (of those that there are), "2013-03-07", "2013-03",
    "2013-03-01..2013-03-07". In a pipeline they are found when a run is planned. A day whose files are as they were is
    up to date.
    """
    if not isinstance(source, str):
        raise DeclarationError(f"ps.spans takes a path with {{date}} in it, or a declared table, not {source!r}")
    text = Spans(f"{source}@{span}")
    return text if current_trace() is not None else _each(text, _from_here)


def with_spans(step: Step, sources: Callable[[str], Source]) -> Step:
    """Return a mapped step with the spans that there are now in place of what names them."""
    found: Mapping[str, Any] = {
        name: _each(value, sources) for name, value in step.inputs.items() if isinstance(value, Spans)
    }
    return replace(step, inputs=FrozenMap({**step.inputs, **found})) if found else step


def _from_here(text: str) -> Source:
    from penstock.tables import resolve  # here: declaring steps loads no library

    return resolve(text, root=Path.cwd())


def _each(text: str, sources: Callable[[str], Source]) -> list[str]:
    from penstock.tables import span_labels

    source = sources(text)
    pattern = source.name.rpartition("@")[0]
    labels = span_labels(pattern, source.uris)
    if not labels:
        raise DeclarationError(
            f"'{pattern}' says no spans; write a path with {{date}} in it: in/day={{date}}/*.parquet"
        )
    return [f"{pattern}@{label}" for label in labels]
