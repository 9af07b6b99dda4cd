"""Schemas of pandera's, as ours and back: what both can say is said the same, and what one cannot is an error."""

from __future__ import annotations

import datetime
import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from penstock.errors import DeclarationError, MissingExtraError
from penstock.operations import literal_text, name_text
from penstock.tables.rows import heed_zones
from penstock.transforms import ExpectedSchema, checked_schema, rule, rules_of

_TYPES = (
    (r"u?int\d*", "int64"),
    (r"(float|double)\d*", "float64"),
    (r"(large_)?(str|string|object|utf8)(\[\w+\])?|categorical.*|category|enum.*", "string"),
    (r"bool(ean)?", "bool"),
    (r"date|date32.*", "date"),
    (r"time", "time"),
    (r"binary|bytes", "bytes"),
    (r"(datetime|datetime64|timestamp)\b.*(utc|time_zone='|\[\w+, *[a-z]).*", "timestamp"),
    (r"(datetime|datetime64|timestamp)\b.*", "datetime"),
)
"""Names of types, of pandas' and of polars' (in small letters) -> ours. The first that fits counts."""


def from_pandera(schema: Any, *, ignore: Sequence[str] = ()) -> ExpectedSchema:
    """Return a schema of pandera's as ours: a `DataFrameSchema`, a `DataFrameModel`, or what its `to_json()` gives (the
    text, or the dict in it; pandera need not be installed for that).

        expected = ps.from_pandera(Trips)
        rows = ps.validate(rows, expected).rows

    Checks become properties of columns, or rules. One that is a function of its own has no form here: it is an error
    that names it, unless its name is in `ignore`; so is a column that stands for all that match its name. Columns that
    it does not name are warnings here, as always, and types are not coerced.
    """
    if isinstance(schema, str):
        schema = json.loads(schema)
    if isinstance(schema, Mapping):
        columns, unique = [_of_plain(name, column) for name, column in schema["columns"].items()], schema.get("unique")
        own: list[str] = list(schema.get("checks") or ())
    else:
        schema = schema.to_schema() if hasattr(schema, "to_schema") else schema
        columns, unique = [_of_object(name, column) for name, column in schema.columns.items()], schema.unique
        own = [str(check.name) for check in schema.checks]
    if odd := [name for name in own if name not in ignore]:
        raise DeclarationError(_no_form("the schema", odd[0]))
    taken = [_taken(column, ignore) for column in columns]
    rules = [rule for _, rules in taken for rule in rules]
    if unique:
        rules.append(rule(unique=unique))
    found: ExpectedSchema = {"columns": [column for column, _ in taken]}
    return checked_schema({**found, "rules": rules_of(rules)} if rules else found)


def to_pandera(schema: ExpectedSchema, *, library: Literal["pandas", "polars"] = "polars") -> Any:
    """Return a schema of ours as pandera's `DataFrameSchema`, for pandas or for polars.

    Rules that are keys become `unique`; any other is an error: it has no form there. `modes`, `max_nulls` and `finite`
    are left out, and a column that is not in every mode is not required.
    """
    try:
        pandera = importlib.import_module(f"pandera.{library}")
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"pandera ({library})", extra="frames", purpose="a schema of pandera's") from error
    heed_zones()
    keys = [each for each in schema.get("rules", ()) if "unique" in each]
    if others := [each["name"] for each in schema.get("rules", ()) if "unique" not in each]:
        raise DeclarationError(f"the rule '{others[0]}' has no form in pandera; take it out of the schema")
    if len(keys) > 1:
        raise DeclarationError("pandera's schemas have one key, and this one has several rules of kind unique")
    columns = {
        column["name"]: pandera.Column(
            _type_there(column["type"], library),
            checks=list(_checks(column, pandera.Check)),
            nullable=bool(column.get("nullable", True)),
            unique=bool(column.get("unique")),
            required=column.get("modes") is None and column.get("required", True),
        )
        for column in schema["columns"]
    }
    return pandera.DataFrameSchema(columns, unique=keys[0]["unique"] if keys else None)


