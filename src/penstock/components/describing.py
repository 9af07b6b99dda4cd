"""The component that describes rows: statistics."""

from __future__ import annotations

from typing import Any

from penstock import transforms
from penstock.pipelines import step
from penstock.tables import Table


@step
def statistics(rows: Table) -> dict[str, Any]:
    """Describe every column: type, rows, nulls, distinct values, range, mean, quantiles, histogram, top values, lengths
    of texts, sizes of images.

        ps.statistics("flights.parquet")["columns"][0]["quantiles"]["0.5"]
    """
    return transforms.profile(rows)
