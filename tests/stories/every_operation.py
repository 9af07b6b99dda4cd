"""Model graphs that hold every operation of the table, and the rows of their golden examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

import penstock as ps
from penstock.core.expression import Expr, columns_of, literal, type_of_value
from penstock.core.graph import Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.operation import Operation
from penstock.core.schema import Field, Schema
from penstock.operations import LEARNED, OPERATIONS, type_of
from penstock.tables import arrow_type

PER_GRAPH = 40
"""Features of one graph: DuckDB plans a text of a thousand for longer than these take together."""
Values = list[Any]


def of_examples() -> Iterator[tuple[ps.ModelGraph, pa.Table]]:
    """Yield graphs whose features are all operations as their golden examples call them, each over columns of its own,
    and rows that hold what the examples give and do not refuse."""
    features = [feature for operation in OPERATIONS.values() for feature in _features(operation)]
    for start in range(0, len(features), PER_GRAPH):
        several = features[start : start + PER_GRAPH]
        longest = max(len(values) for _, _, columns in several for _, values in columns.values())
        table = pa.table(
            {
                name: pa.array([values[row % len(values)] for row in range(longest)], arrow_type(type))
                for _, _, columns in several
                for name, (type, values) in columns.items()
            }
            or {"x": pa.array([1])}
        )
        types = {name: type for _, _, columns in several for name, (type, _) in columns.items()}
        yield _graph({name: expr for name, expr, _ in several}, types or {"x": "int64"}), table


def of_learned() -> Iterator[tuple[ps.ModelGraph, pa.Table]]:
    """Yield graphs of one learned operation each, learned from the column of its example."""
    for operation in LEARNED.values():
        for number, (column, constants, _) in enumerate(operation.examples):
            known = next(
                iter(sorted((value for value in column if value is not None), key=lambda value: not value)), 0.0
            )
            values = [list(value) if isinstance(value, tuple) else value for value in column]
            rows = pa.table({"x": pa.array(values, arrow_type(type_of_value(known)))})
            expr = Expr(operation.name, (ps.col("x"), *map(literal, constants)))
            features = {"made": expr, "x": ps.col("x")}
            yield ps.fit(ps.model(f"{operation.name}_{number}", type="transform_only", features=features), rows), rows


def _features(operation: Operation) -> Iterator[tuple[str, Expr, dict[str, tuple[str, Values]]]]:
    """Yield the name, the call and the columns of each way in which the examples call an operation."""
    calls: dict[tuple[Any, ...], list[Values]] = {}
    for example in operation.examples:
        if example.raises:
            continue
        key, values = [], []
        for place, value in enumerate(example.arguments):
            parameter = operation.parameters[min(place, len(operation.parameters) - 1)]
            type = example.types[place] if place < len(example.types) else type_of_value(value)
            if parameter.constant or type == "null":
                key.append(literal(value, as_type=type))
            else:
                key.append(type)
                values.append(list(value) if isinstance(value, tuple) else value)
        calls.setdefault(tuple(key), []).append(values)
    for number, (key, rows) in enumerate(calls.items()):
        name = f"{operation.name}_{number}"
        columns: dict[str, tuple[str, Values]] = {}
        arguments: list[Expr] = []
        for part in key:
            if isinstance(part, str):
                place = len(columns)
                columns[f"{name}_{place}"] = part, [row[place] for row in rows]
                arguments.append(Expr("column", (f"{name}_{place}",)))
            else:
                arguments.append(part)
        yield f"made_{name}", Expr(operation.name, tuple(arguments)), columns


def _graph(features: Mapping[str, Expr], types: Mapping[str, str]) -> ps.ModelGraph:
    """Return the graph of features that need no learning, as a fit makes it, without comparing forms on edge rows."""
    inputs = Schema.of(**types)
    made = {name: type_of(expr, inputs) for name, expr in features.items()}
    nodes = [
        *(
            Node(name=name, op="input", params=FrozenMap({"type": type, "nullable": True}))
            for name, type in types.items()
        ),
        *(
            Node(
                name=name,
                op="expression",
                inputs=columns_of(expr),
                params=FrozenMap({"expr": expr, "type": made[name]}),
            )
            for name, expr in features.items()
        ),
        *(
            Node(
                name=f"{name}__output",
                op="output",
                inputs=(name,),
                params=FrozenMap({"type": type, "column": name}),
            )
            for name, type in made.items()
        ),
    ]
    outputs = Schema(tuple(Field(name, type) for name, type in made.items()))
    return ps.ModelGraph(
        name="examples",
        label=None,
        signature=Signature(inputs, outputs),
        nodes=tuple(nodes),
        blobs=FrozenMap(),
        facts=FrozenMap({"type": "transform_only"}),
    )
