"""Rows held against a schema and rules: all counts come from one scan; only what is wrong is looked at again."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from penstock import operations
from penstock.core.artifact import Source
from penstock.core.expression import columns_of
from penstock.core.schema import Schema
from penstock.core.units import seconds
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.operations import quoted
from penstock.tables import (
    TableLike,
    bound,
    clear_errors,
    normalize,
    resolve,
    schema_of,
    source_schema,
    to_arrow,
)
from penstock.transforms.anomalies import EXAMPLES, Anomaly, anomaly, in_words
from penstock.transforms.checks import Check, column_checks, rule_check
from penstock.transforms.expectations import ExpectedSchema, checked_schema, in_mode
from penstock.transforms.profiles import plain
from penstock.transforms.rules import Rule, columns_of_rule, other_table

_DATED = ("date", "datetime", "timestamp")

Run = Callable[[str], duckdb.DuckDBPyRelation]
"""Runs a SELECT over the table `rows`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An anomaly; where it is a fault of single rows, `wrong` is true (in DuckDB) for each of them, or their `key` is
    one that an earlier row has."""

    anomaly: Anomaly
    wrong: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The size of the rows, what was found in them, and the columns that the schema has in other modes only."""

    rows: int
    columns: int
    findings: tuple[Finding, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scanned:
    """What one scan found: the rows, NULLs of columns, newest values of columns, how many rows fail each check."""

    run: Run
    rows: int
    nulls: Mapping[str, int]
    newest: Mapping[str, Any]
    wrong: Mapping[Check, int]


def check(
    rows: TableLike | duckdb.DuckDBPyRelation,
    schema: ExpectedSchema,
    *,
    rules: Sequence[Rule] = (),
    tables: Mapping[str, TableLike] | None = None,
    mode: str = "train",
    now: datetime.datetime | None = None,
) -> Checked:
    """Hold rows against a schema and rules. A source is streamed from its files, never loaded.

    In mode infer, columns that the schema has in mode train only (the label) may be absent, and rules that read them
    are left out; so are rules that read a column of another type than it should have, which is an anomaly by itself. A
    column without any value is of the type that it should have. `tables` are those in which rules look values up, `now`
    is the time for rules about freshness.
    """
    schema, gone = in_mode(checked_schema(schema), mode)
    rules = [*schema.get("rules", ()), *rules]
    with _opened(rows, tables or {}, rules) as (run, there), clear_errors("cannot check the rows"):
        types = {field.name: field.type for field in there}
        wanted = {column["name"]: column["type"] for column in schema["columns"]}
        odd = {name: wanted[name] for name, type in types.items() if wanted.get(name, type) != type}
        empty = {name: type for name, type in odd.items() if not _has_values(run, name)}
        known = {name for name in types if name not in odd or name in empty}
        readable = [each for each in rules if known.issuperset(_reads(each))]
        readable = [each for each in readable if not ("found_in" in each and each["column"] in empty)]  # NULL is in all
        for each in readable:
            if "found_in" in each:
                _check_other(each, types[each["column"]], run)
        of_columns = {
            column["name"]: list(column_checks(column, column["type"]))
            for column in schema["columns"]
            if types.get(column["name"]) == column["type"]
        }
        of_rules = [
            rule_check(each, there, empty) if "holds" in each or "found_in" in each else None for each in readable
        ]
        scanned = _scan(
            run,
            [*(each for checks in of_columns.values() for each in checks), *(each for each in of_rules if each)],
            nulls=[column["name"] for column in schema["columns"] if column["name"] in types],
            newest=[each["fresh"] for each in readable if "fresh" in each],
        )
        found = [
            each
            for column in schema["columns"]
            for each in _in_column(column, types.get(column["name"]), of_columns.get(column["name"], ()), scanned)
        ]
        found += _extra(schema, types, gone, scanned.rows)
        for each, compiled in zip(readable, of_rules, strict=True):
            found += _against(each, compiled, scanned, types, now)
        found += _unreadable(rules, types, gone, set(wanted))
    return Checked(rows=scanned.rows, columns=len(types), findings=tuple(found), gone=gone)


@contextmanager
def _opened(
    rows: TableLike | duckdb.DuckDBPyRelation, tables: Mapping[str, TableLike], rules: Sequence[Rule]
) -> Iterator[tuple[Run, Schema]]:
    """Give what runs SELECTs over the rows, where they are, and their schema."""
    if isinstance(rows, duckdb.DuckDBPyRelation) and not rules:  # rules may call functions that its database lacks
        relation: Any = rows
        yield lambda text: relation.query("rows", text), schema_of(rows.limit(0).to_arrow_table().schema)
        return
    if isinstance(rows, str | Path):
        rows = resolve(str(rows), root=Path.cwd())
    if not isinstance(rows, Source):
        rows = to_arrow(rows)
    needed = {other_table(each)[0] for each in rules if "found_in" in each}
    for name in needed - set(tables):
        raise UnknownNameError("table", name, tables, within="tables=, in which a rule looks values up")
    others = {name: tables[name] for name in needed}
    with bound({"rows": rows, **others}) as cursor:
        yield cursor.sql, source_schema(rows) if isinstance(rows, Source) else schema_of(rows.schema)


def _check_other(rule: Rule, type: str, run: Run) -> None:
    """Raise where the column in which a rule looks values up is not there, or holds other things."""
    table, column = other_table(rule)
    schema = schema_of(run(f"SELECT * FROM {quoted(table)} LIMIT 0").to_arrow_table().schema)
    if column not in schema:
        raise UnknownNameError(
            "column", column, schema.names, within=f"'{table}', which the rule '{rule['name']}' reads"
        )
    if (other := schema[column].type) != type:
        raise DataError(f"the rule '{rule['name']}' looks up a {type}, and '{rule['found_in']}' is {other}; cast one")


def _has_values(run: Run, name: str) -> bool:
    return bool(run(f"SELECT 1 FROM rows WHERE {quoted(name)} IS NOT NULL LIMIT 1").fetchall())


def _scan(run: Run, checks: Sequence[Check], *, nulls: Sequence[str], newest: Sequence[str]) -> _Scanned:
    """Count first what files say of themselves (rows, NULLs, the least and the greatest of whole numbers and times),
    then in one scan the rows that fail a check, of those of which that is not told yet."""
    told = [each for each in checks if each.beyond]
    inner = ["count(*) AS n"]
    inner += [f"count({quoted(name)}) AS c{place}" for place, name in enumerate(nulls)]
    inner += [f"max({quoted(name)}) AS t{place}" for place, name in enumerate(newest)]
    for place, each in enumerate(told):
        name = quoted(each.shown[0])
        inner += [f"min({name}) AS least{place}", f"max({name}) AS most{place}"]
    outer = ["n", *(f"n - c{place}" for place in range(len(nulls))), *(f"t{place}" for place in range(len(newest)))]
    outer += [
        f"(SELECT {each.beyond} FROM (SELECT least{place} AS v0, most{place} AS v1))" for place, each in enumerate(told)
    ]
    [[rows, *found]] = run(f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM rows)").fetchall()
    beyond = dict(zip(told, found[len(nulls) + len(newest) :], strict=True))
    counted = [each for each in checks if beyond.get(each, True)]
    return _Scanned(
        run=run,
        rows=rows,
        nulls=dict(zip(nulls, found, strict=False)),
        newest=dict(zip(newest, found[len(nulls) :], strict=False)),
        wrong={**dict.fromkeys(checks, 0), **_counted(run, counted)},
    )


def _counted(run: Run, checks: Sequence[Check]) -> dict[Check, int]:
    if not checks:
        return {}
    inner = ", ".join(f"{each.wrong} AS w{place}" for place, each in enumerate(checks))
    outer = ", ".join(f"count(*) FILTER (w{place})" for place in range(len(checks)))
    [counts] = run(f"SELECT {outer} FROM (SELECT {inner} FROM rows)").fetchall()
    return dict(zip(checks, counts, strict=True))


def _in_column(
    expected: dict[str, Any], type: str | None, checks: Sequence[Check], scanned: _Scanned
) -> Iterator[Finding]:
    name = expected["name"]
    if type is None and not expected.get("required", True):
        return
    if type is None:
        yield Finding(
            anomaly=anomaly("missing_column", "is missing", column=name, expected=expected["type"], count=scanned.rows)
        )
        return
    nulls = scanned.nulls[name]
    if nulls and not expected.get("nullable", True):
        text = f"has {nulls} {'NULL' if nulls == 1 else 'NULLs'}, where none were"
        found = anomaly("unexpected_null", text, column=name, expected=0, found=nulls, count=nulls)
        yield Finding(anomaly=found, wrong=f"{quoted(name)} IS NULL")
    if (most := expected.get("max_nulls")) is not None and nulls > most * scanned.rows:
        share = nulls / scanned.rows
        text = f"is NULL in {share:.1%} of the rows, at most {most:.1%} may be"
        yield Finding(
            anomaly=anomaly("too_many_nulls", text, column=name, expected=most, found=round(share, 6), count=nulls)
        )
    if nulls == scanned.rows:
        return
    if type != expected["type"]:
        text = f"has the type {type} instead of {expected['type']}"
        yield Finding(
            anomaly=anomaly(
                "type_changed", text, column=name, expected=expected["type"], found=type, count=scanned.rows
            )
        )
        return
    for each in checks:
        if scanned.wrong[each]:
            yield _of_check(each, scanned)
    if expected.get("unique"):
        yield from _repeated((name,), scanned, column=name)


def _of_check(check: Check, scanned: _Scanned) -> Finding:
    count = scanned.wrong[check]
    examples = _examples(check, scanned.run)
    text, found = check.text, examples
    if check.kind == "out_of_range":
        name = quoted(check.shown[0])
        [ends] = scanned.run(
            f"SELECT min(v), max(v) FROM (SELECT {name} AS v FROM rows WHERE {check.known})"
        ).fetchall()
        found = [plain(end) for end in ends]
        text = f"goes from {found[0]} to {found[1]}, expected {check.expected[0]} to {check.expected[1]}"
    elif check.column is not None and examples:
        text = f"{check.text}: {in_words(examples)}"
    made = anomaly(
        check.kind,
        text,
        column=check.column,
        expected=check.expected,
        found=found,
        count=count,
        examples=examples,
        severity=check.severity,
    )
    return Finding(anomaly=made, wrong="" if check.at_most else check.wrong)


def _examples(check: Check, run: Run) -> list[Any]:
    """Return the most frequent values that are wrong, of a rule the first rows."""
    columns = ", ".join(map(quoted, check.shown))
    if check.column is None:
        rows = normalize(
            run(f"SELECT {columns or '1'} FROM rows WHERE {check.wrong} LIMIT {EXAMPLES}").to_arrow_table()
        )
        return [{name: plain(value) for name, value in row.items()} for row in rows.to_pylist()] if columns else []
    counted = f"SELECT {columns} AS v, count(*) AS n FROM rows WHERE {check.wrong} GROUP BY v"
    rows = normalize(run(f"SELECT v FROM ({counted}) ORDER BY n DESC, v LIMIT {EXAMPLES}").to_arrow_table())
    return [_shown(value) for value in rows["v"].to_pylist()]


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, float) and plain(value) is None else plain(value)


