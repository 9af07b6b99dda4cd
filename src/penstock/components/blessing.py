"""The component that says whether a model graph is good enough to be used: bless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from penstock.components.registered import registered
from penstock.core.expression import Expr
from penstock.core.ports import Context
from penstock.errors import DeclarationError
from penstock.models import ModelGraph
from penstock.models.judging.blessing import Asked, blessed
from penstock.models.judging.bounds import bound as bound
from penstock.models.keeping import digest_of
from penstock.pipelines import in_step, log_metric, step
from penstock.tables import Table


class Blessing(TypedDict, total=False):
    """What says whether something may be done with a model graph: `ps.push` and `ps.predict` ask for it.

    `graph` is the digest of the graph that it is of. Each of `checks` has `name`, `slice`, `value`, `bound`, `rows`,
    `passed` and `why`, a sentence. The rest is what a kind of blessing found besides.
    """

    blessed: bool
    kind: str
    graph: str
    checks: list[dict[str, Any]]
    model: str
    baseline: str | None
    baseline_name: str
    rows: int
    metrics: dict[str, float | None]
    baseline_metrics: dict[str, float | None] | None
    intervals: dict[str, list[float]]
    slices: list[dict[str, Any]]
    confidence: float
    notes: list[str]
    measured: dict[str, Any]


@step(modes={"train"})
def bless(
    graph: ModelGraph,
    rows: Table,
    *,
    thresholds: dict[str, dict[str, Any]],
    slices: Sequence[str | Expr] = (),
    baseline: Any = None,
    intervals: Literal["bootstrap", "normal"] | None = None,
    confidence: float = 0.95,
    min_rows: int = 30,
    groups: str | None = None,
    context: Context | None = None,
) -> Blessing:
    """Judge a model graph on rows with labels, as a whole and in slices, and say whether it keeps to its bounds.

        blessing = ps.bless(graph, test, slices=["carrier", "hour < 6"], baseline="flights@champion", thresholds={
            "mean_absolute_error": ps.bound(max=30, better_by=0.1, every_slice=True), "r2_score": ps.bound(min=0.5)})
        ps.push(graph, name="flights", blessings=[blessing])

    Metrics go by scikit-learn's names. `slices` are expressions over the rows: a slice for each value, two of a
    condition. `baseline` is a model graph, or the name of a registered one; where there is none yet, or it is this very
    graph, a change against it is not asked, and a note says so. `intervals` of all metrics are found on rows drawn
    again; of a column `groups` (customers, days) whole groups, since rows of one are alike. A slice of fewer than
    `min_rows` rows is told, and held to nothing.
    """
    known, name = (
        (baseline, "")
        if not isinstance(baseline, str)
        else (registered(baseline, context, asked="bless: baseline"), baseline)
    )
    if known is not None and not isinstance(known, ModelGraph):
        raise DeclarationError(f"bless: baseline={baseline!r} is no model graph and no name of a registered model")
    own, other = digest_of(graph), None if known is None else digest_of(known)
    asked = Asked(
        thresholds=thresholds,
        slices=slices,
        intervals=intervals,
        confidence=confidence,
        min_rows=min_rows,
        groups=groups,
    )
    found = blessed(graph, rows, asked, baseline=None if own == other else known)
    if own == other:
        found["notes"].append("the baseline is this very graph: that it be better than itself is not asked")
    _tell(found)
    return Blessing(**{"kind": "evaluation", "graph": own, "baseline": other, "baseline_name": name, **found})  # type: ignore[typeddict-item]


def _tell(found: dict[str, Any]) -> None:
    print("blessed" if found["blessed"] else "NOT blessed")
    for check in found["checks"]:
        print(f"{'passed' if check['passed'] else 'FAILED'}: {check['why']}")
    for said in found["notes"]:
        print(f"note: {said}")
    for name, value in found["metrics"].items():
        if value is not None and in_step():
            log_metric(name, value)
