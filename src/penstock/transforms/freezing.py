"""Learned operations become constants: every statistic they ask for is found in the training rows and put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.expression import Expr, transform, walk
from penstock.core.operation import Statistic
from penstock.core.schema import Schema
from penstock.errors import DataError
from penstock.operations import LEARNED, sql, type_of
from penstock.operations.documents import OF_TERMS, analyzed
from penstock.operations.sentences import pinned
from penstock.tables import bound, clear_errors, normalize, schema_of, source_schema
from penstock.transforms.applying import blamed
from penstock.transforms.moments import mean_and_deviation

_MOMENTS = ("avg({x})", "stddev_samp({x})")

Fact: TypeAlias = tuple[Expr, str, tuple[int, int] | None]
"""What is found: of which expression, by which aggregate, or its vocabulary. Two operations may ask for one fact."""


def freeze(exprs: Mapping[str, Expr], rows: pa.Table | Source) -> dict[str, Expr]:
    """Return the expressions with every learned operation replaced by the constants found in the rows.

    A learned operation over a learned operation takes another scan of the rows; otherwise there is one. The constants
    do not depend on the order of the rows, nor on the machine's number of cores: of the aggregates, only those of
    `moments` would, and there they do not. Raises `DataError` if there are no
    rows to learn from.
    """
    schema = source_schema(rows) if isinstance(rows, Source) else schema_of(rows.schema)
    for expr in exprs.values():
        type_of(expr, schema)  # names a wrong type or a missing column, before anything is read
    frozen = {name: _completed(expr, schema) for name, expr in exprs.items()}
    while uses := _innermost(frozen.values()):
        asked = {use: LEARNED[use.op].statistics(use.args) for use in uses}
        facts = _find([_fact(statistic) for statistics in asked.values() for statistic in statistics], rows, schema)
        constants = {
            use: LEARNED[use.op].freeze(use.args, {each.name: facts[_fact(each)] for each in statistics})
            for use, statistics in asked.items()
        }
        frozen = {name: _replaced(expr, constants) for name, expr in frozen.items()}
    return frozen


def _completed(expr: Expr, schema: Schema) -> Expr:
    """Return the expression with each text taken apart where the terms of a document are asked for, and each
    pretrained model named by its bytes."""

    def change(node: Expr) -> Expr:
        if node.op in OF_TERMS:
            return analyzed(node, type_of(node.args[0], schema))
        return pinned(node) if node.op == "sentence_embedding" else node

    return transform(expr, change)


def _innermost(exprs: Iterable[Expr]) -> list[Expr]:
    """Return the learned operations that have no learned operation below them, each once."""
    learned = dict.fromkeys(node for expr in exprs for node in walk(expr) if node.op in LEARNED)
    return [node for node in learned if not any(below is not node and below.op in LEARNED for below in walk(node))]


def _replaced(expr: Expr, constants: Mapping[Expr, Expr]) -> Expr:
    return transform(expr, lambda node: constants.get(node, node))


def _fact(statistic: Statistic) -> Fact:
    return statistic.of, statistic.aggregate, statistic.vocabulary


def _find(facts: Iterable[Fact], rows: pa.Table | Source, schema: Schema) -> dict[Fact, Any]:
    """Find all facts: one scan computes what they are of, in memory they are computed from that."""
    wanted = list(dict.fromkeys(facts))
    columns = {expr: f"c{position}" for position, expr in enumerate(dict.fromkeys(of for of, _, _ in wanted))}
    values = _values(columns, rows, schema)
    if values.num_rows == 0:
        raise DataError("there are no rows to learn from; check the query or the pattern that gave them")
    numbers = dict.fromkeys(of for of, aggregate, _ in wanted if aggregate in _MOMENTS)
    moments = {of: mean_and_deviation(values[columns[of]]) for of in numbers}
    found: dict[Fact, Any] = {fact: moments[fact[0]][_MOMENTS.index(fact[1])] for fact in wanted if fact[1] in _MOMENTS}
    others = [fact for fact in wanted if fact not in found]
    if not others:
        return found
    arrays = {column for column in values.column_names if pa.types.is_list(values[column].type)}
    texts = [_sql_of(fact, columns[fact[0]], is_array=columns[fact[0]] in arrays) for fact in others]
    selected = ", ".join(f"{text} AS f{position}" for position, text in enumerate(texts))
    with bound({"found": values}) as cursor, clear_errors("cannot learn from the rows"):
        answer = normalize(cursor.sql(f"SELECT {selected}").to_arrow_table()).to_pylist()[0]
    return found | {fact: _found(fact, value) for fact, value in zip(others, answer.values(), strict=True)}


def _found(fact: Fact, value: Any) -> Any:
    """Return a vocabulary as a mapping from its entries to their frequencies, anything else as it is.

    -0.0 is 0.0: they are equal, and which of them is met first depends on the order of the rows.
    """
    if fact[2] is not None:
        return dict(zip(map(_signless, value["entries"]), value["frequencies"], strict=True))
    return list(map(_signless, value)) if isinstance(value, list) else _signless(value)


def _signless(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value


def _values(columns: Mapping[Expr, str], rows: pa.Table | Source, schema: Schema) -> pa.Table:
    """Compute expressions as columns of these names."""
    texts = [f"{sql(expr, schema)} AS {name}" for expr, name in columns.items()]
    with bound({"rows": rows}) as cursor:
        try:
            with clear_errors("cannot learn from the rows"):
                return normalize(cursor.sql(f"SELECT {', '.join(texts)} FROM rows").to_arrow_table())
        except DataError as error:
            raise blamed({repr(expr): expr for expr in columns}, rows, schema) or error from error


def _sql_of(fact: Fact, column: str, *, is_array: bool) -> str:
    _, aggregate, vocabulary = fact
    if vocabulary is None:
        return f"(SELECT {aggregate.replace('{x}', column)} FROM found)"
    most, least = vocabulary
    values = f"(SELECT unnest(list_distinct({column})) AS entry FROM found)" if is_array else "found"
    counted = (
        f"SELECT {'entry' if is_array else column} AS entry, count(*) AS frequency FROM {values} "
        f"WHERE entry IS NOT NULL GROUP BY 1 HAVING frequency >= {least} ORDER BY frequency DESC, entry LIMIT {most}"
    )
    lists = (f"coalesce(list({name} ORDER BY frequency DESC, entry), [])" for name in ("entry", "frequency"))
    return "(SELECT struct_pack(entries := {}, frequencies := {}) FROM ({}))".format(*lists, counted)