def _extra(schema: ExpectedSchema, types: Mapping[str, str], gone: Sequence[str], rows: int) -> Iterator[Finding]:
    wanted = {*(column["name"] for column in schema["columns"]), *gone}
    for name, type in types.items():
        if name not in wanted:
            yield Finding(anomaly=anomaly("extra_column", "is not expected", column=name, found=type, count=rows))


def _against(
    rule: Rule, check: Check | None, scanned: _Scanned, types: Mapping[str, str], now: datetime.datetime | None
) -> Iterator[Finding]:
    """Yield what a rule finds."""
    if check is not None:
        if scanned.wrong[check] > check.at_most * scanned.rows:
            yield _of_check(check, scanned)
        return
    severity = rule["severity"]
    match rule:
        case {"unique": names}:
            yield from _repeated(tuple(names), scanned, severity=severity)
        case {"rows": [least, most]}:
            if (least is not None and scanned.rows < least) or (most is not None and scanned.rows > most):
                text = f"there are {scanned.rows:,} rows, expected {_between(least, most)}"
                made = anomaly("rows", text, expected=[least, most], found=scanned.rows, severity=severity)
                yield Finding(anomaly=made)
        case {"fresh": name}:
            if scanned.newest[name] is not None and types[name] not in _DATED:
                raise DeclarationError(
                    f"the rule '{rule['name']}' is of a {types[name]}; freshness is of a date or time"
                )
            yield from _stale(name, rule, scanned, now or datetime.datetime.now(datetime.UTC))
        case {"increasing": name}:
            yield from _falling(name, scanned, severity)


