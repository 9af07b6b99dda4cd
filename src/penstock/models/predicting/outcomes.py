"""What is predicted from an estimator's numbers, by the learner's task: which columns, and how one row has them.

`columns` makes them for many rows, with a library of tables, which whoever predicts one row never loads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import Head, HeadTask, heads_of
from penstock.models.learning.learner import RowLines, Task
from penstock.models.predicting.answers import RowItems, answer_fields, answer_row
from penstock.models.predicting.estimators import task_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task predicts.

    `schema` says which columns, given the label, its type, and how many numbers are estimated; `row` writes the lines
    that return them for one row, from `estimate`.
    """

    schema: Callable[[str, str, int], Schema]
    row: Callable[[ModelGraph], RowLines]


def _of_one(task: HeadTask) -> Outcome:
    """Return what is predicted of one label."""
    return Outcome(
        schema=lambda label, type, outputs: Schema(answer_fields(Head(label=label, task=task, type=type))),
        row=lambda graph: _returned([answer_row(sole_head(graph, task))]),
    )


def answered(graph: ModelGraph) -> tuple[Head, ...]:
    """Return the labels that a network or classifier or regression predicts, be it one."""
    task = task_of(graph)
    one: dict[str, HeadTask] = {each: each for each in get_args(HeadTask)}
    return (sole_head(graph, one[task]),) if task in one else heads_of(graph)


def sole_head(graph: ModelGraph, task: HeadTask) -> Head:
    """Return the one label that a graph predicts, by that task."""
    type = graph.signature.outputs.fields[0].type
    known = nodes.classes(graph) or nodes.several_classes(graph)
    return Head(label=graph.label or "", task=task, type=type, classes=known)


def heads_schema(heads: Sequence[Head]) -> Schema:
    """Return the columns that are predicted of labels side by side."""
    return Schema(tuple(field for head in heads for field in answer_fields(head)))


def _side_by_side_row(graph: ModelGraph) -> RowLines:
    return _returned([answer_row(head, f"estimate[{at}]", f"_{at}") for at, head in enumerate(heads_of(graph))])


def _returned(parts: Sequence[RowItems]) -> RowLines:
    lines = [line for part in parts for line in part.lines]
    items = ", ".join(item for part in parts for item in part.items)
    return RowLines(
        lines=[*lines, f"return {{{items}}}"], names={name: each for part in parts for name, each in part.names.items()}
    )


def _cluster_schema(label: str, type: str, outputs: int) -> Schema:
    distances = "array<struct<CENTROID_ID int64, DISTANCE float64>>"
    return Schema((Field("CENTROID_ID", "int64"), Field("NEAREST_CENTROIDS_DISTANCE", distances)))


def _cluster_row(graph: ModelGraph) -> RowLines:
    lines = [
        "ranked = sorted(range(len(estimate)), key=estimate.__getitem__)",
        "return {'CENTROID_ID': ranked[0] + 1, 'NEAREST_CENTROIDS_DISTANCE': "
        "[{'CENTROID_ID': at + 1, 'DISTANCE': estimate[at]} for at in ranked]}",
    ]
    return RowLines(lines=lines, names={})


def _component_schema(label: str, type: str, outputs: int) -> Schema:
    return Schema(tuple(Field(f"principal_component_{number}", "float64") for number in range(1, outputs + 1)))


def _component_row(graph: ModelGraph) -> RowLines:
    items = [f"{name!r}: estimate[{at}]" for at, name in enumerate(graph.signature.outputs.names)]
    return RowLines(lines=[f"return {{{', '.join(items)}}}"], names={})


OUTCOMES: dict[Task, Outcome] = {
    "regression": _of_one("regression"),
    "classification": _of_one("classification"),
    "multilabel": _of_one("multilabel"),
    "multioutput": Outcome(schema=lambda label, type, outputs: Schema(()), row=_side_by_side_row),
    "clustering": Outcome(schema=_cluster_schema, row=_cluster_row),
    "reduction": Outcome(schema=_component_schema, row=_component_row),
}
