"""A cascade in production: what it predicts and the ways that rows take are held against those of rows held out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from log_worlds import rows_of

import penstock as ps
from penstock.production.records import RecordForm
from penstock.production.request_log import RequestLog

DAY = 86400.0
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
INPUTS = {"x1": ps.col("x1"), "x2": ps.col("x2")}
IS_LONG = ps.model("is_long", type="logistic_reg", label="is_long", features=INPUTS)


def rides(rows: int, seed: int, *, shift: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    x1, x2 = random.normal(size=(2, rows))
    x1 = x1 + shift
    is_long = x1 + random.normal(0, 0.3, rows) > 1.2
    km = np.where(is_long, 40 + 6 * x2, 8 - 3 * x2)
    far = np.where(km + random.normal(0, 1, rows) > 20, "far", "near")
    return pa.table({"x1": x1, "x2": x2, "is_long": is_long, "km": km, "far": far})


def cascade(label: str) -> ps.Cascade:
    kind = "linear_reg" if label == "km" else "logistic_reg"
    rare, usual = (ps.model(name, type=kind, label=label, features=INPUTS) for name in ("rare", "usual"))
    metric = "mean_absolute_error" if label == "km" else "log_loss"
    routes = [ps.route(when=ps.col("is_long") > 0.5, use=rare)]
    return ps.cascade("c", label=label, metric=metric, router=IS_LONG, routes=routes, otherwise=usual, min_rows=20)


def serve(project: ps.Project, rows: pa.Table, day: int) -> None:
    graph = project.models["c"].load(1)
    predicted = graph.predict(rows.select(["x1", "x2"])).select(list(graph.signature.outputs.names)).to_pylist()
    records: list[tuple[str, float, Any, Any]] = [
        (f"{day}-{at}", START + day * DAY + at, row, answer)
        for at, (row, answer) in enumerate(zip(rows.select(["x1", "x2"]).to_pylist(), predicted, strict=True))
    ]
    log = RequestLog(project.config.requests, 1 << 30)
    log.add(rows_of(RecordForm(graph, 1, "d1"), records))
    log.close()


@pytest.mark.parametrize("label", ["km", "far"])
def test_what_a_cascade_predicts_and_its_routes_are_held_against_training_and_before(tmp_path, label: str) -> None:
    project = ps.open(tmp_path)
    project.fit(cascade(label), rides(4000, seed=0))
    for day in range(3):
        serve(project, rides(800, seed=day + 1, shift=1.0 if day == 2 else 0.0), day)
    found = project.monitor("c", windows=2, now=START + 3 * DAY)
    expected = {"x1", "x2", f"predicted_{label}", "route"} | ({"predicted_far_prob"} if label == "far" else set())
    for against in ("training", "before"):
        rows = [each for each in found.changes.to_pylist() if each["against"] == against]
        assert {each["feature"] for each in rows} == expected
        for each in rows:
            third = each["window_start"].timestamp() == START + 2 * DAY
            assert each["is_above"] == (third and each["feature"] != "x2"), each
    assert {each["rows_before"] for each in found.changes.to_pylist() if each["against"] == "before"} == {800}
    assert {each["feature"] for each in found.breaches} == expected - {"x2"}
