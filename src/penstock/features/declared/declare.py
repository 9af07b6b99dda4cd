"""How a feature set is declared: entities, times, features, checked when they are written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock import operations
from penstock.core.expression import Expr, transform
from penstock.core.mapping import FrozenMap
from penstock.core.schema import check_type
from penstock.errors import DeclarationError, ExpressionError, SqlError
from penstock.operations.windows import Length, microseconds

KEY_TYPES = ("int64", "string", "bool", "date", "bytes")
"""What an entity can be told by: values that are equal exactly when they are the same."""

RESERVED = ("_sequence", "_day", "_created")
"""Columns of the history that penstock fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """A named group of features of the same entities.

    `entities` maps the columns that tell an entity to their types, `features` names to expressions over the columns of
    the rows (None: every other column is a feature). `ttl` and `freshness` are microseconds, None: without end.
    `columns` are types of columns that no source tells.
    """

    name: str
    entities: FrozenMap[str]
    timestamp: str
    created: str | None = None
    ttl: int | None = None
    source: str | None = None
    features: FrozenMap[Expr] | None = None
    columns: FrozenMap[str] = field(default_factory=FrozenMap)
    description: str = ""
    owner: str = ""
    tags: FrozenMap[str] = field(default_factory=FrozenMap)
    freshness: int | None = None


def feature_set(
    name: str,
    *,
    entities: Mapping[str, str],
    timestamp: str,
    created: str | None = None,
    ttl: Length | None = None,
    source: str | None = None,
    features: Mapping[str, Expr | str] | Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    description: str = "",
    owner: str = "",
    tags: Mapping[str, str] | None = None,
    freshness: Length | None = None,
) -> FeatureSet:
    """Declare a feature set. Nothing is stored until `project.features.apply`.

    - `entities`: the columns that tell an entity, with their types: `{"driver_id": "int64"}`.
    - `timestamp`: the column with the time from which on a row's values hold; `created`: the column with the time at
      which they became known (without it, that is when they are ingested).
    - `ttl`: how old a value may be when it is asked for; one of exactly that age still counts.
    - `source`: where `ingest` finds rows: a path, a pattern, the name of a declared table.
    - `features`: expressions over the rows' columns by name (`ps.col("fare")`, or a text in BigQuery's dialect), or the
      names of columns; without it every other column is a feature.
    - `columns`: the types of columns, where neither source nor rows tell them yet.
    - `freshness`: the age of the newest event beyond which the set is stale.

    Raises `DeclarationError` for what cannot be.
    """
    _check_name(name)
    where = f"feature set '{name}'"
    for what, given, example in (
        ("entities", entities, "{'driver_id': 'int64'}"),
        ("columns", columns, "{'fare': 'float64'}"),
        ("tags", tags, "{'team': 'pricing'}"),
    ):
        if given is not None and not isinstance(given, Mapping):
            raise DeclarationError(f"{where}: {what}={given!r}; write a dict such as {example}")
    _check_entities(where, entities, timestamp, created)
    return FeatureSet(
        name=name,
        entities=FrozenMap(entities),
        timestamp=timestamp,
        created=created,
        ttl=None if ttl is None else microseconds(ttl, f"{where}: ttl"),
        source=source,
        features=None if features is None else _features(features, where, (*entities, timestamp, created)),
        columns=FrozenMap({column: check_type(type) for column, type in (columns or {}).items()}),
        description=description,
        owner=owner,
        tags=FrozenMap({key: str(value) for key, value in (tags or {}).items()}),
        freshness=None if freshness is None else microseconds(freshness, f"{where}: freshness"),
    )


def _check_name(name: str) -> None:
    if not name.isidentifier():
        raise DeclarationError(f"feature set name {name!r}: use letters, digits and '_', a letter first")


def _check_entities(where: str, entities: Mapping[str, str], timestamp: str, created: str | None) -> None:
    if not entities:
        raise DeclarationError(f"{where} has no entity; name the columns that tell one: entities={{'id': 'int64'}}")
    for column, type in entities.items():
        if type not in KEY_TYPES:
            raise DeclarationError(
                f"{where}: entity '{column}' is {type!r}; an entity is told by one of {', '.join(KEY_TYPES)}"
            )
    if not timestamp or not isinstance(timestamp, str):
        raise DeclarationError(f"{where}: timestamp={timestamp!r}; name the column with the time of each row's event")
    columns = [*entities, timestamp, *([created] if created else [])]
    for column in columns:
        if column in RESERVED or columns.count(column) > 1:
            reason = "is a name that penstock uses" if column in RESERVED else "is there twice"
            raise DeclarationError(f"{where}: the column '{column}' {reason}; rename one")


def _features(
    features: Mapping[str, Expr | str] | Sequence[str], where: str, taken: Sequence[str | None]
) -> FrozenMap[Expr]:
    if isinstance(features, str):
        raise DeclarationError(f"{where}: features={features!r} is one text; write a list of columns, or a dict")
    given = dict(features) if isinstance(features, Mapping) else {name: operations.col(name) for name in features}
    if not given:
        raise DeclarationError(f"{where} has no features; leave `features` out to take every column")
    made = {}
    for name, value in given.items():
        if not name or ":" in name or "@" in name or name in RESERVED or name in taken:
            reason = "is a column of keys or times" if name in taken else "is empty, reserved or has ':' or '@'"
            raise DeclarationError(f"{where}: the feature name {name!r} {reason}; take another")
        made[name] = _expression(value, f"{where}: feature '{name}'")
    return FrozenMap(made)


def _expression(value: Any, where: str) -> Expr:
    if isinstance(value, str):
        return _parsed(value, where)
    if not isinstance(value, Expr):
        raise DeclarationError(f"{where} is {value!r}, not an expression; write ps.col('name') or a text")
    if value.op == "aggregate":
        raise DeclarationError(f"{where} is an aggregate without a window; continue with .over('7d')")
    if operations.is_learned(value):
        raise DeclarationError(f"{where} learns from all rows, which belongs into a model's features, not into a set's")
    return transform(value, lambda node: _with_condition(node, where) if node.op == "window" else node)


def _with_condition(window: Expr, where: str) -> Expr:
    """Return a window with what it counts where it was written as a text."""
    of, condition, *rest = window.args

    def read(part: Expr) -> Expr:
        if part.op == "and":  # one `.where` behind another
            return type(part)("and", tuple(map(read, part.args)))
        if part.op != "literal" or not isinstance(part.args[0], str):
            return part
        return _parsed(part.args[0], f"{where}: .where")

    return type(window)("window", (of, read(condition), *rest))


def _parsed(text: str, where: str) -> Expr:
    try:
        return operations.parse(text)
    except (ExpressionError, SqlError) as error:
        raise type(error)(f"{where}: {error}") from error


def check_declared(value: Any) -> None:
    """Raise `DeclarationError` for what is no feature set."""
    if not isinstance(value, FeatureSet):
        raise DeclarationError(
            f"apply takes a declaration, what ps.feature_set(...) or ps.feature_service(...) gives, not {value!r}"
        )
