"""Which feature has no value, of which row, and why: found when a row or a batch could not be computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.core.expression import columns_of
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, MissingExtraError, PenstockError
from penstock.models.graphs.nodes import expressions, inputs
from penstock.operations import compile_row, text
from penstock.operations.glimpses import glimpse

FAILURES = (PenstockError, ArithmeticError, ValueError)
"""What the row form of an expression raises where it has no value: ln(0), an overflow, an impossible date."""


def domain_error(graph: ModelGraph, rows: Iterable[Mapping[str, Any]]) -> DataError | None:
    """Return an error naming the first feature that has no value in some row, and the inputs it read there."""
    schema = inputs(graph)
    features = {name: expr for name, expr in expressions(graph).items() if expr.op != "column"}
    functions = {name: compile_row({name: expr}, schema) for name, expr in features.items()}
    for row in rows:
        for name, function in functions.items():
            try:
                function(row)
            except MissingExtraError:
                raise  # no row is to blame where a package is missing
            except FAILURES as error:
                read = columns_of(features[name])
                given = ", ".join(f"{column}={_shown(row[column])}" for column in read)
                what = f"feature '{name}', {text(features[name])},"
                return DataError(
                    f"model '{graph.name}': {what} has no value for {given}: {error}",
                    field=read[0] if read else None,
                )
    return None


def _shown(value: Any) -> str:
    return glimpse(value) if isinstance(value, bytes) else repr(value)
