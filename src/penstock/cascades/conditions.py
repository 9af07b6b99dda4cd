"""The conditions of routes, held against each other when declared: which no row can meet, and which overlap."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.expression import Expr, columns_of
from penstock.core.model import Model
from penstock.errors import DeclarationError
from penstock.operations import text
from penstock.operations.thresholds import OPEN, tried

_COMPARED = {"lt", "le", "gt", "ge", "eq", "ne"}
_TURNED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `low` to `high`, each end with or without itself."""

    low: float
    high: float
    low_in: bool = True
    high_in: bool = True

    def empty(self) -> bool:
        """Tell whether no number is in it."""
        return self.low > self.high or (self.low == self.high and not (self.low_in and self.high_in))

    def within(self, other: Span) -> bool:
        """Tell whether the other has all its numbers."""
        low = self.low > other.low or (self.low == other.low and (other.low_in or not self.low_in))
        high = self.high < other.high or (self.high == other.high and (other.high_in or not self.high_in))
        return low and high

    def both(self, other: Span) -> Span:
        """Return the numbers that are in both."""
        low, low_in = max((self.low, not self.low_in), (other.low, not other.low_in))
        high, high_in = min((self.high, self.high_in), (other.high, other.high_in))
        return Span(low, high, not low_in, high_in)


@dataclass(frozen=True, slots=True)
class Region:
    """What a condition on one column of the router takes: a span of numbers, or one label."""

    column: str
    span: Span | None = None
    label: Any = None

    def within(self, other: Region) -> bool:
        """Tell whether the other takes all that this takes."""
        if self.column != other.column:
            return False
        if self.span is None or other.span is None:
            return self.span is other.span and self.label == other.label and type(self.label) is type(other.label)
        return self.span.within(other.span)

    def overlaps(self, other: Region) -> bool:
        """Tell whether a row may be taken by both."""
        if self.column != other.column or self.span is None or other.span is None:
            return False
        return not self.span.both(other.span).empty()


def check(router: Model, routes: Sequence[tuple[str, Expr]], where: str, blend: bool) -> None:
    """Raise `DeclarationError` for a route that no row can take; warn of two that share rows but not all of them."""
    regions: list[Region | None] = []
    for name, when in routes:
        region, sure = (region_of(router.name, when, widest=widest) for widest in (True, False))
        if when.op == "literal" or (region is not None and region.span is not None and region.span.empty()):
            raise DeclarationError(f"{where}: no row can take the route '{name}', or every one: {text(when)}")
        for before, earlier in enumerate(regions):
            other = routes[before][1]
            if other == when or (region is not None and earlier is not None and region.within(earlier)):
                raise DeclarationError(
                    f"{where}: no row can take the route '{name}' ({text(when)}): '{routes[before][0]}' "
                    f"({text(other)}) takes them all before it; put the narrower condition first"
                )
        for before, earlier in enumerate(regions):
            if region is None or earlier is None or earlier.within(region) or not region.overlaps(earlier):
                continue
            warnings.warn(
                f"{where}: rows may meet the conditions of both '{routes[before][0]}' ({text(routes[before][1])}) and "
                f"'{name}' ({text(when)}); the first takes them",
                stacklevel=5,
            )
        regions.append(sure)
    if not any(_of_router(router.name, column) for _, when in routes for column in columns_of(when)):
        raise DeclarationError(
            f"{where}: no condition reads the router; in `when`, ps.col('{router.name}') is what it predicts"
        )
    if blend:
        for name, when in routes:
            if weight_of(router.name, when) is None:
                raise DeclarationError(
                    f"{where}: a blend weighs each route by the probability of one label of the router, and the "
                    f"condition of '{name}' is {text(when)}; write ps.col('{router.name}') > 0.5, .eq(label), or "
                    "ps.probability(router, label) > 0.5"
                )


def weight_of(router: str, when: Expr) -> tuple[str, Any] | None:
    """Return which label of the router a route is about: ("first", None) or ("second", None) of two, or
    ("label", value); None where it is about none."""
    region = region_of(router, when)
    if region is None:
        return None
    if region.column == router and region.span is None:
        return "label", region.label
    if region.column == router and region.span is not None:
        if region.span.high == math.inf and region.span.low >= 0:
            return "second", None
        return ("first", None) if region.span.low == -math.inf else None
    prefix = f"{router}:probability:"
    if region.column.startswith(prefix) and region.span is not None and region.span.high == math.inf:
        return "label", region.column.removeprefix(prefix)
    return None


def region_of(router: str, when: Expr, *, widest: bool = True) -> Region | None:
    """Return what a condition takes, where it is one column of the router held against constants; None where it is
    more than that. With an open threshold that is what it takes by any of its numbers, or else by each of them."""
    if when.op == "and" and len(when.args) == 2:
        one, other = (region_of(router, part, widest=widest) for part in when.args)
        if one is None or other is None or one.column != other.column or one.span is None or other.span is None:
            return None
        return Region(one.column, one.span.both(other.span))
    if when.op not in _COMPARED or len(when.args) != 2:
        return None
    left, right = when.args
    op = when.op
    if left.op in ("literal", OPEN):
        left, right, op = right, left, _TURNED[op]
    if left.op != "column" or right.op not in ("literal", OPEN) or not _of_router(router, left.args[0]):
        return None
    column = left.args[0]
    value = tried(right)[0 if widest == (op in ("gt", "ge")) else -1] if right.op == OPEN else right.args[0]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Region(column, label=value) if op == "eq" else None
    spans = {
        "lt": Span(-math.inf, value, high_in=False),
        "le": Span(-math.inf, value),
        "gt": Span(value, math.inf, low_in=False),
        "ge": Span(value, math.inf),
        "eq": Span(value, value),
    }
    return Region(column, spans[op]) if op in spans else None


def reads_router(model: Model, router: str) -> bool:
    """Tell whether a model reads what a router predicts."""
    exprs = () if model.features is None else tuple(model.features.values())
    return any(_of_router(router, column) for column in columns_of(*exprs))


def of_router(router: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return those of the columns that are a router's."""
    return tuple(column for column in columns if _of_router(router, column))


def _of_router(router: str, column: str) -> bool:
    return column == router or column.startswith(f"{router}:")
