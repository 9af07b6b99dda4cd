"""The branches of a cascade's graph, as its routes say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.cascades.conditions import weight_of
from penstock.cascades.value import Cascade, route_names, uses_of
from penstock.core.expression import Expr
from penstock.core.model import Model
from penstock.errors import DataError
from penstock.models.routing import Branch, Router, label_text
from penstock.operations import text


def branches_of(cascade: Cascade, known: Router, classes: Sequence[Any]) -> list[Branch]:
    """Return the ways that a row may take, with the weight of each where predictions are blended."""
    made = []
    conditions: list[Expr | None] = [*(each.when for each in cascade.routes), None]
    for name, when, use in zip(route_names(cascade), conditions, uses_of(cascade), strict=True):
        of = None if when is None or not cascade.blend else _weighed(cascade, known, name, when)
        if isinstance(use, Model | Cascade):
            made.append(Branch(name=name, when=when, stage=use.name, of=of))
        else:
            constant = classes.index(use) if classes else use
            made.append(Branch(name=name, when=when, constant=float(constant), of=of))
    return made


def _weighed(cascade: Cascade, known: Router, name: str, when: Expr) -> int:
    """Return the number of the router's label whose probability weighs a route in a blend."""
    side, label = weight_of(cascade.router.name, when) or ("label", None)
    if side != "label" and known.kind == "probability":
        return 0 if side == "first" else 1
    for number, each in enumerate(known.router_classes):
        if label is not None and label in (each, str(each), label_text(each)):
            return number
    raise DataError(
        f"cascade '{cascade.name}': the route '{name}' ({text(when)}) is weighed by a label that the router "
        f"'{known.router}' does not know; it knows {', '.join(map(str, known.router_classes)) or 'none: it is a value'}"
    )
