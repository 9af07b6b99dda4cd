"""Operations of one float64, each a function of DuckDB and of Python's `math` by one name."""

from __future__ import annotations

import math
from collections.abc import Callable

from penstock.core.operation import Example, Operation, Parameter
from penstock.operations.literals import fails

X = (Parameter(name="x", types=("float64",)),)


def unary(
    name: str,
    meaning: str,
    python: Callable[[float], float],
    examples: tuple[Example, ...],
    *,
    sql: str = "",
    row: str = "",
    fails_where: str = "",
    nan_where: str = "",
    bigquery: str | None = None,
) -> Operation:
    """Return an operation; `sql` and `row` are templates over {0}.

    It raises where `fails_where` holds, which DuckDB would not by itself, and is NaN where `nan_where` holds (in the
    row form: for an infinity).
    """
    body, source = sql or f"{name}({{0}})", row or f"{name}({{0}})"
    branches = f"WHEN {nan_where} THEN CAST('nan' AS DOUBLE) " if nan_where else ""
    branches += f"WHEN {fails_where} THEN {fails(f'{name}: outside its domain')} " if fails_where else ""
    text = f"CASE {branches}ELSE {body} END" if branches else body
    guarded = f"(nan if isinf({{0}}) else {source})" if nan_where else source
    return Operation(
        name=name,
        meaning=meaning,
        parameters=X,
        result="float64",
        sql=lambda a, t: text.format(a[0]),
        row=lambda a, t: guarded.format(a[0]),
        names={name: python, python.__name__: python, "isinf": math.isinf, "nan": math.nan, "inf": math.inf},
        examples=examples,
        bigquery=name.upper() if bigquery is None else bigquery,
    )
