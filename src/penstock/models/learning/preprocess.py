"""Automatic preprocessing as in BigQuery ML: what is done to a feature, by its type, before the estimator sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from penstock.core.expression import Expr
from penstock.core.schema import SCALAR_TYPES, element_type, struct_fields
from penstock.errors import DeclarationError
from penstock.operations import Expression, col, lit
from penstock.operations.encoders import ENCODERS, settings_of, vector

Kind: TypeAlias = Literal["number", "category", "sparse", "image", "tokens", "sequence", "vector"]
Form: TypeAlias = Literal["linear", "unscaled", "trees"]
"""How features enter: numbers scaled, or as they are with NULL as the mean, or as they are with NULL; see `entries`."""
NONE: Mapping[str, Expr] = {}
_VECTOR: Literal["vector"] = "vector"
_CATEGORIES = 2**31 - 1  # no limit of our own: one weight, or one index, for every value of the training rows
_SPARSE = "array<struct<index int64, value float64>>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What enters the estimator under a name: an expression over the feature nodes, which may have to learn from the
    training rows. A `category` is frozen by `with_null` into an index: 0 a value that training did not see, from 1 on
    the values in their order, and last of all NULL. With an `encoder` it enters through that, by its settings."""

    name: str
    expr: Expr
    kind: Kind
    encoder: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def encoding(name: str, type: str, use: Expr) -> Entry:
    """Return what enters for a feature node, of a type, that an encoder reads; `use` is the use of the encoder."""
    encoder = ENCODERS[use.op]
    settings = settings_of(encoder, use)
    expr, kind = encoder.reads(col(name), type, settings)
    of_numbers = kind == "sequence" or (use.op == "module" and kind == "vector")
    form = f"{use.op}_of_numbers" if of_numbers else use.op
    return Entry(name=f"{name}__{kind}", expr=expr, kind=cast("Kind", kind), encoder=form, settings=settings)


def entries(features: Mapping[str, str], form: Form, *, model: str, encoders: Mapping[str, Expr] = NONE) -> list[Entry]:
    """Return what enters the estimator, given the types of the feature nodes.

    `encoders` are the uses of encoders by the nodes that they read. Beside one, arrays of numbers are vectors.

    Raises `DeclarationError` for a feature of a type that no learner can take.
    """
    found: list[Entry] = []
    for name, type in features.items():
        if name in encoders:
            found.append(encoding(name, type, encoders[name]))
        elif encoders and type in ("array<int64>", "array<float64>"):
            expr, _ = vector(col(name), type, {})
            found.append(Entry(name=f"{name}__resized", expr=expr, kind=_VECTOR, encoder=_VECTOR))
        else:
            found += _entries(name, col(name), type, form, model)
    return found


def _entries(name: str, value: Expression, type: str, form: Form, model: str) -> Iterator[Entry]:
    match type:
        case "int64" | "float64":
            yield _number(name, value, form)
        case "bool" if form == "trees":
            yield Entry(name=f"{name}__number", expr=value.cast("int64"), kind="number")
        case "string" | "bool" | "date" | "time" | "bytes":
            yield _category(name, value)
        case "timestamp" | "datetime":
            yield from _instant(name, value, type, form)
        case _ if type == _SPARSE:
            yield Entry(name=name, expr=value, kind="sparse")
        case "array<int64>" | "array<float64>":
            yield Entry(name=f"{name}__items", expr=value.placed(), kind="sparse")
        case _ if type.startswith("array<") and element_type(type) in SCALAR_TYPES:
            yield Entry(name=f"{name}__hot", expr=value.multi_hot_encoder(_CATEGORIES, 1), kind="sparse")
        case _ if type.startswith("struct<"):
            for field, member in struct_fields(type):
                yield from _entries(f"{name}__{field}", value.field(field), member, form, model)
        case _:
            raise DeclarationError(
                f"model '{model}': feature '{name}' is of type {type}, which no learner takes; make it a number, a "
                "string, a bool, a date or time, a struct or an array of those, or encode it"
            )


def _number(name: str, value: Expression, form: Form) -> Entry:
    """Trees take numbers as they are, NULL included. Others get NULL as the mean, and numbers scaled, if asked for."""
    if form == "trees":
        return Entry(name=name, expr=value, kind="number")
    if form == "unscaled":
        return Entry(name=f"{name}__filled", expr=value.imputer("mean"), kind="number")
    return Entry(name=f"{name}__scaled", expr=value.standard_scaler().coalesce(0.0), kind="number")


def _category(name: str, value: Expression) -> Entry:
    return Entry(name=f"{name}__index", expr=value.label_encoder(_CATEGORIES, 1), kind="category")


def with_null(frozen: Expr) -> tuple[Expr, int]:
    """Give NULL an index of its own, after the last; return the expression and how many indices there are.

    A frozen label_encoder is `lookup_index(x, vocabulary)`.
    """
    value, vocabulary = frozen.args
    last = len(vocabulary.args[0]) + 1
    return Expression("if_else", (Expression("is_null", (value,)), lit(last), frozen)), last + 1


def _instant(name: str, value: Expression, type: str, form: Form) -> Iterator[Entry]:
    instant = value if type == "timestamp" else value.cast("timestamp")
    seconds = instant.unix_seconds()
    yield _number(f"{name}__unix", seconds, form)
    parts = {
        "month": value.month(),
        "day": value.day(),
        "day_of_week": value.day_of_week(),
        "hour": value.hour(),
    }
    for part, number in parts.items():
        if form == "trees":
            yield Entry(name=f"{name}__{part}", expr=number, kind="number")
        else:
            yield _category(f"{name}__{part}", number)
