"""Bounds: what a metric has to keep to, as plain values, and the names by which metrics are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.errors import DeclarationError, UnknownNameError

_LIMITS = ("min", "max", "better_by", "gap")
_HOW = ("sure", "every_slice")
_ENDINGS = ("", "_score")


def bound(
    *,
    min: float | None = None,
    max: float | None = None,
    better_by: float | None = None,
    gap: float | None = None,
    sure: bool = False,
    every_slice: bool = False,
) -> dict[str, Any]:
    """Say what a metric has to keep to, for `ps.bless(thresholds={"mean_absolute_error": ps.bound(max=30)})`.

    `min`, `max`: the value itself. `better_by`: by how much it has to be better than that of the baseline on the same
    rows (a negative number: may be worse by); without a baseline this is not asked. `gap`: by how much the metric of
    two slices of one expression may differ. `sure`: not the value but the worse end of its confidence interval has to
    keep to it. `every_slice`: `min`, `max` and `better_by` hold for each slice too. A bound is a plain dict.

    >>> bound(max=30.0, better_by=0.5)
    {'max': 30.0, 'better_by': 0.5}
    """
    given = {"min": min, "max": max, "better_by": better_by, "gap": gap}
    limits: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return checked("of ps.bound", {**limits, **({"sure": True} if sure else {}),
                                   **({"every_slice": True} if every_slice else {})})  # fmt: skip


def checked(whose: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bound that is one; `whose` it is, is for errors."""
    for name, value in given.items():
        if name not in (*_LIMITS, *_HOW):
            raise UnknownNameError("part", name, (*_LIMITS, *_HOW), within=f"the bound {whose}")
        right = isinstance(value, bool) if name in _HOW else _is_number(value)
        if not right:
            what = "True or False" if name in _HOW else "a number"
            raise DeclarationError(f"the bound {whose} has {name}={value!r}; give {what}")
    if not any(name in given for name in _LIMITS):
        raise DeclarationError(f"the bound {whose} asks for nothing; give {', '.join(_LIMITS[:-1])} or {_LIMITS[-1]}")
    if given.get("gap", 0) < 0:
        raise DeclarationError(f"the bound {whose} has gap={given['gap']}; a gap is not negative")
    return dict(given)


def metric_named(name: str, known: Iterable[str]) -> str:
    """Return our name of a metric that is asked for by ours, or by the name of scikit-learn's function or scorer."""
    names = list(known)
    short = name.removesuffix("_score")
    for each in (name, *(short + ending for ending in _ENDINGS)):
        if each in names:
            return each
    if name.startswith("neg_") and (plain := name.removeprefix("neg_")) in names:
        raise DeclarationError(f"'{name}' is an error with its sign turned; name it '{plain}', and bound it by max=")
    raise UnknownNameError("metric", name, names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def bounds_named(bounds: Mapping[str, dict[str, Any]], known: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return bounds by our names of their metrics; two for one metric are an error: one of them would not be kept."""
    names = list(known)
    found: dict[str, dict[str, Any]] = {}
    for name, each in bounds.items():
        metric = metric_named(name, names)
        if metric in found:
            raise DeclarationError(f"'{name}' is {metric}, which has a bound already; put both into one ps.bound(...)")
        found[metric] = each
    return found
