"""SQL of other databases: PostgreSQL gives the golden examples on a real server; the others' parsers read theirs."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot

from penstock.core.expression import Expr, literal, type_of_value
from penstock.core.operation import Example, Operation
from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import OPERATIONS, col, parse
from penstock.operations.foreign import DATABASES, FORMS, TYPES
from penstock.operations.foreignsql import foreign_literal, foreign_sql

DIFFERENT = {
    ("date_add", (None, 4611686018427387904, "month")): "so many months are an error, even after no date at all",
    ("upper", ("\xdf",)): "PostgreSQL knows capitals that are one letter only where its locale does",
    ("hour", (datetime.datetime(9999, 12, 31, 23, tzinfo=datetime.UTC), "Asia/Kolkata")): "it has years beyond 9999",
}


def _is_odd(value: Any) -> bool:
    """Tell whether a value is one that databases differ on: what is not finite, -0.0, instants out of the ordinary."""
    match value:
        case float():
            return not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0) or abs(value) > 1e300
        case str():
            return "\0" in value
        case tuple() | list():
            return any(map(_is_odd, value))
    return False


def _cases() -> Iterator[object]:
    for name in FORMS:
        operation = OPERATIONS[name]
        for example in operation.examples:
            if any((name, example.arguments) == different for different in DIFFERENT):
                continue
            if not any(map(_is_odd, (*example.arguments, example.value))):
                shown = f"{name}({', '.join(map(repr, example.arguments))})"
                yield pytest.param(operation, example, id=shown[:100].encode("unicode_escape").decode())


def _call(operation: Operation, example: Example) -> tuple[Expr, Schema, dict[str, tuple[Any, str]]]:
    arguments: list[Expr] = []
    columns: dict[str, tuple[Any, str]] = {}
    for place, value in enumerate(example.arguments):
        parameter = operation.parameters[min(place, len(operation.parameters) - 1)]
        type = example.types[place] if place < len(example.types) else type_of_value(value)
        if parameter.constant or type == "null":
            arguments.append(literal(value, as_type=type))
        elif place and isinstance(value, int) and operation.name in ("substr", "left", "right"):
            arguments.append(literal(value))
        else:
            columns[f"x{place}"] = (value, type)
            arguments.append(Expr("column", (f"x{place}",)))
    schema = Schema.of(**{name: type for name, (_, type) in columns.items()})
    return Expr(operation.name, tuple(arguments)), schema, columns


def _written(expr: Expr, schema: Schema) -> str | None:
    try:
        return foreign_sql(expr, schema, "postgres")
    except ExpressionError:
        return None


@pytest.mark.server
@pytest.mark.parametrize(("operation", "example"), list(_cases()))
def test_postgresql_gives_the_golden_value(operation: Operation, example: Example, connection: Any) -> None:
    expr, schema, columns = _call(operation, example)
    text = _written(expr, schema)
    if text is None:
        pytest.skip("this call has no form in PostgreSQL: exporting it is an error, as another test holds")
    given = ", ".join(f'{foreign_literal(v, t, "postgres")} AS "{name}"' for name, (v, t) in columns.items())
    query = f"SELECT {text} AS value FROM (SELECT {given or '1'}) AS rows"
    if example.raises:
        with pytest.raises(connection.errors):
            connection.value(query)
        return
    found = connection.value(query)
    if isinstance(example.value, float) and found is not None:
        assert float(found) == pytest.approx(example.value, rel=1e-14, abs=1e-300)
    else:
        assert found == example.value
        assert type(found) is type(example.value)


class Connection:
    """A connection of this module's tests."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.errors = psycopg.Error
        self._connection = psycopg.connect(url, autocommit=True)

    def value(self, query: str) -> Any:
        """Return the one value of a query."""
        [row] = self._connection.execute(query).fetchall()
        return row[0]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[Connection]:
    made = Connection(postgres)
    yield made
    made.close()


@pytest.mark.parametrize("database", DATABASES)
def test_the_parser_of_each_database_reads_every_form(database: str) -> None:
    written = 0
    for name in FORMS:
        for example in OPERATIONS[name].examples:
            if any(map(_is_odd, example.arguments)):
                continue
            expr, schema, _ = _call(OPERATIONS[name], example)
            try:
                text = foreign_sql(expr, schema, database)
            except ExpressionError:
                continue
            sqlglot.parse_one(f"SELECT {text}", read=database)
            written += 1
    assert written > 200


def test_every_form_is_of_an_operation_and_says_nothing_of_unknown_databases() -> None:
    assert set(FORMS) <= set(OPERATIONS)
    for form in FORMS.values():
        if isinstance(form, dict):
            assert set(form) <= set(DATABASES)
    assert set(TYPES) == set(DATABASES)


def test_what_has_no_form_is_named_with_the_database() -> None:
    with pytest.raises(ExpressionError, match=r"regexp_contains has no form in SQL of snowflake: REGEXP_CONTAINS"):
        foreign_sql(col("a").regexp_contains("x"), Schema.of(a="string"), "snowflake")


def test_the_talks_features_are_written_for_each_database() -> None:
    hour = parse("CAST(EXTRACT(HOUR FROM start_date) AS STRING)")
    schema = Schema.of(start_date="timestamp")
    assert {database: foreign_sql(hour, schema, database) for database in DATABASES} == {
        "bigquery": "CAST(EXTRACT(HOUR FROM DATETIME(`start_date`, 'UTC')) AS STRING)",
        "postgres": "CAST(CAST(FLOOR(EXTRACT(HOUR FROM (\"start_date\" AT TIME ZONE 'UTC'))) AS BIGINT) AS TEXT)",
        "snowflake": (
            "CAST(EXTRACT(HOUR FROM CAST(CONVERT_TIMEZONE('UTC', \"start_date\") AS TIMESTAMP_NTZ)) AS VARCHAR)"
        ),
        "spark": "CAST(CAST(FLOOR(EXTRACT(HOUR FROM `start_date`)) AS BIGINT) AS STRING)",
    }