def _falling(name: str, scanned: _Scanned, severity: Any) -> Iterator[Finding]:
    """Yield that values are less than the one before, NULLs left out."""
    v = quoted(name)
    pairs = f"(SELECT {v} AS v, lag({v}) OVER () AS before FROM rows WHERE {v} IS NOT NULL)"
    [(count,)] = scanned.run(f"SELECT count(*) FILTER (v < before) FROM {pairs}").fetchall()
    if not count:
        return
    shown = scanned.run(f"SELECT before, v FROM {pairs} WHERE v < before LIMIT {EXAMPLES}").fetchall()
    examples = [list(map(_shown, pair)) for pair in shown]
    text = f"goes down: {', '.join(f'{before!r} to {now!r}' for before, now in examples)}"
    made = anomaly("not_increasing", text, column=name, count=count, examples=examples, severity=severity)
    yield Finding(anomaly=made)


def _between(least: int | None, most: int | None) -> str:
    if most is None:
        return f"at least {least:,}"
    return f"at most {most:,}" if least is None else f"{least:,} to {most:,}"


def _stale(name: str, rule: Rule, scanned: _Scanned, now: datetime.datetime) -> Iterator[Finding]:
    newest = scanned.newest[name]
    if newest is not None and not isinstance(newest, datetime.datetime):  # the whole of that day
        newest = datetime.datetime.combine(newest, datetime.time.max)
    known = None if newest is None else newest if newest.tzinfo else newest.replace(tzinfo=datetime.UTC)
    now = now if now.tzinfo else now.replace(tzinfo=datetime.UTC)
    age = None if known is None else (now - known).total_seconds()
    if age is None or age > seconds(rule["within"], "within"):
        text = f"has its newest value at {plain(scanned.newest[name])}, more than {rule['within']} before {now:%F %R}"
        yield Finding(
            anomaly=anomaly(
                "stale",
                text if known else "has no value, so nothing is new",
                column=name,
                expected=rule["within"],
                found=plain(scanned.newest[name]),
                severity=rule["severity"],
            )
        )