_FLAGS = {"nullable": False, "unique": False, "required": True, "regex": False}
"""What pandera says of a column beside its type and checks, and what it means where it does not."""


def _of_object(name: str, column: Any) -> dict[str, Any]:
    checks = [(str(check.name), dict(check.statistics or {})) for check in column.checks]
    flags = {key: getattr(column, key) for key in _FLAGS}
    return {"name": name, "dtype": column.dtype, "checks": checks, **flags}


def _of_plain(name: str, column: Mapping[str, Any]) -> dict[str, Any]:
    """Read a column of what `to_json()` gives, in which a check of one value is that value."""
    given = column.get("checks") or {}
    listed = given if isinstance(given, list) else [{"check": key, "value": value} for key, value in given.items()]
    checks = []
    for each in listed:
        options = each.get("options", {}) if isinstance(each, Mapping) else {}
        kind = str(options.get("check_name") or each.get("check"))
        value = each.get("value", {key: item for key, item in each.items() if key not in ("options", "check")})
        checks.append((kind, value if isinstance(value, dict) else {_ONLY.get(kind, "value"): value}))
    flags = {key: column.get(key, default) for key, default in _FLAGS.items()}
    return {"name": name, "dtype": column.get("dtype"), "checks": checks, **flags}


_ONLY = {
    "greater_than": "min_value",
    "greater_than_or_equal_to": "min_value",
    "less_than": "max_value",
    "less_than_or_equal_to": "max_value",
    "isin": "allowed_values",
    "notin": "forbidden_values",
    "str_matches": "pattern",
    "str_contains": "pattern",
    "str_startswith": "string",
    "str_endswith": "string",
}
"""What the one value of a check is called."""


def _taken(column: Mapping[str, Any], ignore: Sequence[str]) -> tuple[dict[str, Any], list[Any]]:
    """Return a column as ours, and the rules that its checks become where no property says them."""
    name = column["name"]
    if column["regex"]:
        raise DeclarationError(f"column '{name}' stands for all that match it, which has no form here; name each")
    made: dict[str, Any] = {
        "name": name,
        "type": _our_type(name, column["dtype"]),
        "nullable": bool(column["nullable"]),
        **({"unique": True} if column["unique"] else {}),
        **({} if column["required"] else {"required": False}),
    }
    rules: list[Any] = []
    for kind, values in column["checks"]:
        if kind in ignore:
            continue
        if kind not in _CHECKS:
            raise DeclarationError(_no_form(f"column '{name}'", kind))
        for found in _CHECKS[kind](name, values):
            if isinstance(found, str):
                rules.append(found)
            elif any(key in made for key in found):
                raise DeclarationError(f"column '{name}' has two checks of {', '.join(found)}; make them one")
            else:
                made |= found
    return made, rules


_Found = Iterator[dict[str, Any] | str]


def _range(name: str, values: Mapping[str, Any]) -> _Found:
    for end, sign, included in (("min", ">", "include_min"), ("max", "<", "include_max")):
        value = values.get(f"{end}_value")
        if value is not None and values.get(included, True):
            yield {end: _plain(value)}
        elif value is not None:
            yield f"{name_text(name)} {sign} {_literal(value)}"


def _open(name: str, values: Mapping[str, Any]) -> _Found:
    return _range(name, {**values, "include_min": False, "include_max": False})


def _not_in(name: str, values: Mapping[str, Any]) -> _Found:
    listed = ", ".join(map(_literal, sorted(values.get("forbidden_values", [values.get("value")]))))
    yield f"{name_text(name)} NOT IN ({listed})"


def _length(name: str, values: Mapping[str, Any]) -> _Found:
    exact = values.get("exact_value")
    for end in ("min", "max"):
        if (value := values.get(f"{end}_value") if exact is None else exact) is not None:
            yield {f"{end}_length": value}


