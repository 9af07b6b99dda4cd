"""What a hyperparameter may be while a model is tuned: BigQuery's HPARAM_RANGE and HPARAM_CANDIDATES, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from penstock.errors import DeclarationError


@dataclass(frozen=True, slots=True)
class Range:
    """Every value from `low` to `high`, both included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some values, each of them whole: numbers, words, or tuples of numbers."""

    values: tuple[Any, ...]


Space: TypeAlias = Range | Candidates


def hparam_range(low: float, high: float) -> Range:
    """Say that an option is to be tuned between two numbers: `options={"learn_rate": ps.hparam_range(0.01, 0.5)}`.

    Raises `DeclarationError` where the first is not below the second.
    """
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)) or not low < high:
        raise DeclarationError(f"hparam_range({low!r}, {high!r}) is no range; give two numbers, the lower first")
    return Range(low, high)


def hparam_candidates(values: Iterable[Any]) -> Candidates:
    """Say that an option is to be one of some values: `options={"max_tree_depth": ps.hparam_candidates([3, 6])}`.

    Raises `DeclarationError` where there are none, or one is there twice.
    """
    found = tuple(tuple(value) if isinstance(value, list) else value for value in values)
    if isinstance(values, str) or not found or any(value in found[:at] for at, value in enumerate(found)):
        raise DeclarationError(
            f"hparam_candidates({values!r}): candidates are a list of one value or more, each there once"
        )
    return Candidates(found)


def space_of(value: Any) -> Space | None:
    """Return the search space that a value is, or the JSON of one; None for any other value."""
    match value:
        case Range() | Candidates():
            return value
        case Mapping() if list(value) == ["hparam_range"] and len(value["hparam_range"]) == 2:
            return hparam_range(*value["hparam_range"])
        case Mapping() if list(value) == ["hparam_candidates"]:
            return hparam_candidates(value["hparam_candidates"])
    return None


def plain(value: Any) -> Any:
    """Return the value of an option as plain JSON, which stands for the same value where options are given."""
    match value:
        case Range():
            return {"hparam_range": [value.low, value.high]}
        case Candidates():
            return {"hparam_candidates": plain(value.values)}
        case tuple():
            return [plain(item) for item in value]
    return value
