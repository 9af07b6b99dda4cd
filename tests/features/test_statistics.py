"""Statistics of a feature set are what counting all rows by hand gives, whatever came how often and in which parts."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.core.feature import IngestStatistics
from penstock.features import store
from penstock.features.quality import counting
from penstock.features.quality.sketches import counted_values, distribution_of, merge_all, quantile, sketch_column

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
NUMBERS = st.one_of(st.none(), st.floats(width=64), st.floats(-1e3, 1e3), st.sampled_from([0.0, -0.0, 5e-324, 1.7e308]))
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]), st.text(max_size=3))


def declared(**more: Any) -> ps.FeatureSet:
    features = {"fare": ps.col("fare"), "city": ps.col("city"), **more.pop("features", {})}
    columns = {"fare": "float64", "city": "string"}
    return ps.feature_set("rides", entities={"id": "int64"}, timestamp="at", features=features, columns=columns, **more)


def rows(fares: list[float | None], *, day: int = 0, first: int = 0) -> pa.Table:
    count = len(fares)
    return pa.table(
        {
            "id": pa.array(range(first, first + count), pa.int64()),
            "at": pa.array([START + dt.timedelta(days=day, seconds=each) for each in range(count)]),
            "fare": pa.array(fares, pa.float64()),
            "city": pa.array(["a" if each % 3 else "b" for each in range(count)], pa.string()),
        }
    )


@given(st.lists(st.lists(NUMBERS, max_size=20), min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_parts_of_numbers_in_any_order_give_what_all_of_them_give(parts: list[list[float | None]]) -> None:
    values = [value for part in parts for value in part if value is not None]
    finite = [value for value in values if math.isfinite(value)]
    for order in itertools.permutations(parts):
        sketches = [{"x": sketch_column(pa.chunked_array([pa.array(part, pa.float64())]), "float64")} for part in order]
        found = merge_all(sketches)["x"]
        assert (found["rows"], found["nulls"]) == (sum(map(len, parts)), sum(map(len, parts)) - len(values))
        assert found["not_finite"] == len(values) - len(finite)
        assert (found["min"], found["max"]) == (min(finite, default=None), max(finite, default=None))
        assert sum(count for _, count in found["buckets"]) == counted_values(found) == len(finite)
        if finite and max(map(abs, finite)) < 1e150:
            assert found["mean"] == pytest.approx(statistics.fmean(finite), rel=1e-9, abs=1e-9)
        if len(finite) > 1 and max(map(abs, finite)) < 1e150:
            assert found["stddev"] == pytest.approx(statistics.stdev(finite), rel=1e-6, abs=1e-6)
        distribution = distribution_of(found)
        assert distribution is not None
        edges, counts = distribution["edges"], distribution["counts"]
        assert sum(counts) == len(finite)
        assert edges == sorted(edges)
        assert not edges or (edges[0], edges[-1]) == (min(finite), max(finite))


@given(st.lists(st.lists(TEXTS, max_size=30), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_parts_of_texts_give_what_all_of_them_give(parts: list[list[str | None]]) -> None:
    values = [value for part in parts for value in part if value is not None]
    found = merge_all(
        [{"x": sketch_column(pa.chunked_array([pa.array(part, pa.string())]), "string")} for part in parts]
    )["x"]
    assert dict(found["top"]) == {value: values.count(value) for value in values}
    assert [count for _, count in found["top"]] == sorted((count for _, count in found["top"]), reverse=True)
    assert found["others"] == 0


def test_quantiles_are_right_to_within_a_sixteenth() -> None:
    draw = np.random.default_rng(1)
    for values in (draw.lognormal(2, 1, 20_000), -draw.lognormal(0, 0.5, 20_000), draw.normal(50, 10, 20_000)):
        distribution = distribution_of(sketch_column(pa.chunked_array([values]), "float64"))
        assert distribution is not None
        for part in (0.05, 0.25, 0.5, 0.75, 0.95):
            assert quantile(distribution, part) == pytest.approx(float(np.quantile(values, part)), rel=1 / 16)


def test_many_values_are_counted_at_a_bound(project: ps.Project) -> None:
    ids = pa.chunked_array([pa.array([f"user-{each}" for each in range(30_000)])])
    found = sketch_column(ids, "string")
    assert found["top"] == []
    assert found["others"] == 30_000
    long = sketch_column(pa.chunked_array([pa.array(["x" * 1000] * 3 + ["y"])]), "string")
    assert (long["top"], long["others"]) == ([["y", 1]], 3)
    spread = sketch_column(pa.chunked_array([np.logspace(-300, 300, 20_000)]), "float64")
    assert len(spread["buckets"]) <= 128


def test_every_ingest_is_told_apart_and_all_together(project: ps.Project) -> None:
    project.features.apply(declared(features={"double": "fare * 2"}))
    assert project.features["rides"].statistics is None
    assert project.features["rides"].ingests == []
    project.features.ingest("rides", rows([1.0, None, 3.0]), batch="one")
    project.features.ingest("rides", rows([5.0], day=2), batch="two")
    found = project.features["rides"].statistics
    assert found is not None
    fare = found.features["fare"]
    assert (found.ingests, found.rows, fare.rows, fare.nulls, fare.null_rate) == (2, 4, 4, 1, 0.25)
    assert (fare.min, fare.max, fare.mean) == (1.0, 5.0, 3.0)
    assert found.features["double"].mean == 6.0
    assert found.features["city"].top == (("a", 2), ("b", 2))
    assert (found.first_event, found.last_event) == (START, START + dt.timedelta(days=2))
    newest, oldest = project.features["rides"].ingests
    assert (newest.batch, newest.rows, newest.features["fare"].mean) == ("two", 1, 5.0)
    assert (oldest.batch, oldest.rows, oldest.features["fare"].nulls) == ("one", 3, 1)


def test_a_batch_that_comes_again_is_not_counted_again(project: ps.Project) -> None:
    project.features.apply(declared())
    for _ in range(3):
        project.features.ingest("rides", rows([1.0, 2.0]), batch="one")
    found = project.features["rides"].statistics
    assert found is not None
    assert (found.rows, found.ingests) == (2, 1)


def test_what_a_killed_ingest_did_not_record_is_counted_later(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.features.apply(declared())
    project.features.ingest("rides", rows([1.0]))
    with monkeypatch.context() as killed:

        def kill(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        killed.setattr(store, "count_commit", kill)
        with pytest.raises(KeyboardInterrupt):
            project.features.ingest("rides", rows([2.0, 3.0]), batch="killed")
    assert project.features.ingest("rides", rows([2.0, 3.0]), batch="killed").repeated
    project.features.ingest("rides", rows([4.0]))
    found = ps.open(project.root).features["rides"]
    assert found.statistics is not None
    assert (found.statistics.rows, found.statistics.features["fare"].mean) == (4, 2.5)
    assert [each.rows for each in found.ingests] == [1, 2, 1]


def test_a_new_version_has_the_statistics_of_the_rows_before_it(project: ps.Project) -> None:
    project.features.apply(declared())
    project.features.ingest("rides", rows([1.0, 2.0]), batch="one")
    project.features.ingest("rides", rows([6.0]), batch="two")
    project.features.apply(declared(description="only words"))
    assert len(project.metadata.find(IngestStatistics)) == 2
    assert [each.batch for each in project.features["rides"].ingests] == ["two", "one"]
    assert len(project.metadata.find(IngestStatistics)) == 2  # what rows are like does not hang on words
    project.features.apply(declared(features={"half": "fare / 2"}))
    newest, oldest = project.features["rides"].ingests
    assert (newest.batch, newest.features["half"].mean, oldest.features["half"].mean) == ("two", 3.0, 0.75)
    assert "half" not in project.features["rides@2"].ingests[0].features


def test_forgotten_and_expired_rows_are_not_counted(project: ps.Project) -> None:
    project.features.apply(declared())
    project.features.ingest("rides", rows([1.0, 2.0, 3.0]), batch="one")
    project.features.ingest("rides", rows([10.0, 20.0], day=5, first=100), batch="two")
    project.features.forget("rides", {"id": [0, 101]})
    newest, oldest = project.features["rides"].ingests
    assert (newest.batch, newest.rows, newest.features["fare"].max) == ("two", 1, 10.0)
    assert (oldest.batch, oldest.rows, oldest.features["fare"].min) == ("one", 2, 2.0)
    project.features.expire("rides", before=START + dt.timedelta(days=4))
    found = project.features["rides"].statistics
    assert found is not None
    assert (found.rows, found.features["fare"].mean, found.first_event) == (1, 10.0, START + dt.timedelta(days=5))


def test_a_value_that_was_forgotten_is_in_no_record(project: ps.Project) -> None:
    project.features.apply(declared())
    named = rows([1.0]).set_column(3, "city", pa.array(["Grandma's street"]))
    project.features.ingest("rides", named)
    assert "Grandma" in repr(project.metadata.find(IngestStatistics))
    project.features.forget("rides", {"id": [0]})
    assert "Grandma" not in repr(project.metadata.find(IngestStatistics))


def test_many_small_ingests_are_put_together_and_none_is_lost(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "KEPT", 3)
    project.features.apply(declared())
    for number in range(16):
        project.features.ingest("rides", rows([float(number)], first=number), batch=f"b{number}")
    assert len(project.metadata.find(IngestStatistics)) <= 9
    found = project.features["rides"].statistics
    assert found is not None
    assert (found.rows, found.ingests, found.features["fare"].mean) == (16, 16, pytest.approx(7.5))
    ingests = project.features["rides"].ingests
    assert [each.batch for each in ingests[:3]] == ["b15", "b14", "b13"]
    assert sum(each.rows for each in ingests) == 16


def test_records_that_cover_each_other_count_once(project: ps.Project) -> None:
    """Two processes that count what is missing at the same time may cut it in different places."""
    project.features.apply(declared())
    for number in range(4):
        project.features.ingest("rides", rows([float(number)], first=number))
    records = project.metadata.find(IngestStatistics)
    wider = counting.merged(sorted(records, key=lambda each: each.first)[:3])
    project.metadata.insert(wider)
    project.metadata.delete(IngestStatistics, first=4)
    beyond = replace(records[0], first=3, last=4, rows=2)
    project.metadata.insert(beyond)
    found = project.features["rides"].statistics
    assert found is not None
    assert (found.rows, found.features["fare"].mean) == (4, 1.5)


def test_of_writers_at_the_same_time_every_row_is_counted_once(project: ps.Project) -> None:
    project.features.apply(declared())

    def write(writer: int) -> None:
        own = ps.open(project.root)
        for number in range(5):
            own.features.ingest("rides", rows([float(writer)] * 3, first=100 * writer), batch=f"{writer}-{number}")
            assert own.features["rides"].statistics is not None  # who looks counts what is missing just then

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = project.features["rides"].statistics
    assert found is not None
    assert (found.rows, found.features["fare"].mean, found.features["fare"].max) == (60, pytest.approx(1.5), 3.0)
    assert sum(each.rows for each in project.features["rides"].ingests) == 60


def test_drift_shows_between_ingests(project: ps.Project) -> None:
    draw = np.random.default_rng(3)
    project.features.apply(declared())
    for place, centre in enumerate((1.0, 1.0, 3.0)):
        project.features.ingest("rides", rows(draw.lognormal(centre, 1, 2000).tolist(), first=place * 2000))
    newest, before, first = project.features["rides"].ingests
    still, moved = before.drift(first), newest.drift(before)
    assert still["fare"] is not None
    assert moved["fare"] is not None
    assert still["fare"] < 0.02 < 0.3 < moved["fare"]
    assert moved["city"] == 0.0
    project.features.ingest("rides", rows([1.0] * 5))
    assert project.features["rides"].ingests[0].drift(newest)["fare"] is None  # five values tell nothing


def test_what_is_told_is_plain_json(project: ps.Project) -> None:
    project.features.apply(declared())
    project.features.ingest("rides", rows([math.nan, math.inf, 1.0, None]))
    told = project.features["rides"].describe()["statistics"]
    assert msgspec.json.decode(msgspec.json.encode(told)) == told
    assert (told["features"]["fare"]["not_finite"], told["features"]["fare"]["mean"]) == (2, 1.0)
    project.features.apply(declared(features={"nothing": "fare * 0"}))
    nothing = project.features["rides"].describe()["statistics"]["features"]["nothing"]
    assert (nothing["min"], nothing["mean"], nothing["max"]) == (0.0, 0.0, 0.0)
    assert not {"top", "others"} & set(nothing)
