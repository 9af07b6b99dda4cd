"""Open thresholds: numbers in the conditions of routes that training finds, each from a grid of its own."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from penstock.cascades.value import Cascade, Route
from penstock.core.expression import Expr, literal, transform, walk
from penstock.errors import DeclarationError
from penstock.operations import text
from penstock.operations.thresholds import OPEN, tried

GRID = 64
"""Up to so many combinations of open thresholds are all tried; more are searched one threshold after the other."""

ROUNDS = 2
"""How often each threshold is searched, where not all combinations are."""

_SIDES = ("lt", "le", "gt", "ge")
C = TypeVar("C", bound=Cascade)


def opened(*conditions: Expr) -> Iterator[Expr]:
    """Yield the open thresholds in conditions."""
    return (node for when in conditions for node in walk(when) if node.op == OPEN)


def named(routes: Sequence[Route]) -> tuple[Route, ...]:
    """Return routes whose open thresholds all have names: the first of a route the route's own."""
    seen = {node.args[3] for each in routes for node in opened(each.when)}
    made = []
    for each in routes:
        free = (name for name in _names(each.name) if name not in seen)

        def call(node: Expr, free: Iterator[str] = free) -> Expr:
            if node.op != OPEN or node.args[3] is not None:
                return node
            name = next(free)
            seen.add(name)
            return type(node)(OPEN, (*node.args[:3], name))

        made.append(dataclasses.replace(each, when=transform(each.when, call)))
    return tuple(made)


def grids(cascade: Cascade) -> dict[str, tuple[float, ...]]:
    """Return the numbers that are tried for each open threshold, by its name, in the order of the routes."""
    return {node.args[3]: tried(node) for node in opened(*(each.when for each in cascade.routes))}


def check(routes: Sequence[Route], router: str, where: str) -> None:
    """Raise `DeclarationError` for a threshold that is not what a column of the router is held against, or that two
    places name and mean differently."""
    known: dict[str, Expr] = {}
    for each in routes:
        held = 0
        for node in walk(each.when):
            sides = [side for side in node.args if isinstance(side, Expr)]
            if node.op in _SIDES and any(side.op == OPEN for side in sides):
                columns = [side.args[0] for side in sides if side.op == "column"]
                held += any(name == router or name.startswith(f"{router}:") for name in columns)
        for node in opened(each.when):
            if known.setdefault(node.args[3], node) != node:
                raise DeclarationError(f"{where}: the threshold '{node.args[3]}' is written with two ranges; write one")
        if held != len(list(opened(each.when))):
            raise DeclarationError(
                f"{where}: the route '{each.name}' ({text(each.when)}) has a threshold that no column of the router is "
                f"held against; write ps.col('{router}') > ps.threshold()"
            )


def settled_condition(when: Expr, found: Mapping[str, float]) -> Expr:
    """Return a condition with the numbers found in place of its open thresholds."""

    def settle(node: Expr) -> Expr:
        return literal(found[node.args[3]], cls=type(node)) if node.op == OPEN else node

    return transform(when, settle)


def settled(cascade: C, found: Mapping[str, float]) -> C:
    """Return a cascade with the numbers found in place of its open thresholds."""
    routes = tuple(dataclasses.replace(each, when=settled_condition(each.when, found)) for each in cascade.routes)
    return dataclasses.replace(cascade, routes=routes)


def rounds(grids: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Return which thresholds are varied together, one round of trials after the other: all at once where they are few,
    else each by itself while the others stay as they are."""
    if math.prod(len(grid) for grid in grids.values()) <= GRID or len(grids) == 1:
        return [list(grids)]
    return [[name] for _ in range(ROUNDS) for name in grids]


def start(grids: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the numbers from which a search starts: the middle of each grid."""
    return {name: grid[len(grid) // 2] for name, grid in grids.items()}


def varied(
    grids: Mapping[str, Sequence[float]], current: Mapping[str, float], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the combinations of the thresholds named, the others as they are."""
    return [
        {**current, **dict(zip(names, each, strict=True))}
        for each in itertools.product(*(grids[name] for name in names))
    ]


def _names(route: str) -> Iterator[str]:
    yield route
    yield from (f"{route}:{number}" for number in itertools.count(2))
