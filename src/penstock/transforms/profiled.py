"""A profile held against a schema: what can be said of rows that are not here any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.tables import TableLike
from penstock.transforms.anomalies import EXAMPLES, Anomaly, anomaly, in_words
from penstock.transforms.checking import check
from penstock.transforms.expectations import ExpectedSchema, in_mode
from penstock.transforms.profiles import Profile


def anomalies(schema: ExpectedSchema, rows: Profile | TableLike, *, mode: str = "train") -> list[Anomaly]:
    """Return every way in which a table, or its profile, is not as the schema says; an empty list means it is.

    Of a profile `count` is None where it cannot tell how many rows are concerned, and lengths, patterns and rules are
    not looked at.
    """
    if not isinstance(rows, dict):
        return [each.anomaly for each in check(rows, schema, mode=mode).findings]
    schema, gone = in_mode(schema, mode)
    there = {column["name"]: column for column in rows["columns"]}
    found: list[Anomaly] = []
    for expected in schema["columns"]:
        name = expected["name"]
        if name in there:
            found += _compared(expected, there[name])
        elif expected.get("required", True):
            made = anomaly("missing_column", "is missing", column=name, expected=expected["type"], count=rows["rows"])
            found.append(made)
    wanted = {*(column["name"] for column in schema["columns"]), *gone}
    for name in there:
        if name not in wanted:
            type = there[name]["type"]
            found.append(anomaly("extra_column", "is not expected", column=name, found=type, count=rows["rows"]))
    return found


def _compared(expected: dict[str, Any], column: dict[str, Any]) -> Iterator[Anomaly]:
    name, nulls, rows = expected["name"], column["nulls"], column["rows"]
    if nulls and not expected.get("nullable", True):
        text = f"has {nulls} {'NULL' if nulls == 1 else 'NULLs'}, where none were"
        yield anomaly("unexpected_null", text, column=name, expected=0, found=nulls, count=nulls)
    if (most := expected.get("max_nulls")) is not None and nulls > most * rows:
        text = f"is NULL in {nulls / rows:.1%} of the rows, at most {most:.1%} may be"
        yield anomaly("too_many_nulls", text, column=name, expected=most, found=round(nulls / rows, 6), count=nulls)
    if nulls == rows:
        return
    if column["type"] != expected["type"]:
        text = f"has the type {column['type']} instead of {expected['type']}"
        yield anomaly("type_changed", text, column=name, expected=expected["type"], found=column["type"], count=rows)
        return
    if expected.get("finite") and (count := column.get("not_finite")):
        text = "has NaN or infinities, where none were"
        yield anomaly("not_finite", text, column=name, expected=0, found=count, count=count)
    if expected.get("domain") is not None:
        yield from _outside_domain(expected, column)
    yield from _outside_range(expected, column)
    if expected.get("unique") and column["distinct"] < rows - nulls:
        count = rows - nulls - column["distinct"]
        yield anomaly("duplicates", "has values twice", column=name, expected=[name], count=count)


def _outside_domain(expected: dict[str, Any], column: dict[str, Any]) -> Iterator[Anomaly]:
    domain = expected["domain"]
    outside = [entry for entry in column["top"] if entry["value"] not in domain]
    all_known = column["distinct"] <= len(column["top"])
    if not outside and (all_known or column["distinct"] <= len(domain)):
        return
    values = [entry["value"] for entry in outside[:EXAMPLES]]
    text = f"has values never seen before: {in_words(values) or 'rare ones'}"
    count = sum(entry["count"] for entry in outside) if all_known else None
    yield anomaly(
        "out_of_domain", text, column=expected["name"], expected=domain, found=values, count=count, examples=values
    )


def _outside_range(expected: dict[str, Any], column: dict[str, Any]) -> Iterator[Anomaly]:
    low, high = expected.get("min"), expected.get("max")
    least, most = column.get("min"), column.get("max")
    if least is None or ((low is None or least >= low) and (high is None or most <= high)):
        return
    text = f"goes from {least} to {most}, expected {low} to {high}"
    yield anomaly("out_of_range", text, column=expected["name"], expected=[low, high], found=[least, most])
