"""Values while they are tensors: of one number a row, of few possible numbers, of several numbers a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from penstock.core.expression import Expr
from penstock.operations.tensors.recording import Recorder


class Refused:
    """Stands in a table of values for the one of arguments that the operation refuses."""


FILLERS: dict[str, Any] = {"bool": False, "int64": 0, "float64": 0.0, "string": ""}
"""Tensor type -> what stands in a tensor where there is no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value a row: a tensor of values, and of flags that say where there is none; None stands for: nowhere.

    Where `null` or `refused` is set, `data` holds anything. `bounds` hold for every number of `data`, there too. A
    literal is a tensor without dimensions, and has its value in `literal`.
    """

    type: str
    data: str
    null: str | None = None
    refused: str | None = None
    bounds: tuple[int, int] | None = None
    literal: tuple[Any, ...] = ()  # the one value, or nothing

    @property
    def is_null(self) -> bool:
        """Tell whether it is NULL in every row."""
        return self.literal == (None,)


@dataclass(frozen=True, slots=True)
class Root:
    """A number from 0 below `size` in each row, that tables are read by. `flag` tells that it was only a bool."""

    index: str
    size: int
    flag: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finite:
    """One value a row, out of few: which, is told by the roots. `values` hold, for each combination of the roots'
    numbers (the last counting fastest), a Python value, None, or `Refused`; `refused` says where a root was."""

    type: str
    roots: tuple[Root, ...]
    values: tuple[Any, ...]
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """Named values side by side."""

    type: str
    members: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """An array in each row: tensors with a row for each row and as many columns as the longest array needs.

    `present` says where there is an item; `items` are tensors of that shape (a `Struct` of such for pairs).
    """

    type: str
    items: Scalar | Struct
    present: str
    null: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image in each row: a tensor of bytes, of so many rows and of the shape (height, width, channels). Where `null`
    is set there is none."""

    data: str
    shape: tuple[int, int, int]
    null: str | None = None
    refused: str | None = None
    type: str = "bytes"


Value: TypeAlias = Scalar | Finite | Struct | Many | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an operation gives of arguments that are not NULL: NULL where `null` is set, an error where `refused` is.

    Where `unable` is set the operation has a value that tensors cannot find: refused too, in the safe form as well.
    """

    data: str
    null: str | None = None
    refused: str | None = None
    unable: str | None = None
    bounds: tuple[int, int] | None = None


Strict: TypeAlias = Callable[..., Result | None]
"""(recorder, types of the arguments, *arguments) -> result, None where this call has no form; constants come by their
plain value. NULL in, NULL out."""

Handling: TypeAlias = Callable[..., Value | None]
"""(recorder, types of the arguments, *arguments) -> value; for an operation that sees NULL."""


class Lowers(Protocol):
    """What lowers expressions: handed to the forms that are put together of other operations."""

    recorder: Recorder

    def value(self, expr: Expr) -> Value:
        """Return the value of an expression."""

    def tensor(self, value: Value) -> Value:
        """Return a value with its tensor."""

    def within(self, values: Mapping[str, Value]) -> Lowers:
        """Return what lowers expressions over these values as columns."""


Whole: TypeAlias = Callable[..., Value | None]
"""(lowering, types of the arguments, *arguments) -> value; for an operation that is put together of others, or takes
values as they are: structs, and what is one of few."""