def _repeated(
    names: tuple[str, ...], scanned: _Scanned, *, column: str | None = None, severity: Any = None
) -> Iterator[Finding]:
    """Yield that keys come twice; one with a NULL in it is none."""
    key = ", ".join(map(quoted, names))
    known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
    distinct = f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM rows WHERE {known})"
    [(count,)] = scanned.run(f"SELECT count(*) - ({distinct}) FROM rows WHERE {known}").fetchall()
    if not count:
        return
    grouped = f"SELECT {key} FROM rows WHERE {known} GROUP BY {key} HAVING count(*) > 1"
    shown = scanned.run(f"{grouped} ORDER BY count(*) DESC, {key} LIMIT {EXAMPLES}")
    rows = [tuple(map(plain, row)) for row in shown.fetchall()]
    examples = [row[0] for row in rows] if len(names) == 1 else [dict(zip(names, row, strict=True)) for row in rows]
    text = "has values twice" if column else f"({', '.join(names)}) comes twice"
    made = anomaly(
        "duplicates",
        f"{text}: {in_words(examples)}",
        column=column,
        expected=list(names),
        count=count,
        examples=examples,
        severity=severity,
    )
    yield Finding(anomaly=made, key=names)


def _unreadable(
    rules: Sequence[Rule], types: Mapping[str, str], gone: Sequence[str], wanted: set[str]
) -> Iterator[Finding]:
    """Yield that a rule reads columns that are not there, where nothing else says so and the mode does not."""
    for each in rules:
        lacking = [name for name in _reads(each) if name not in types]
        if lacking and not any(name in gone for name in lacking) and not wanted.intersection(lacking):
            text = f"is missing, and the rule '{each['name']}' reads it"
            yield Finding(anomaly=anomaly("missing_column", text, column=lacking[0], severity=each["severity"]))


def _reads(rule: Rule) -> tuple[str, ...]:
    return columns_of(operations.parse(rule["holds"])) if "holds" in rule else columns_of_rule(rule)
