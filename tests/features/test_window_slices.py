"""Windows are answered in slices by several threads: the same as all at once, whatever they aggregate."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.features.index import slices

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
FUNCTIONS = ["count", "count_distinct", "sum", "mean", "min", "max", "stddev", "first", "last"]


def minutes_after(minutes: list[int]) -> pa.Array:
    return pa.array([START + datetime.timedelta(minutes=m) for m in minutes], pa.timestamp("us", "UTC"))


@pytest.fixture
def spending(project: ps.Project) -> ps.Project:
    """A project with rows on disk and rows ingested since, which give some entities newer rows, and new entities."""
    x, n = ps.col("x"), ps.col("n")
    features = {f"{name}_x": getattr(x, name)().over("2h") for name in FUNCTIONS}
    features |= {f"{name}_n": getattr(n, name)().where(x > 100).over("1d", hop="1h") for name in FUNCTIONS}
    features |= {"day": n.sum().over("1d", hop="1d"), "newest": n.last_n(3).over("2h"), "share": x.sum().over("2h") / 3}
    columns = {"x": "float64", "n": "int64"}
    project.features.apply(
        ps.feature_set("s", entities={"k": "int64"}, timestamp="event", features=features, columns=columns)
    )
    random = np.random.default_rng(1)
    for count, keys in ((3000, 50), (400, 60)):
        minutes = random.integers(0, 3000, count).tolist()
        values = {
            "x": [None if m % 7 == 0 else m / 3 for m in minutes],
            "n": [None if m % 5 == 0 else m % 40 for m in minutes],
        }
        rows = {"k": random.integers(0, keys, count), "event": minutes_after(minutes), **values}
        project.features.ingest("s", pa.table(rows))
        project.features.get_historical_features(questions(1), ["s:day"])
    return project


def questions(count: int) -> pa.Table:
    random = np.random.default_rng(count)
    minutes = random.integers(-10, 3100, count).tolist()
    keys = pa.array(random.integers(-2, 63, count), mask=random.random(count) < 0.1)
    return pa.table({"k": keys, "event_timestamp": minutes_after(minutes), "known": minutes_after(minutes)})


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 700])
def test_windows_in_slices_are_those_in_one(spending: ps.Project, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    asked, features, before = questions(count), spending.features, pa.cpu_count()
    pa.set_cpu_count(4)
    try:
        for names in (["s:*"], ["s:max_x"], ["s:sum_x", "s:day"]):
            for known in (None, "known"):
                whole = features.get_historical_features(asked, names, known_at=known, statuses=True)
                with monkeypatch.context() as patched:
                    patched.setattr(slices, "SIZE", 128)
                    cut = features.get_historical_features(asked, names, known_at=known, statuses=True)
                assert cut.equals(whole)
                cut.validate(full=True)
                assert whole.num_rows == count
    finally:
        pa.set_cpu_count(before)
