"""What a policy does to the training rows: the share of each route, beside the shares that the router served gives, and
how far the router's word on its own training rows can be trusted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.cascades.learning import certain, router_of
from penstock.cascades.steps import routes
from penstock.cascades.taking import TAKEN
from penstock.core.model import Model
from penstock.models.learning.matrix import Floats
from penstock.pipelines import in_step, step
from penstock.tables import Table


@step(modes={"train"})
def shares(
    cascade: str,
    router: Model,
    rows: Table,
    taken: Table,
    own: np.ndarray,
    others: np.ndarray,
    conditions: list[Any],
    names: list[str],
    calibration: dict[str, Any] | None,
    thresholds: dict[str, float],
    policy: str,
    declared: str,
) -> dict[str, Any]:
    """Return the share of each route that stages learned from and that the refitted router gives of the same rows, and
    how good the router is on rows that it learned from and on others; for a declared `in_sample` that is a warning."""
    refitted = routes(router, rows, own, conditions, calibration, thresholds)
    training, serving = _shares(taken, names), _shares(refitted, names)
    trust = trusted(router, rows, own, others)
    if declared == "in_sample":
        _warn(cascade, router.name, trust)
    difference = {name: serving[name] - training[name] for name in training}
    for name, value in training.items():
        print(f"route '{name}': {value:.1%} of the rows to learn from, {serving[name]:.1%} by the refitted router")
    return {
        "policy": policy,
        "shares": {"training": training, "refitted": serving, "difference": difference},
        "router": trust,
    }


def trusted(router: Model, rows: pa.Table, own: Floats, others: Floats) -> dict[str, Any]:
    """Return how good a router is on rows that it learned from, and, of the same rows, where it did not: accuracy, or
    the mean absolute error of a value; the gap is how much better it looks than it is."""
    known = router_of(router, rows)
    right = certain(router, known, rows)
    there = ~np.isnan(right[:, 0]) & ~np.isnan(others[:, 0])
    if not there.any():
        return {"metric": None, "in_sample": None, "out_of_fold": None, "gap": None}
    seen, unseen, right = own[there], others[there], right[there]
    if known.router_classes:
        numbers = right.argmax(axis=1)
        found = [float((each.argmax(axis=1) == numbers).mean()) for each in (seen, unseen)]
        return {"metric": "accuracy", "in_sample": found[0], "out_of_fold": found[1], "gap": found[0] - found[1]}
    found = [float(np.abs(each[:, 0] - right[:, 0]).mean()) for each in (seen, unseen)]
    return {"metric": "mean_absolute_error", "in_sample": found[0], "out_of_fold": found[1], "gap": found[1] - found[0]}


def _shares(taken: pa.Table, names: Sequence[str]) -> dict[str, float]:
    """Return the share of each route in rows of which it is known; routes of one name are one."""
    numbers = taken.column(TAKEN).to_numpy()
    known = numbers[numbers >= 0]
    found: dict[str, float] = {}
    for at, name in enumerate(names):
        found[name] = found.get(name, 0.0) + (float((known == at).mean()) if len(known) else 0.0)
    return found


def _warn(cascade: str, router: str, trust: Mapping[str, Any]) -> None:
    words = {"accuracy": "an accuracy", "mean_absolute_error": "a mean absolute error"}
    said = (
        f"cascade '{cascade}' is trained in_sample: its router '{router}' has "
        f"{words.get(trust['metric'] or '', 'a score')} of {_number(trust['in_sample'])} on the rows that it learned "
        f"from and of {_number(trust['out_of_fold'])} on rows that it did not (a gap of {_number(trust['gap'])}), so "
        "the stages learn from routes that serving will not give; policy='out_of_fold' routes rows as serving will"
    )
    if in_step():
        print(f"warning: {said}")
    else:
        warnings.warn(said, UserWarning, stacklevel=2)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
