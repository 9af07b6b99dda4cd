"""Ground truth: whatever comes late, twice or corrected, the newest label of an id counts, and all are kept."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from log_worlds import AT, graph, logged, numbered, rows_of

from penstock.errors import DataError, StorageError
from penstock.production import Place, add_labels, label_history, label_rows, labels, read_labels
from penstock.production.joined import served
from penstock.production.labels import MOST_PARTS
from penstock.production.parts import parts
from penstock.production.records import RecordForm, utc

GRAPH = graph()
FORM = RecordForm(GRAPH, 2, "d2")


def told(folder: Path, *labels: tuple[str, float | None], now: float = AT, **how: str) -> int:
    rows = pa.Table.from_pylist(
        [{"id": id, "y": value} for id, value in labels], pa.schema([("id", pa.string()), ("y", pa.float64())])
    )
    return add_labels(folder, "km", label_rows(GRAPH, rows, now=now, **how), now=now)


def newest(folder: Path) -> dict[str, float | None]:
    found = read_labels(folder, "km")
    return {} if found is None else dict(zip(found["id"].to_pylist(), found["label"].to_pylist(), strict=True))


def test_the_newest_label_counts_and_all_are_kept(tmp_path: Path) -> None:
    assert read_labels(tmp_path, "km") is None
    assert told(tmp_path, ("a", 1.0), ("b", 2.0)) == 2
    told(tmp_path, ("a", 3.0), now=AT + 10)
    told(tmp_path, ("b", 7.0), now=AT - 10)  # it was found to be so before
    told(tmp_path, ("c", 4.0), ("c", None), now=AT + 20)  # taken back
    assert newest(tmp_path) == {"a": 3.0, "b": 2.0, "c": None}
    history = label_history(tmp_path, "km")
    assert history is not None
    assert [(row["id"], row["label"]) for row in history.to_pylist()] == [
        ("b", 7.0), ("a", 1.0), ("b", 2.0), ("a", 3.0), ("c", 4.0), ("c", None),
    ]  # fmt: skip


def test_the_labels_of_some_ids_are_found_among_many(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(labels, "_ROWS_AT_ONCE", 7)
    for number in range(20):
        told(tmp_path, (f"r{number}", 1.0), (f"r{number + 1}", 2.0), ("other", 3.0), now=AT + number)
    ids = pa.array(["r4", "r9", "nobody"])
    found = read_labels(tmp_path, "km", ids)
    assert found is not None
    assert dict(zip(found["id"].to_pylist(), found["label"].to_pylist(), strict=True)) == {"r4": 1.0, "r9": 1.0}
    assert newest(tmp_path) == {"other": 3.0, "r20": 2.0} | {f"r{number}": 1.0 for number in range(20)}
    nothing = read_labels(tmp_path, "km", pa.array(["nobody"]))
    assert nothing is not None
    assert nothing.num_rows == 0


def test_a_version_with_labels_of_another_type_has_its_own(tmp_path: Path) -> None:
    words = graph(outputs={"predicted_y": "string"})
    place = Place(requests=tmp_path / "r", labels=tmp_path / "l", graph=lambda name, at: {2: GRAPH, 3: words}[at])
    of_words = ((f"w{n}", AT + n, {"km": n, "city": "x"}, {"predicted_y": "far"}) for n in range(3))
    logged(place.requests, numbered(FORM, range(3)), rows_of(RecordForm(words, 3, "d3"), of_words))
    told(place.labels, ("r1", 5.0))
    add_labels(place.labels, "km", label_rows(words, pa.table({"id": ["w2"], "y": ["near"]}), now=AT), now=AT)
    numbers, texts = served(place, "km", since=AT - 1, until=AT + 100)
    assert (numbers.labels.to_pylist(), texts.labels.to_pylist()) == ([None, 5.0, None], [None, None, "near"])
    add_labels(place.labels, "km", label_rows(words, pa.table({"id": ["r2"], "y": ["near"]}), now=AT), now=AT)
    with pytest.raises(DataError, match=r"predicts float64.*tell the labels of those rows again"):
        served(place, "km", since=AT - 1, until=AT + 100)


def test_labels_that_come_one_by_one_all_day_lie_in_few_files_and_each_day_that_is_over_in_one(tmp_path: Path) -> None:
    expected = {}
    for day in range(3):
        for number in range(12 * MOST_PARTS):
            told(tmp_path, (f"{day}-{number % 50}", float(number)), now=AT + day * 86400 + number)
            expected[f"{day}-{number % 50}"] = float(number)
    assert newest(tmp_path) == expected
    history = label_history(tmp_path, "km")
    assert history is not None
    assert history.num_rows == 3 * 12 * MOST_PARTS
    counts = Counter(part.day for part in parts(tmp_path))
    assert [counts[f"2026-11-{day}"] for day in (18, 19)] == [1, 1]
    assert counts["2026-11-20"] <= MOST_PARTS


def test_a_large_file_of_labels_is_not_written_again_for_each_label_that_comes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(labels, "PART_BYTES", 4000)
    told(tmp_path, *((f"r{number}", float(number)) for number in range(2000)))
    [large] = parts(tmp_path)
    written = large.path.stat()
    for number in range(3 * MOST_PARTS):
        told(tmp_path, (f"r{number}", -1.0), now=AT + 1 + number)
    assert large.path.stat() == written
    assert sum(value == -1.0 for value in newest(tmp_path).values()) == 3 * MOST_PARTS


def test_of_labels_of_one_moment_the_one_that_is_told_last_counts(tmp_path: Path) -> None:
    for number in range(3 * MOST_PARTS):
        told(tmp_path, ("a", float(number)))
        assert newest(tmp_path) == {"a": float(number)}


def test_labels_that_cannot_be_written_are_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.write_text("a file")
    with pytest.raises(StorageError, match=r"labels of model 'km' cannot be written below .*labels.*tell them again"):
        told(folder, ("a", 1.0))
    folder.unlink()
    assert told(folder, ("a", 1.0)) == 1


def test_labels_that_are_older_than_may_be_kept_go(tmp_path: Path) -> None:
    told(tmp_path, ("a", 1.0), now=AT - 3 * 86400)
    told(tmp_path, ("b", 2.0), now=AT - 86400)
    rows = label_rows(GRAPH, pa.table({"id": ["c"], "y": [3.0]}), now=AT)
    add_labels(tmp_path, "km", rows, now=AT, keep_seconds=2 * 86400)
    assert newest(tmp_path) == {"b": 2.0, "c": 3.0}


def test_labels_that_come_before_their_rows_wait_for_them(tmp_path: Path) -> None:
    place = Place(requests=tmp_path / "requests", labels=tmp_path / "labels", graph=lambda name, version: GRAPH)
    told(place.labels, ("r1", 5.0), ("nobody", 6.0))
    logged(place.requests, numbered(FORM, range(3)))
    [found] = served(place, "km", since=AT - 1, until=AT + 100)
    assert found.labels is not None
    assert found.labels.to_pylist() == [None, 5.0, None]
    assert found.label_count == 1


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, 15), st.none() | st.floats(-9, 9), st.integers(0, 9)), max_size=30),
)
def test_the_log_with_its_labels_is_the_join_by_brute_force(tmp_path_factory, numbers, labels) -> None:
    folder = tmp_path_factory.mktemp("join")
    place = Place(requests=folder / "requests", labels=folder / "labels", graph=lambda name, version: GRAPH)
    logged(place.requests, *(numbered(FORM, [number]) for number in numbers))
    for number, value, moment in labels:
        told(place.labels, (f"r{number}", value), now=AT + moment)
    [found] = served(place, "km", since=AT - 1, until=AT + 100)
    assert found.labels is not None
    by_id = dict(zip(found.rows["id"].to_pylist(), found.labels.to_pylist(), strict=True))
    expected = {}
    for number in set(numbers):
        of_id = [(moment, place, value) for place, (each, value, moment) in enumerate(labels) if each == number]
        expected[f"r{number}"] = max(of_id, key=lambda each: each[:2])[2] if of_id else None
    assert by_id == expected


def test_the_time_of_a_label_may_be_a_column(tmp_path: Path) -> None:
    for column in ([utc(AT + 5), utc(AT + 1)], ["2026-11-18T11:06:45Z", "2026-11-18T12:06:41+01:00"]):
        rows = pa.table({"id": ["a", "a"], "label": [1, 2], "at": column})
        made = label_rows(GRAPH, rows, time="at", now=AT + 9)
        assert made["time"].to_pylist() == [utc(AT + 5), utc(AT + 1)]
        assert made["received"].to_pylist() == [utc(AT + 9)] * 2
        assert made["label"].to_pylist() == [1.0, 2.0]
    add_labels(tmp_path, "km", made, now=AT + 9)
    assert newest(tmp_path) == {"a": 1.0}


@pytest.mark.parametrize(
    ("rows", "how", "said"),
    [
        ({"id": ["a"], "z": [1.0]}, {}, "need the columns id, label; the rows have: id, z"),
        ({"name": ["a"], "y": [1.0]}, {}, "need the columns id, y"),
        ({"id": ["a"], "y": ["far"]}, {}, "column y is string, not float64"),
        ({"id": [None], "y": [1.0]}, {}, "some row has no id"),
        ({"id": [""], "y": [1.0]}, {}, "some row has no id"),
        ({"id": ["a"], "y": [1.0], "at": ["2026-11-18T08:26:45"]}, {"time": "at"}, "has no zone"),
        ({"id": ["a"], "y": [1.0]}, {"label": "delay"}, "need the columns id, delay"),
    ],
)
def test_what_is_wrong_with_labels_is_named(rows, how, said) -> None:
    with pytest.raises(DataError, match=said):
        label_rows(GRAPH, pa.table(rows), now=AT, **how)


def test_a_model_without_one_label_takes_none() -> None:
    clusters = graph(outputs={"CENTROID_ID": "int64"})
    with pytest.raises(DataError, match="predicts CENTROID_ID, no one label"):
        label_rows(clusters, pa.table({"id": ["a"], "y": [1]}), now=AT)


def _tell(folder: Path, name: str) -> None:
    for number in range(60):
        told(folder, (f"{name}{number % 20}", float(number)), now=AT + number)


def test_labels_that_come_one_by_one_from_several_processes_make_few_files_and_none_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_tell, args=(tmp_path, name)) for name in "ab"]
    for each in started:
        each.start()
    seen = 0
    while any(each.is_alive() for each in started):
        now_there = len(newest(tmp_path))
        assert now_there >= seen
        seen = now_there
    for each in started:
        each.join()
        assert each.exitcode == 0
    assert newest(tmp_path) == {f"{name}{number}": float(40 + number) for name in "ab" for number in range(20)}
    assert len(parts(tmp_path)) <= MOST_PARTS + 2
