"""Models that read features of feature sets: their graphs look them up, by reference, before anything is computed.

A model says `ps.feature("driver_rides:trips_7d")`. The rows that it learns from have the values in a column named by
the reference with the version, `driver_rides@2:trips_7d`, as they were at each row's time; its graph has a node
`feature` of that name, which reads the keys. Who predicts many rows joins such columns first; who predicts one hands
in what looks them up. So no model knows of a store.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.core.expression import Expr, transform, walk
from penstock.core.graph import ModelGraph, Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError
from penstock.operations import col

if TYPE_CHECKING:
    import pyarrow as pa

Graph = TypeVar("Graph", bound=ModelGraph)
Declared = TypeVar("Declared", bound=Model)

_ROW_TIMES = "feature_timestamp_col"

LookUp = Callable[[Mapping[str, Any]], Sequence[Any]]
"""Gives the features of one row, in the order of its graph's nodes `feature`, by its keys and values of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFeature:
    """A feature that can be looked up: its reference with the version, its type, and what has to be given."""

    reference: str
    type: str
    given: FrozenMap[str]


def feature_references(model: Model) -> tuple[str, ...]:
    """Return the references of the features that a declared model looks up."""
    return _references(model.features)


def _references(features: Mapping[str, Expr] | None) -> tuple[str, ...]:
    exprs = () if features is None else tuple(features.values())
    return tuple(dict.fromkeys(node.args[0] for expr in exprs for node in walk(expr) if node.op == "feature"))


def as_of_column(model: Declared, timestamp: str | None) -> Declared:
    """Return the model with the column that has each row's time, as of which it looks features up; None: as it is."""
    if timestamp is None:
        return model
    if not feature_references(model):
        raise no_look_up(model.name, f"timestamp={timestamp!r}")
    return dataclasses.replace(model, options=FrozenMap(sorted({**model.options, _ROW_TIMES: timestamp}.items())))


def row_times(of: Model | ModelGraph) -> str | None:
    """Return the column that has each row's time, where a model says which."""
    options = of.options if isinstance(of, Model) else of.facts.get("options", {})
    column: str | None = options.get(_ROW_TIMES)
    return column


def check_row_times(name: str, features: Mapping[str, Expr] | None, options: Mapping[str, Any]) -> None:
    """Raise `DeclarationError` where a model says as of which column it looks features up, and looks none up."""
    if _ROW_TIMES in options and not _references(features):
        raise no_look_up(name, f"{_ROW_TIMES}={options[_ROW_TIMES]!r}")


def no_look_up(name: str, said: str) -> DeclarationError:
    """Return the error that a time of rows is given to a model that has no use for it."""
    return DeclarationError(f"model '{name}' looks no features up, so there is nothing as of a time; leave {said} out")


def lookup_columns(model: Model, columns: Sequence[str]) -> list[str]:
    """Return those of the columns of rows that hold features which a model looks up."""
    references = feature_references(model)
    return [column for column in columns if any(_names(reference, column) for reference in references)]


def looked_up(graph: ModelGraph) -> tuple[str, ...]:
    """Return the references, with versions, of the features that a graph looks up."""
    return tuple(node.name for node in graph.of("feature"))


def over_columns(model: Model, rows: pa.Table, known: Sequence[KnownFeature]) -> tuple[Model, tuple[KnownFeature, ...]]:
    """Return the model with columns of the rows in place of the features that it looks up, and those.

    Raises `DataError` where the rows lack them.
    """
    found = {reference: _found(model, reference, rows, known) for reference in feature_references(model)}
    if not found or model.features is None:
        return model, ()

    def replaced(node: Expr) -> Expr:
        return col(found[node.args[0]].reference) if node.op == "feature" else node

    features = FrozenMap({name: transform(expr, replaced) for name, expr in model.features.items()})
    return dataclasses.replace(model, features=features), tuple(dict.fromkeys(found.values()))


