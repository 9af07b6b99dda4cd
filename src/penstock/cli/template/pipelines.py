"""A first pipeline: from a table of bicycle rides to a model that the server predicts with."""

import pyarrow.compute as pc

import penstock as ps

duration = ps.model(
    "duration",
    type="linear_reg",
    label="minutes",
    features={
        "km": ps.col("km").standard_scaler(),
        "station": ps.col("station"),
        "hour": "CAST(EXTRACT(HOUR FROM started) AS STRING)",  # a string is an expression in BigQuery's dialect
    },
)


@ps.step
def clean(rows: ps.Table, max_minutes: float = 120, mode: ps.Mode = "train") -> ps.Table:
    """Leave out rides that nobody ended; of those that are to be predicted that is not known."""
    kept = rows.filter(pc.field("minutes") <= max_minutes) if mode == "train" else rows
    print(f"kept {kept.num_rows} of {rows.num_rows} rides")
    return kept


@ps.pipeline
def rides(source: str = "data/rides.csv", max_minutes: float = 120, l2: float = 0.0) -> None:
    """Clean, test the data, split by time, fit, judge, and promote if it is good enough."""
    rows = clean(ps.read(source), max_minutes=max_minutes)
    rows = ps.validate(rows, ps.schema(ps.statistics(rows), label="minutes", rules=["km > 0"])).rows
    train, test = ps.split(rows, by="started", test=0.2)
    graph = ps.fit(duration, train, options={"l2_reg": l2})
    report = ps.evaluate(graph, test)
    ps.push(graph, name="duration", report=report, when=report["mean_absolute_error"] < 5)
    ps.predict(graph, rows)  # with --mode infer this is what is left: new rows, predicted by what was promoted
