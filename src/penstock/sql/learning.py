"""ML.* functions that learn, in ordinary queries: what they learn comes from all rows of the query they stand in.

Their constants are found before the statement runs, over the FROM and WHERE of that query, and are put into its text
where a name has kept their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from penstock.core.expression import Expr
from penstock.core.schema import Schema
from penstock.errors import SqlError
from penstock.operations import quoted, sql, sql_literal, type_of
from penstock.sql.database import rows_of
from penstock.transforms import freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """An expression with a function whose constants are found in rows.

    `columns` are its leaves, `texts` what they are in the query around, `rows` the query that gives them, and `name`
    keeps its place.
    """

    name: str
    function: str
    expression: Expr
    columns: Schema
    texts: Mapping[str, str]
    rows: str


_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")


def put_in(text: str, texts: Mapping[str, str]) -> str:
    """Put texts in the places of names. What stands inside quotes is no place."""
    places = {quoted(name): text for name, text in texts.items()}
    return _QUOTED.sub(lambda found: places.get(found[0], found[0]), text)


def is_volatile(text: str) -> bool:
    """Tell whether a query gives other rows each time it runs."""
    return re.search(r"\b(?:random|uuid)\(\)", _QUOTED.sub("", text)) is not None


def learned_text(learning: Learning, known: Mapping[str, str], database: duckdb.DuckDBPyConnection) -> str:
    """Find the constants; return the text that stands in the place of the learning's name. `known` are those before."""
    try:
        rows = rows_of(database, put_in(learning.rows, known))
    except SqlError as error:  # our own text is wrong only where it needs a row of the query around
        raise SqlError(f"{learning.function} cannot learn in a subquery that depends on the row around it") from error
    if rows.num_rows == 0:
        return sql_literal(None, type_of(learning.expression, learning.columns))  # there is no row to compute it for
    frozen = freeze({learning.name: learning.expression}, rows)[learning.name]
    texts = {name: put_in(text, known) for name, text in learning.texts.items()}
    return f"({put_in(sql(frozen, learning.columns), texts)})"