def _found(model: Model, reference: str, rows: pa.Table, known: Sequence[KnownFeature]) -> KnownFeature:
    there = [each for each in known if _names(reference, each.reference) and each.reference in rows.column_names]
    if len(there) == 1:
        return there[0]
    if there:
        raise DataError(
            f"model '{model.name}' looks up '{reference}', and the rows have it of several versions: "
            f"{', '.join(each.reference for each in there)}; leave all but one out"
        )
    raise DataError(
        f"model '{model.name}' looks up '{reference}', which the rows do not have; project.fit(model, rows) joins it "
        "as of each row's time, and in a pipeline rows = ps.historical_features(rows, model) does, before ps.fit"
    )


def _names(reference: str, pinned: str) -> bool:
    """Tell whether a reference, which may have no version, names the one that has."""
    name, _, feature = pinned.partition(":")
    bare, _, version = name.partition("@")
    return version.isdigit() and reference in (pinned, f"{bare}:{feature}")


def with_lookups(graph: Graph, known: Sequence[KnownFeature]) -> Graph:
    """Return a graph with nodes that look features up in place of the inputs that had them; what they need is an input.

    Raises `DataError` where an input of the graph has another type than a key of that name.
    """
    by_name = {each.reference: each for each in known}
    raw = [field for field in graph.signature.inputs if field.name not in by_name]
    types = {field.name: field.type for field in raw}
    for each in known:
        for name, type in each.given.items():
            if types.setdefault(name, type) not in (type, "int64" if type == "float64" else type):
                raise DataError(
                    f"model '{graph.name}' reads the column '{name}' as {types[name]}, and '{each.reference}' is "
                    f"looked up by it as {type}; cast it in the rows, or read it under another name",
                    field=name,
                )
    more = [Field(name, type, nullable=False) for name, type in types.items() if name not in {f.name for f in raw}]
    inputs = Schema((*raw, *more))
    nodes = [
        *(Node(name=f.name, op="input", params=FrozenMap({"type": f.type, "nullable": f.nullable})) for f in inputs),
        *(_node(each) for each in known),
        *(node for node in graph.nodes if node.op != "input"),
    ]
    return dataclasses.replace(graph, signature=Signature(inputs, graph.signature.outputs), nodes=tuple(nodes))


def _node(lookup: KnownFeature) -> Node:
    of, _, feature = lookup.reference.partition(":")
    name, _, version = of.partition("@")
    params = FrozenMap({"set": name, "version": int(version), "feature": feature, "type": lookup.type})
    return Node(name=lookup.reference, op="feature", inputs=tuple(lookup.given), params=params)


def given_to(graph: ModelGraph) -> tuple[str, ...]:
    """Return the inputs that features are looked up by: keys and values of the request."""
    return tuple(dict.fromkeys(name for node in graph.of("feature") for name in node.inputs))


def joined_graph(graph: Graph) -> Graph:
    """Return a graph that takes the features as inputs instead of looking them up: for where there is no store."""
    features = {node.name: node for node in graph.of("feature")}
    if not features:
        return graph
    read = {name for node in graph.nodes if node.op != "feature" for name in node.inputs}
    inputs = Schema(
        (
            *(field for field in graph.signature.inputs if field.name in read),
            *(Field(name, node.params["type"]) for name, node in features.items()),
        )
    )
    nodes = [
        *(Node(name=f.name, op="input", params=FrozenMap({"type": f.type, "nullable": f.nullable})) for f in inputs),
        *(node for node in graph.nodes if node.op not in ("input", "feature")),
    ]
    return dataclasses.replace(graph, signature=Signature(inputs, graph.signature.outputs), nodes=tuple(nodes))


def from_rows(graph: ModelGraph, rows: pa.Table) -> LookUp | None:
    """Return what gives the features of rows one after the other, as they stand in their columns."""
    names = looked_up(graph)
    if not names:
        return None
    values: Iterator[dict[str, Any]] = iter(rows.select(list(names)).to_pylist())
    return lambda _: tuple(next(values).values())


def check_look_up(graph: ModelGraph, look_up: LookUp | None) -> None:
    """Raise `DataError` where a graph looks features up and nothing is handed in that does."""
    names = looked_up(graph)
    if names and look_up is None:
        raise DataError(
            f"model '{graph.name}' looks up {', '.join(names)}, and a graph by itself has no feature store: predict by "
            f"the project, project.predict('{graph.name}', rows), or by penstock serve"
        )