def _matching(before: str, after: str, *, literal: bool = False) -> Callable[[str, Mapping[str, Any]], _Found]:
    def found(name: str, values: Mapping[str, Any]) -> _Found:
        pattern = str(next(iter(values.values())))
        yield {"matches": f"{before}{re.escape(pattern) if literal else f'(?:{pattern})'}{after}"}

    return found


def _domain(name: str, values: Mapping[str, Any]) -> _Found:
    [given] = values.values()
    yield {
        "domain": sorted(map(_plain, given)) if isinstance(given, list | tuple | set | frozenset) else [_plain(given)]
    }


_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], _Found]] = {
    "greater_than": _open,
    "greater_than_or_equal_to": _range,
    "less_than": _open,
    "less_than_or_equal_to": _range,
    "in_range": _range,
    "isin": _domain,
    "equal_to": _domain,
    "notin": _not_in,
    "not_equal_to": _not_in,
    "str_length": _length,
    "str_matches": _matching("", ".*"),
    "str_contains": _matching(".*", ".*"),
    "str_startswith": _matching("", ".*", literal=True),
    "str_endswith": _matching(".*", "", literal=True),
}
"""Checks of pandera's by name -> the properties, or the texts of rules, that say the same."""


def _checks(column: Mapping[str, Any], check: Any) -> Iterator[Any]:
    """Yield pandera's checks of one of our columns."""
    if column.get("min") is not None:
        yield check.ge(_typed(column["min"], column["type"]))
    if column.get("max") is not None:
        yield check.le(_typed(column["max"], column["type"]))
    if column.get("domain") is not None:
        yield check.isin([_typed(value, column["type"]) for value in column["domain"]])
    if column.get("min_length") is not None or column.get("max_length") is not None:
        yield check.str_length(column.get("min_length"), column.get("max_length"))
    if column.get("matches") is not None:
        yield check.str_matches(f"^(?:{column['matches']})$")


def _typed(value: Any, type: str) -> Any:
    match type:
        case "date":
            return datetime.date.fromisoformat(value)
        case "datetime" | "timestamp":
            return datetime.datetime.fromisoformat(value)
    return value


def _literal(value: Any) -> str:
    """Return a value as a text of our dialect."""
    kinds = {bool: "bool", int: "int64", float: "float64", str: "string", datetime.date: "date"}
    type_ = kinds.get(type(value), "datetime")
    return literal_text(value, "timestamp" if type_ == "datetime" and value.tzinfo else type_)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _our_type(name: str, dtype: Any) -> str:
    text = str(dtype).lower()
    for pattern, type in _TYPES:
        if dtype is not None and re.fullmatch(pattern, text):
            return type
    raise DeclarationError(f"column '{name}' has the dtype {dtype}, which has no form here; name one, such as Int64")


def _type_there(type: str, library: str) -> Any:
    names: dict[str, Any]
    if library == "pandas":
        names = {"float64": "float64", "string": "str", "bool": "bool", "int64": "int64", "datetime": "datetime64[us]",
                 "timestamp": "datetime64[us, UTC]", "date": "date", "bytes": "object", "time": "object"}  # fmt: skip
    else:
        import polars

        names = {"float64": polars.Float64, "string": polars.String, "bool": polars.Boolean, "int64": polars.Int64,
                 "datetime": polars.Datetime("us"), "timestamp": polars.Datetime("us", "UTC"), "date": polars.Date,
                 "bytes": polars.Binary, "time": polars.Time}  # fmt: skip
    if type not in names:
        raise DeclarationError(f"the type {type} has no form in pandera; leave such columns out")
    return names[type]


def _no_form(where: str, check: str) -> str:
    return f"{where} has the check '{check}', which has no form here; write it as a rule, and name it in ignore="
