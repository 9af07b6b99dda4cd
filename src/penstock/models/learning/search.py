"""What a hyperparameter may be while it is tuned: BigQuery's HPARAM_RANGE and HPARAM_CANDIDATES, as values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from penstock.errors import DeclarationError


@dataclass(frozen=True, slots=True)
class Range:
    """Every value from `low` to `high`, both included; with `log` small ones are tried as often as large ones, with
    `step` only `low`, `low + step`, and so on."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some values, each of them whole: numbers, words, or tuples of numbers."""

    values: tuple[Any, ...]


Space: TypeAlias = Range | Candidates


def hparam_range(low: float, high: float, *, log: bool = False, step: float | None = None) -> Range:
    """Say that something is to be tuned between two numbers: `options={"learn_rate": ps.hparam_range(0.01, 0.5)}`.

    With `log` the search goes by the logarithm, as it should where 0.01 and 0.02 differ as much as 0.1 and 0.2; with
    `step` it takes `low`, `low + step`, and so on. Raises `DeclarationError` where the first is not below the second.
    """
    shown = f"hparam_range({low!r}, {high!r}{', log=True' if log else ''}{'' if step is None else f', step={step!r}'})"
    if not (_is_number(low) and _is_number(high) and low < high):
        raise DeclarationError(f"{shown} is no range; give two numbers, the lower first")
    if log and low <= 0:
        raise DeclarationError(f"{shown}: there is no logarithm of {low!r}; begin above 0, or leave log out")
    if log and step is not None:
        raise DeclarationError(f"{shown}: steps are even, those of a logarithm are not; give log or step")
    if step is not None and not (_is_number(step) and 0 < step <= high - low):
        raise DeclarationError(f"{shown}: step={step!r} does not lead from {low!r} to {high!r}; give a smaller number")
    return Range(low, high, log, step)


def hparam_candidates(values: Iterable[Any]) -> Candidates:
    """Say that something is to be one of some values: `options={"max_tree_depth": ps.hparam_candidates([3, 6])}`.

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
        case Mapping() if "hparam_range" in value and value.keys() <= {"hparam_range", "log", "step"}:
            ends = value["hparam_range"]
            return hparam_range(*ends, log=value.get("log", False), step=value.get("step")) if len(ends) == 2 else None
        case Mapping() if list(value) == ["hparam_candidates"]:
            return hparam_candidates(value["hparam_candidates"])
    return None


def plain(value: Any) -> Any:
    """Return the value of an option as plain JSON, which stands for the same value where options are given."""
    match value:
        case Range():
            return {"hparam_range": [value.low, value.high], **how_searched(value)}
        case Candidates():
            return {"hparam_candidates": plain(value.values)}
        case tuple():
            return [plain(item) for item in value]
    return value


def how_searched(space: Range) -> dict[str, Any]:
    """Return what a range says beside its ends, as the arguments of `hparam_range`."""
    return ({"log": True} if space.log else {}) | ({} if space.step is None else {"step": space.step})


def size(space: Space, *, whole: bool) -> float:
    """Return how many values a search space has, of whole numbers or of any; infinity where no step limits these."""
    match space:
        case Candidates():
            return len(space.values)
        case Range(step=None) if not whole:
            return math.inf
    return math.floor((space.high - space.low) / (space.step or 1) + 1e-9) + 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
