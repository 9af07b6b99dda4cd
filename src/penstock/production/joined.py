"""Logged rows with their labels, as flat tables: what slices are expressions over, and what is counted in cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.graph import ModelGraph
from penstock.errors import UnknownNameError
from penstock.models.graphs import nodes
from penstock.models.judging.predicted import PROBABILITY
from penstock.models.routing import ROUTE, is_routed
from penstock.production.labels import label_type, labelled, read_labels
from penstock.production.parts import parts, state_of
from penstock.production.reading import ids_of, read_versions
from penstock.production.records import FEATURES, INPUTS, OUTPUTS
from penstock.production.windows import Window

PROBABILITIES = "_probs"
_OWN = ("id", "time", "version", "route", "latency_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the log and the labels of a project lie, and who knows the model graph of a version."""

    requests: Path
    labels: Path
    graph: Callable[[str, int], ModelGraph]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Logged rows of one version, with the label of each, NULL where there is none yet. A model that has no one label
    has none."""

    graph: ModelGraph
    version: int
    rows: pa.Table
    labels: pa.Array | None

    def within(self, window: Window) -> Served:
        """Return those that were answered in a window."""
        times = self.rows["time"]
        start, end = (pa.scalar(each, times.type) for each in (window.begins, window.ends))
        flags = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
        return self.where(flags.combine_chunks() if isinstance(flags, pa.ChunkedArray) else flags)

    def where(self, flags: pa.Array) -> Served:
        """Return those whose flag is true."""
        labels = None if self.labels is None else self.labels.filter(flags)
        return Served(graph=self.graph, version=self.version, rows=self.rows.filter(flags), labels=labels)

    @property
    def label_count(self) -> int:
        """How many have a label yet."""
        return 0 if self.labels is None else len(self.labels) - self.labels.null_count


def served(
    place: Place, model: str, *, since: float, until: float, with_labels: bool = True, with_inputs: bool = True
) -> list[Served]:
    """Return the rows of each version of a model that were answered from `since` to before `until`; those of a version
    that is not registered any more are left out."""
    columns = [*_OWN, OUTPUTS, *((INPUTS, FEATURES) if with_inputs else ())]
    versions = read_versions(place.requests, model, since=since, until=until, columns=columns)
    known = None
    if with_labels and versions:
        known = read_labels(place.labels, model, ids_of(versions))
    found = []
    for version, rows in versions.items():
        try:
            graph = place.graph(model, version)
        except UnknownNameError:  # it was dropped: nobody knows any more what it had learned from
            continue
        labels = labelled(rows, known, label_type(graph)) if _has_label(graph) else None
        found.append(Served(graph=graph, version=version, rows=rows, labels=labels))
    return found


def state(place: Place, model: str, *, since: float, until: float, with_labels: bool = True) -> str:
    """Return a digest of the files that `served` reads: as long as it is the same, so are the rows."""
    rows = parts(place.requests, model, since=since, until=until - 1e-3)
    return state_of([*rows, *(parts(place.labels, model) if with_labels else ())])


def _has_label(graph: ModelGraph) -> bool:
    return graph.label is not None and f"predicted_{graph.label}" in graph.signature.outputs.names


def flat(found: Served) -> pa.Table:
    """Return what expressions of slices read: the inputs, features that were looked up, what was predicted, the label,
    and `id`, `time`, `version`, `route`, `latency_seconds`, but for those whose name is one of the others."""
    columns = _fields(found.rows, INPUTS)
    for more in (_fields(found.rows, FEATURES), _fields(found.rows, OUTPUTS)):
        columns = more | columns
    if found.labels is not None and found.graph.label is not None:
        columns = {found.graph.label: found.labels} | columns
    return pa.table({name: found.rows[name] for name in _OWN} | columns)


def asked(found: Served) -> pa.Table:
    """Return what came with each row: the inputs but for bytes, and the features that were looked up, if logged."""
    content = [each.name for each in found.graph.signature.inputs if each.type == "bytes"]
    columns = _fields(found.rows, INPUTS) | _fields(found.rows, FEATURES)
    return pa.table({name: values for name, values in columns.items() if name not in content})


def answered(found: Served) -> pa.Table:
    """Return what was predicted of each row, as a model's facts count it, and the route that it took in a cascade."""
    columns = {ROUTE: found.rows[ROUTE]} if is_routed(found.graph) else {}
    for name, values in _fields(found.rows, OUTPUTS).items():
        if not name.endswith(PROBABILITIES):
            columns[name] = values
        elif (probability := _second_class(found.graph, values)) is not None:
            columns[name.removesuffix(PROBABILITIES) + PROBABILITY] = probability
    return pa.table(columns)


def _second_class(graph: ModelGraph, values: pa.Array) -> pa.Array | None:
    """Return the probability of the second of two classes, as a model's facts count it."""
    classes = nodes.classes(graph)
    if len(classes) != 2 or values.null_count:
        return None
    entries = pc.list_flatten(values)
    is_second = pc.equal(entries.field("label"), pa.scalar(classes[1], entries.type.field("label").type))
    found = entries.field("prob").filter(is_second)
    return found if len(found) == len(values) else None


def _fields(rows: pa.Table, name: str) -> dict[str, pa.Array]:
    if name not in rows.column_names:
        return {}
    column = rows[name].combine_chunks()
    return {field.name: pc.struct_field(column, field.name) for field in column.type}
