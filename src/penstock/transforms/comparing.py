"""What has changed between two sets of rows, as BigQuery's ML.VALIDATE_DATA_DRIFT reports it: a row for each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.tables import arrow_schema
from penstock.transforms.distributions import Distribution, Metric, distance

CHANGES = Schema(
    (
        Field("input", "string"),
        Field("metric", "string"),
        Field("threshold", "float64"),
        Field("value", "float64"),
        Field("is_anomaly", "bool"),
    )
)
"""The columns of a report, by BigQuery's names."""


def changes(
    base: Mapping[str, Distribution],
    study: Mapping[str, Distribution],
    *,
    categorical_threshold: float = 0.3,
    categorical_metric: Metric = "L_INFTY",
    numerical_threshold: float = 0.3,
    thresholds: Sequence[tuple[str, float]] = (),
) -> pa.Table:
    """Return a row for each column that both have: how far it is from the base, and whether that is above a threshold.

    Numbers are compared by their Jensen-Shannon divergence. `thresholds` are those of single columns. Raises
    `DataError` for a column that is a number on one side and a category on the other, and for a threshold of a column
    that is not compared.
    """
    own = dict(thresholds)
    compared = [name for name in base if name in study]
    if odd := [name for name in own if name not in compared]:
        raise DataError(f"there is a threshold for '{odd[0]}', but compared are: {', '.join(compared) or 'no columns'}")
    rows = []
    for name in compared:
        kinds = base[name]["kind"], study[name]["kind"]
        if kinds[0] != kinds[1]:
            raise DataError(f"column '{name}' has {kinds[0]} before and {kinds[1]} now; CAST one of them", field=name)
        numbers = kinds[0] == "numbers"
        metric: Metric = "JENSEN_SHANNON_DIVERGENCE" if numbers else categorical_metric
        threshold = own.get(name, numerical_threshold if numbers else categorical_threshold)
        value = distance(base[name], study[name], metric)
        rows.append((name, metric, threshold, value, value > threshold))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(CHANGES)
    return pa.table([pa.array(column) for column in columns], names=list(CHANGES.names)).cast(arrow_schema(CHANGES))
