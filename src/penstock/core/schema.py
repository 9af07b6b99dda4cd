"""The types of values and the schema of a table, in BigQuery's vocabulary, written small."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.errors import DeclarationError, UnknownNameError

SCALAR_TYPES: dict[str, type] = {
    "bool": bool,
    "int64": int,
    "float64": float,
    "string": str,
    "bytes": bytes,
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,  # without a zone
    "timestamp": datetime.datetime,  # an instant: always with a zone
}
"""Scalar type -> the Python class of its values in the row form. NULL is None in every type."""


def check_type(type: str) -> str:
    """Return `type` if it is one of ours: a scalar, `array<T>` or `struct<name T, ...>`."""
    if type in SCALAR_TYPES or type == "null":
        return type
    if type.startswith("array<") and type.endswith(">"):
        check_type(type[6:-1])
        return type
    if type.startswith("struct<") and type.endswith(">"):
        for _, member in struct_fields(type):
            check_type(member)
        return type
    raise UnknownNameError("type", type, [*SCALAR_TYPES, "array<T>", "struct<name T, ...>"])


def element_type(type: str) -> str:
    """Return T of `array<T>`."""
    return type[6:-1]


def struct_fields(type: str) -> tuple[tuple[str, str], ...]:
    """Return the (name, type) pairs of `struct<name T, ...>`, in order."""
    parts, depth, start = [], 0, 0
    body = type[7:-1]
    for position, character in enumerate(body):
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            parts.append(body[start:position])
            start = position + 1
    parts.append(body[start:])
    pairs = [part.strip().partition(" ") for part in parts if part.strip()]
    return tuple((name, member.strip()) for name, _, member in pairs)


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, its type, and whether it may be NULL."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table, in order; names are unique."""

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for field in self.fields:
            check_type(field.type)
            if field.name in seen:
                raise DeclarationError(f"column '{field.name}' is there twice; name the columns apart")
            seen.add(field.name)

    @classmethod
    def of(cls, **types: str) -> Schema:
        """Make a schema from keyword arguments: `Schema.of(km="float64", start_date="timestamp")`."""
        return cls(tuple(Field(name, type) for name, type in types.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(field.name for field in self.fields)

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise UnknownNameError("column", name, self.names)

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)
