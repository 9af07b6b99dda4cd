"""The steps of a cascade's training: rows divided, the router's predictions, the routes, the stages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock import components, transforms
from penstock.cascades.generations import LEARNED_FROM, rows_digest
from penstock.cascades.learning import (
    certain,
    estimated_by_others,
    labels_of,
    learned_by,
    numbers_of,
    router_of,
    seeing,
    unsplit,
    usable_rows,
    with_facts,
)
from penstock.cascades.lending import context_of
from penstock.cascades.taking import TAKEN, router_columns_of, taken_by
from penstock.cascades.thresholds import settled_condition
from penstock.core.model import Model
from penstock.core.ports import Context
from penstock.models import ModelGraph
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import calibrated, learn_calibration, with_columns
from penstock.pipelines import step
from penstock.tables import Table, to_arrow


class Divided(NamedTuple):
    """Rows to learn from, and rows kept apart before anything is learned."""

    train: Table
    holdout: Table


@step(modes={"train"})
def holdout(rows: Table, fraction: float, time: str | None, group: str | None, seed: int) -> Divided:
    """Keep a fraction of the rows apart: the newest by `time`, else whole groups, else rows by their content."""
    rows = to_arrow(rows)
    if time is not None:
        return Divided(*transforms.split_by_time(rows, by=time, test_fraction=fraction))
    return Divided(*transforms.split_by_hash(rows, by=group or rows.column_names, test_fraction=fraction, seed=seed))


@step(modes={"train"})
def folds(rows: Table, count: int, time: str | None, group: str | None, seed: int) -> np.ndarray:
    """Number the fold of each row; -1 for the rows before the first span of time, from which folds only learn."""
    if time is not None:
        return transforms.folds_by_time(rows, time, count)
    return transforms.folds_by_hash(rows, group or rows.column_names, count, seed + 1)


@step(modes={"train"})
def fold(
    router: Model,
    rows: Table,
    folds: np.ndarray,
    number: int,
    time: str | None,
    group: str | None,
    apart: list[str],
    *,
    context: Context | None = None,
) -> np.ndarray:
    """Estimate the rows of one fold by a router that did not learn from them."""
    asked = rows.filter(pa.array(folds == number))
    learned = rows.filter(pa.array(learned_by(folds, number, rows, time, group)))
    return estimated_by_others(router, router_of(router, rows), learned, asked, apart, context_of(context))


@step(modes={"train"})
def out_of_fold(folds: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """Return what each row was estimated as by the router of its fold; NaN for rows of none."""
    found = np.full((len(folds), parts[0].shape[1]), np.nan)
    for number, part in enumerate(parts):
        found[folds == number] = part
    return found


@step(modes={"train"})
def in_sample(graph: ModelGraph, rows: Table) -> np.ndarray:
    """Return what a router estimates of the very rows that it learned from."""
    return estimates_of(graph, rows)


@step(modes={"train"})
def labels(router: Model, rows: Table) -> np.ndarray:
    """Return what a router would estimate that is always right and certain; NaN where there is no label."""
    return certain(router, router_of(router, rows), rows)


@step(modes={"train"})
def calibration(router: Model, rows: Table, estimates: np.ndarray, method: str) -> dict[str, Any]:
    """Learn how a router's probabilities and what is observed go together, from rows that it did not learn from."""
    column = labels_of(router, rows)
    there = column.is_valid().to_numpy() & ~np.isnan(estimates[:, 0])
    numbers = numbers_of(router, router_of(router, rows), column.filter(pa.array(there)))
    return learn_calibration("isotonic" if method == "isotonic" else "platt", estimates[there], numbers)


@step(modes={"train"})
def by_policy(
    router: Model,
    rows: Table,
    own: np.ndarray,
    others: np.ndarray,
    policy: str,
    calibration: dict[str, Any] | None,
) -> np.ndarray:
    """Return what rows are routed by under a policy that was chosen, calibrated where it is no label."""
    if policy == "labels":
        return certain(router, router_of(router, rows), rows)
    return calibrated(calibration, own if policy == "in_sample" else others)


@step(modes={"train"})
def routes(
    router: Model,
    rows: Table,
    estimates: np.ndarray,
    conditions: list[Any],
    calibration: dict[str, Any] | None,
    thresholds: dict[str, float] | None = None,
) -> Table:
    """Return the router's columns for each row, and the number of the branch that it takes."""
    columns = router_columns_of(router, rows, estimates, calibration)
    settled = [settled_condition(when, thresholds or {}) for when in conditions]
    return pa.table({**columns, TAKEN: pa.array(taken_by(rows, columns, settled))})


@step(modes={"train"})
def routed_rows(rows: Table, routes: Table, branches: list[int], read: list[str], apart: list[str]) -> Table:
    """Return the training rows that branches take, with the columns of the router that their stage reads, without those
    that say what the router is to predict."""
    mine = pc.is_in(routes.column(TAKEN), value_set=pa.array(branches, pa.int64()))
    kept = [name for name in rows.column_names if name not in apart]
    return with_columns(rows.select(kept).filter(mine), {name: routes.column(name).filter(mine) for name in read})


@step(modes={"train"})
def usable(model: Model, rows: Table) -> dict[str, int]:
    """Count the rows from which a model could learn."""
    return {"rows": usable_rows(model, rows)}


@step(modes={"train"})
def fit_stage(
    model: Model,
    rows: Table,
    fallback: ModelGraph | None = None,
    min_rows: int = 1,
    apart: list[str] | None = None,
    *,
    context: Context | None = None,
) -> ModelGraph:
    """Learn a stage from the rows that are routed to it; with fewer than `min_rows`, it predicts as `fallback` does."""
    count = usable_rows(model, rows)
    if fallback is not None and count < min_rows:
        print(f"'{model.name}' has {count} rows to learn from, fewer than {min_rows}: it predicts as the baseline does")
        return with_facts(fallback, {"stands_for": model.name, LEARNED_FROM: rows_digest(rows)})
    graph = components.fit(seeing(model, apart or [], rows), rows, unsplit(model), context=context_of(context))
    return with_facts(graph, {LEARNED_FROM: rows_digest(rows)})
