"""Rows held against what a model graph takes: the columns it needs, of the types it learned from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.errors import DataError
from penstock.models.graphs import nodes
from penstock.models.graphs.lookups import check_look_up, looked_up
from penstock.tables import arrow_type, normalize, schema_of

if TYPE_CHECKING:
    import pyarrow as pa


def inputs_of(graph: ModelGraph, rows: pa.Table) -> pa.Table:
    """Return the columns that the graph reads, in its types: whole numbers do for a float64, nothing else is cast.

    Raises `DataError` naming the model, what it needs, and what the rows lack or have instead.
    """
    needed = graph.signature.inputs if not looked_up(graph) else nodes.inputs(graph)
    lacking = [name for name in needed.names if name not in rows.column_names]
    if any(name in looked_up(graph) for name in lacking):
        check_look_up(graph, None)
    if lacking:
        raise DataError(
            f"model '{graph.name}' needs {', '.join(needed.names)}; the rows lack {', '.join(lacking)}",
            field=lacking[0],
        )
    table = normalize(rows.select(list(needed.names)))
    _check_types(graph.name, needed, schema_of(table.schema))
    return table.cast(_arrow_schema(needed), safe=False)  # a whole number beyond 2^53 becomes the nearest float64


def check_free(graph: ModelGraph, rows: pa.Table, names: Iterable[str]) -> None:
    """Raise `DataError` where a column of the rows has the name of one that the model gives: neither may win."""
    taken = [name for name in names if name in rows.column_names]
    if taken:
        raise DataError(
            f"model '{graph.name}' predicts {', '.join(taken)}, and the rows have a column of that name already; "
            "rename or drop it before",
            field=taken[0],
        )


def _check_types(model: str, needed: Schema, given: Schema) -> None:
    for field in needed:
        type = given[field.name].type
        if type not in (field.type, "null") and (type, field.type) != ("int64", "float64"):
            hint = f"; cast it before, e.g. {field.name}::timestamp in SQL" if field.type == "timestamp" else ""
            raise DataError(
                f"model '{model}' needs {field.name} as {field.type}; the rows have it as {type}{hint}",
                field=field.name,
            )


def _arrow_schema(needed: Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(field.name, arrow_type(field.type)) for field in needed])
