"""Components that test the data before anything learns from it: statistics, schema, validate."""

from __future__ import annotations

from typing import Any, Literal

from penstock import transforms
from penstock.errors import DataError, UnknownNameError
from penstock.pipelines import step
from penstock.tables import Table

_SHOWN = 10


@step
def statistics(rows: Table) -> dict[str, Any]:
    """Describe every column: type, rows, nulls, distinct values, range, mean, quantiles, top values."""
    return transforms.profile(rows)


@step
def schema(statistics: dict[str, Any], reviewed: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """Infer what rows of this kind look like: types, which columns may be NULL, domains of small categories, ranges.

    `reviewed` is what a person knows better: column -> `type`, `nullable`, `domain`, `min` or `max`.
    """
    inferred = transforms.infer_schema(statistics)
    columns = {column["name"]: column for column in inferred["columns"]}
    for name, known in (reviewed or {}).items():
        if name not in columns:
            raise UnknownNameError("column", name, columns, within="the statistics")
        for key in known:
            if key not in columns[name]:
                raise UnknownNameError("property", key, columns[name], within=f"the schema of column '{name}'")
        columns[name] |= known
    return {**inferred, "columns": list(columns.values())}


@step
def validate(rows: Table, schema: dict[str, Any], on_anomaly: Literal["stop", "warn"] = "stop") -> dict[str, Any]:
    """Hold rows against a schema, and stop the run where they cannot be right.

    A missing column, a changed type, NULL or a category where there was none are errors; `on_anomaly="warn"` only
    reports them. An extra column and a wider range may be right: they are reported.
    """
    found = transforms.anomalies(schema, rows)
    for anomaly in found:
        print(f"{anomaly['severity']}: {anomaly['message']}")
    errors = [anomaly for anomaly in found if anomaly["severity"] == "error"]
    if errors and on_anomaly == "stop":
        shown = "; ".join(anomaly["message"] for anomaly in errors[:_SHOWN])
        count = f"{len(errors)} {'anomaly' if len(errors) == 1 else 'anomalies'}"
        raise DataError(f"{count} in {rows.num_rows:,} rows: {shown}", field=errors[0]["column"])
    return {"rows": rows.num_rows, "columns": rows.num_columns, "anomalies": found}
