"""Components that test the data before anything learns from it: statistics, schema, validate."""

from __future__ import annotations

from typing import Any, Literal

from penstock import transforms
from penstock.errors import DataError
from penstock.pipelines import step
from penstock.tables import Table

_SHOWN = 10


@step
def statistics(rows: Table) -> dict[str, Any]:
    """Describe every column: type, rows, nulls, distinct values, range, mean, quantiles, top values."""
    return transforms.profile(rows)


@step
def schema(statistics: dict[str, Any]) -> dict[str, Any]:
    """Infer what rows of this kind look like: types, which columns may be NULL, domains of small categories."""
    return transforms.infer_schema(statistics)


@step
def validate(rows: Table, schema: dict[str, Any], on_anomaly: Literal["stop", "warn"] = "stop") -> dict[str, Any]:
    """Hold rows against a schema; anomalies stop the run, or with `on_anomaly="warn"` are only reported."""
    found = transforms.anomalies(schema, rows)
    for anomaly in found:
        print(f"anomaly in '{anomaly['column']}': {anomaly['message']}")
    if found and on_anomaly == "stop":
        shown = "; ".join(f"'{anomaly['column']}' {anomaly['message']}" for anomaly in found[:_SHOWN])
        raise DataError(f"{len(found)} anomalies in {rows.num_rows:,} rows: {shown}", field=str(found[0]["column"]))
    return {"rows": rows.num_rows, "columns": rows.num_columns, "anomalies": found}
