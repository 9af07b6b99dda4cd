"""The slide's model exported: ONNX Runtime and DuckDB beside our own forms, on the same rows in the same run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import penstock as ps
from bench.measure import Figure, fresh_folder, paired, per_call_microseconds
from bench.slide import hires
from penstock.models import row_predictor
from penstock.models.exporting.onnx_feeding import feed, ports
from penstock.models.exporting.onnx_model import parity_of
from penstock.operations.tensors.onnx_file import session

COUNT = int(os.environ.get("BENCH_ROWS", "326339"))
TOLD = "told, no aim"


def _model(type: str) -> ps.Model:
    return ps.model(
        "bicycle",
        type=type,
        label="duration",
        features={
            "start_station_name": ps.col("start_station_name"),
            "dayofweek": ps.col("start_date").day_of_week().cast("string"),
            "hourofday": ps.col("start_date").hour().cast("string"),
        },
        options={"data_split_method": "NO_SPLIT"},
    )


def _onnx(graph: ps.ModelGraph, rows: pa.Table, folder: Path, kind: str) -> Iterator[Figure]:
    started = time.perf_counter()
    file = graph.export("onnx", folder / f"{kind}.onnx", rows=rows)
    took = time.perf_counter() - started
    parity = parity_of(file)
    started = time.perf_counter()
    graph.predict(rows)
    once = time.perf_counter() - started
    yield Figure(
        what=f"{kind} as ONNX: written, and held to its graph on {parity.rows:,} rows",
        value=took, unit="s", goal=TOLD,
        beside=f"{file.stat().st_size:,} bytes; largest difference {parity.largest:.1g}; "
        f"our many-rows form predicts them in {once:.2f} s: {took / once:.1f} x",
    )  # fmt: skip
    fields = tuple(graph.signature.inputs)
    by_field = {field.name: ports(field, graph.signature.inputs.names) or [] for field in fields}
    run = session(file.read_bytes())
    ready = feed(rows, fields, by_field)
    for how, tensors in (("ready tensors", lambda: ready), ("rows of Arrow", lambda: feed(rows, fields, by_field))):
        theirs, ours, ratio = paired(lambda: run.run(None, tensors()), lambda: graph.predict(rows), repeats=3)  # noqa: B023
        yield Figure(
            what=f"{kind}: ONNX Runtime on {how}", value=1 / ratio, unit="x the rows/s of our many-rows form",
            goal=TOLD, beside=f"M rows/s: ONNX Runtime {COUNT / theirs / 1e6:.2f}, ours {COUNT / ours / 1e6:.2f}",
        )  # fmt: skip
    row = rows.slice(0, 1).select(list(graph.signature.inputs.names))
    one, alone = feed(row, fields, by_field), session(file.read_bytes(), threads=1)
    predictor, values = row_predictor(graph), row.to_pylist()[0]
    theirs, worst = per_call_microseconds(lambda: alone.run(None, one), seconds=1)
    ours, own_worst = per_call_microseconds(lambda: predictor.predict(values), seconds=1)
    yield Figure(
        what=f"{kind}: ONNX Runtime on one ready row", value=theirs / ours, unit="x the time of our row function",
        goal=TOLD, beside=f"median: ONNX Runtime {theirs:.1f} us (p99 {worst:.0f}), ours {ours:.1f} us "
        f"(p99 {own_worst:.0f})",
    )  # fmt: skip


def _sql(graph: ps.ModelGraph, rows: pa.Table, folder: Path, kind: str) -> Iterator[Figure]:
    started = time.perf_counter()
    query = graph.export("sql", folder / f"{kind}.sql", rows="hires", keep=["ride"]).read_text()
    took = time.perf_counter() - started
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("hires", rows)
    found = connection.sql(query).to_arrow_table().sort_by("ride")  # a query gives its rows in any order
    mine = graph.predict(rows).column("predicted_duration").to_numpy()
    apart = np.abs(found.column("predicted_duration").to_numpy() - mine).max()
    theirs, ours, ratio = paired(lambda: connection.sql(query).to_arrow_table(), lambda: graph.predict(rows), repeats=3)
    yield Figure(
        what=f"{kind} as one query on DuckDB", value=1 / ratio, unit="x the rows/s of our many-rows form", goal=TOLD,
        beside=f"M rows/s: the query {COUNT / theirs / 1e6:.2f}, ours {COUNT / ours / 1e6:.2f}; {len(query):,} bytes, "
        f"written in {took * 1000:.0f} ms; largest difference {apart:.1g} s of {mine.mean():.0f}",
    )  # fmt: skip
    connection.register("hires", rows.slice(0, 1))
    predictor, values = row_predictor(graph), rows.slice(0, 1).to_pylist()[0]
    theirs, _ = per_call_microseconds(lambda: connection.execute(query).fetchall(), seconds=1)
    ours, _ = per_call_microseconds(lambda: predictor.predict(values), seconds=0.5)
    yield Figure(
        what=f"{kind}: the query on one row", value=theirs / ours, unit="x the time of our row function", goal=TOLD,
        beside=f"median: DuckDB {theirs:,.0f} us, ours {ours:.1f} us",
    )  # fmt: skip


def figures() -> Iterator[Figure]:
    """Export the linear model and boosted trees over the slide's features."""
    folder = fresh_folder()
    hires(folder, COUNT)
    rows = pq.read_table(folder / "hire.parquet").append_column("ride", pa.array(range(COUNT)))
    for type, kind in (("linear_reg", "the slide's model"), ("boosted_tree_regressor", "boosted trees")):
        graph = ps.fit(_model(type), rows)
        yield from _onnx(graph, rows, folder, kind)
        yield from _sql(graph, rows, folder, kind)
