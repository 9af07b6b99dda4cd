"""A schema as a file that people review, how rows differ from it, and how it is widened on purpose."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.errors import DataError
from penstock.transforms.expectations import PROPERTIES, ExpectedSchema, checked_schema, infer_schema
from penstock.transforms.profiles import Profile

_ORDER = tuple(PROPERTIES)


def read_schema(path: Path) -> ExpectedSchema:
    """Return the schema in a file; `DataError` names what in it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"there is no schema '{path}'; make it: penstock schema infer {path} ROWS") from error
    except ValueError as error:
        raise DataError(f"'{path}' is no JSON: {error}") from error
    return checked_schema(found, f"the schema '{path}'")


def write_schema(schema: ExpectedSchema, path: Path) -> None:
    """Write a schema as people review it, a line for each column; the file is there whole or not at all."""
    lines = [f"    {json.dumps(_tidy(column), ensure_ascii=False)}" for column in schema["columns"]]
    rules = [f"    {json.dumps(rule, ensure_ascii=False)}" for rule in schema.get("rules", ())]
    text = '{\n  "columns": [\n' + ",\n".join(lines) + "\n  ]"
    text += ',\n  "rules": [\n' + ",\n".join(rules) + "\n  ]" if rules else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        made = Path(scratch, path.name)  # with the rights that a new file has here: others read it too
        made.write_text(text + "\n}\n", encoding="utf-8")
        os.replace(made, path)


def schema_changes(before: ExpectedSchema, now: ExpectedSchema) -> list[str]:
    """Return how a schema differs from an earlier one, a line for each difference; an empty list: in nothing."""
    return list(_changes(before, now))


def widened(schema: ExpectedSchema, profile: Profile) -> ExpectedSchema:
    """Return a schema that the profiled rows fit too.

    Domains and ranges grow, NULLs are allowed where there are some, new columns are added. A column that is gone is
    taken out, unless it is of certain modes only, or not required; one of another type begins anew. What else a person
    said (patterns, keys, rules) stays, and rows may break it.
    """
    there = {column["name"]: column for column in profile["columns"]}
    columns = [
        _wider(column, there[column["name"]]) if column["name"] in there else column
        for column in schema["columns"]
        if column["name"] in there or column.get("modes") or not column.get("required", True)
    ]
    known = {column["name"] for column in schema["columns"]}
    new = infer_schema({**profile, "columns": [each for name, each in there.items() if name not in known]})
    return {**schema, "columns": [*columns, *new["columns"]]}


def _tidy(column: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing."""
    return {key: value for key, value in column.items() if value is not None}


def _changes(before: ExpectedSchema, now: ExpectedSchema) -> Iterator[str]:
    old = {column["name"]: _tidy(column) for column in before["columns"]}
    new = {column["name"]: _tidy(column) for column in now["columns"]}
    for name in old:
        if name not in new:
            yield f"- {name}: {old[name]['type']}"
    for name, column in new.items():
        if name not in old:
            yield f"+ {name}: {column['type']}"
            continue
        for key in _ORDER:
            was, is_now = old[name].get(key), column.get(key)
            if was == is_now:
                continue
            if key == "domain" and was is not None and is_now is not None:
                more, less = [v for v in is_now if v not in was], [v for v in was if v not in is_now]
                said = [f"{sign} {value!r}" for sign, values in (("+", more), ("-", less)) for value in values]
                yield f"~ {name} domain: {', '.join(said) or 'in another order'}"
            else:
                yield f"~ {name} {key}: {_said(was)} -> {_said(is_now)}"
    rules = [{rule["name"]: rule for rule in schema.get("rules", ())} for schema in (before, now)]
    yield from (f"- rule {name}" for name in rules[0] if name not in rules[1])
    yield from (f"+ rule {name}" for name in rules[1] if name not in rules[0])
    for name, rule in rules[1].items():
        if rules[0].get(name, rule) != rule:
            yield f"~ rule {name}: {_said(rules[0][name])} -> {_said(rule)}"


def _said(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _wider(column: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    wider = dict(column)
    if seen["nulls"]:
        wider["nullable"] = True
        if column.get("max_nulls") is not None:
            wider["max_nulls"] = max(column["max_nulls"], seen["nulls"] / seen["rows"])
    if seen["nulls"] == seen["rows"]:
        return wider
    if seen["type"] != column["type"]:
        [anew] = infer_schema({"columns": [seen]})["columns"]
        return {**anew, **{key: column[key] for key in ("modes", "required") if key in column}}
    lengths = seen.get("lengths") or {}
    ends = (
        ("min", min, seen.get("min")),
        ("max", max, seen.get("max")),
        ("min_length", min, lengths.get("min")),
        ("max_length", max, lengths.get("max")),
    )
    for key, further, end in ends:
        if column.get(key) is not None and end is not None:
            wider[key] = further(column[key], end)
    if column.get("domain") is not None and "top" in seen:
        values = [entry["value"] for entry in seen["top"]]
        # Where there are more values than a profile tells apart, they are no domain any more.
        wider["domain"] = _joined(column["domain"], values) if seen["distinct"] <= len(values) else None
    if column.get("finite") and seen.get("not_finite"):
        wider["finite"] = False
    return wider


def _joined(old: list[Any], new: list[Any]) -> list[Any]:
    values = [*old, *(value for value in new if value not in old)]
    return sorted(values) if old == sorted(old) else values
