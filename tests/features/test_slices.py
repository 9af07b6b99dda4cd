"""Questions are answered in slices by several threads: every row once, in order, whatever there is of them."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.features.index import slices
from penstock.features.index.slices import in_slices

COLUMNS = {"x": "float64", "n": "int64", "t": "string", "b": "bool", "d": "date", "a": "array<int64>"}
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def threads() -> Iterator[int]:
    before = pa.cpu_count()
    pa.set_cpu_count(4)
    yield 4
    pa.set_cpu_count(before)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 1000])
@pytest.mark.parametrize("cpus", [1, 4])
def test_every_row_is_in_one_slice(monkeypatch: pytest.MonkeyPatch, threads: int, count: int, cpus: int) -> None:
    monkeypatch.setattr(slices, "SIZE", 64)
    pa.set_cpu_count(cpus)
    seen, workers = np.zeros(count, dtype=np.int64), set[int]()

    def work(part: slice) -> None:
        assert part.start % 8 == 0
        assert 0 < part.stop - part.start <= 64
        seen[part] += 1
        workers.add(threading.get_ident())

    running = threading.active_count()
    in_slices(count, work)
    assert seen.tolist() == [1] * count
    assert len(workers) <= cpus
    assert threading.active_count() == running


def test_what_goes_wrong_in_a_slice_is_raised(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(slices, "SIZE", 8)
    for bad in (0, 8, 72):

        def work(part: slice, bad: int = bad) -> None:
            if part.start == bad:
                raise ValueError(f"slice {bad}")

        with pytest.raises(ValueError, match=f"^slice {bad}$"):
            in_slices(80, work)


@pytest.fixture
def asked_of(project: ps.Project) -> ps.Project:
    """A project with rows on disk and rows ingested since, of keys that are numbers without gaps."""
    declared = ps.feature_set(
        "s", entities={"k": "int64"}, timestamp="event", ttl="40m", features=list(COLUMNS), columns=COLUMNS
    )
    project.features.apply(declared)
    random = np.random.default_rng(1)
    for count in (3000, 400):
        keys, minutes = random.integers(0, 50, count), random.integers(0, 3000, count)
        values = {
            "x": [None if m % 7 == 0 else m / 3 for m in minutes.tolist()],
            "n": [None if m % 5 == 0 else m for m in minutes.tolist()],
            "t": [None if m % 3 == 0 else f"t{m}" for m in minutes.tolist()],
            "b": [None if m % 4 == 0 else m % 2 == 1 for m in minutes.tolist()],
            "d": pa.array([None if m % 6 == 0 else m for m in minutes.tolist()], pa.int32()).cast(pa.date32()),
            "a": pa.array([None if m % 8 == 0 else [m, m + 1] for m in minutes.tolist()], pa.list_(pa.int64())),
        }
        rows = pa.table({"k": keys, "event": [START + datetime.timedelta(minutes=m) for m in minutes.tolist()]})
        project.features.ingest("s", pa.table({**dict(zip(rows.column_names, rows.columns, strict=True)), **values}))
        project.features.get_historical_features(questions(1), ["s:x"])
    return project


def questions(count: int) -> pa.Table:
    random = np.random.default_rng(count)
    minutes = random.integers(-10, 3100, count).tolist()
    return pa.table(
        {
            "k": pa.array(random.integers(-2, 53, count)),
            "event_timestamp": pa.array(
                [START + datetime.timedelta(minutes=m) for m in minutes], pa.timestamp("us", "UTC")
            ),
        }
    )


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 255, 256, 257, 1003])
def test_the_answer_in_slices_is_the_answer_in_one(
    asked_of: ps.Project, monkeypatch: pytest.MonkeyPatch, threads: int, count: int
) -> None:
    asked, features = questions(count), asked_of.features
    for names in (["s:*"], ["s:n"], ["s:t", "s:a"]):
        whole = features.get_historical_features(asked, names, statuses=True)
        with monkeypatch.context() as patched:
            patched.setattr(slices, "SIZE", 128)
            cut = features.get_historical_features(asked, names, statuses=True)
        assert cut.equals(whole)
        cut.validate(full=True)
        assert whole.num_rows == count
    if count > 100:
        assert set(whole.column("t__status").to_pylist()) == {"PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"}


def test_an_index_of_another_format_is_replaced_for_good(asked_of: ps.Project) -> None:
    before = asked_of.features.get_historical_features(questions(100), ["s:*"])
    for _ in range(2):  # the second one stands where the new one has to
        [manifest] = asked_of.root.glob(".penstock/index/s/*/*/manifest.json")
        manifest.write_bytes(manifest.read_bytes().replace(b'"format":', b'"format":1'))
        after = ps.open(asked_of.root).features.get_historical_features(questions(100), ["s:*"])
        assert before.equals(after)
        [manifest] = asked_of.root.glob(".penstock/index/s/*/*/manifest.json")
        assert b'"format":1' not in manifest.read_bytes()
    made = manifest.stat().st_ino
    again = ps.open(asked_of.root).features.get_historical_features(questions(100), ["s:*"])
    assert before.equals(again)
    assert manifest.stat().st_ino == made
