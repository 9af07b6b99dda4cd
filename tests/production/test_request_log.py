"""The log of answered requests: what is written is read, whole at any moment, and no more is kept than may be."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from log_worlds import AT, graph, logged, numbered, rows_of

from penstock.core.schema import Schema
from penstock.production import request_log
from penstock.production.parts import delete_part, parts
from penstock.production.reading import is_logged, read_requests, read_versions
from penstock.production.records import RecordForm, is_sampled, row_id, utc
from penstock.production.request_log import RequestLog

FORM = RecordForm(graph(), 2, "d2")
DAY = 86400.0


def test_what_is_written_is_read_with_its_types(tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    assert not is_logged(folder)
    assert read_requests(folder).num_rows == 0
    logged(folder, numbered(FORM, range(3)), numbered(FORM, [3], route="rare", shadow_version=3, shadow_error="no"))
    assert is_logged(folder)
    rows = read_versions(folder, "km")[2]
    assert rows.schema.equals(FORM.schema)
    assert rows["inputs"].to_pylist() == [{"km": float(n), "city": "x"} for n in range(4)]
    assert rows["outputs"].to_pylist() == [{"predicted_y": 2.0 * n} for n in range(4)]
    assert rows["time"].to_pylist() == [utc(AT + n) for n in range(4)]
    found = read_requests(folder).to_pylist()
    assert [json.loads(each["instance"])["km"] for each in found] == [0, 1, 2, 3]
    assert found[0]["prediction"] == '{"predicted_y":0.0}'
    assert (found[3]["route"], json.loads(found[3]["prediction"])["route"]) == ("rare", "rare")
    assert [each["shadow_version"] for each in found] == [None, None, None, 3]


def test_every_type_comes_back_and_bytes_are_told_by_their_digest(tmp_path: Path) -> None:
    types = {
        "flag": "bool", "count": "int64", "at": "timestamp", "day": "date", "hour": "time", "seen": "datetime",
        "tags": "array<string>", "place": "struct<x float64, y string>", "photo": "bytes",
    }  # fmt: skip
    made = graph(inputs=types, outputs={"predicted_y": "string"})
    instance = {
        "flag": True, "count": 2**62, "at": "2026-01-02T03:04:05+02:00", "day": "2026-01-02", "hour": "03:04:05",
        "seen": "2026-01-02T03:04:05", "tags": ["a", "b"], "place": {"x": 1.5, "y": "z"}, "photo": "aGVsbG8=",
    }  # fmt: skip
    record = ("r", AT, instance, {"predicted_y": "cat"})
    logged(tmp_path / "digests", rows_of(RecordForm(made, 1, "d"), [record, ("s", AT, {}, {"predicted_y": None})]))
    first, second = read_versions(tmp_path / "digests", "km")[1]["inputs"].to_pylist()
    assert first["photo"] == f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    assert (first["count"], first["at"].isoformat()) == (2**62, "2026-01-02T01:04:05+00:00")
    assert (first["tags"], first["place"]) == (["a", "b"], {"x": 1.5, "y": "z"})
    assert set(second.values()) == {None}
    logged(tmp_path / "bytes", rows_of(RecordForm(made, 1, "d", keep_bytes=True), [record]))
    assert read_versions(tmp_path / "bytes", "km")[1]["inputs"][0].as_py()["photo"] == b"hello"


def test_rows_lie_by_model_and_day_and_only_the_days_asked_for_are_read(tmp_path: Path) -> None:
    other = RecordForm(graph("a/b c"), 1, "d")
    logged(tmp_path, numbered(FORM, [0, int(DAY), int(2 * DAY)]), numbered(other, [5]))
    assert {path.parent.name for path in tmp_path.rglob("*.parquet")} == {f"day=2026-11-{day}" for day in (18, 19, 20)}
    assert {part.model for part in parts(tmp_path)} == {"km", "a/b c"}
    assert [part.day for part in parts(tmp_path, "km", since=AT + DAY)] == ["2026-11-19", "2026-11-20"]
    found = read_versions(tmp_path, "km", since=AT + 1, until=AT + 2 * DAY)
    assert found[2]["id"].to_pylist() == [f"r{int(DAY)}"]
    assert read_versions(tmp_path, "a/b c")[1].num_rows == 1


def test_a_model_is_found_by_the_name_that_it_is_registered_under(tmp_path: Path) -> None:
    logged(tmp_path, numbered(RecordForm(graph("declared"), 1, "d", model="registered"), [1]))
    assert {part.model for part in parts(tmp_path)} == {"registered"}
    assert read_versions(tmp_path, "registered")[1].num_rows == 1


def test_a_part_is_whole_at_every_moment_and_grows_until_it_is_full(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(request_log, "PART_ROWS", 25)
    log = RequestLog(tmp_path, 1 << 30)
    for number in range(10):
        log.add(numbered(FORM, range(10 * number, 10 * number + 10)))
        assert log.flush() == (10, 0, "")
        assert read_versions(tmp_path, "km")[2].num_rows == 10 * number + 10
    assert [pq.ParquetFile(part.path).metadata.num_rows for part in parts(tmp_path)] == [30, 30, 30, 10]


def test_few_rows_at_a_time_are_written_beside_the_part_and_with_it_now_and_then(tmp_path: Path) -> None:
    log, sizes = RequestLog(tmp_path, 1 << 30), set()
    for number in range(60):
        log.add(numbered(FORM, [number]))
        assert log.flush() == (1, 0, "")
        assert read_versions(tmp_path, "km")[2]["id"].to_pylist() == [f"r{n}" for n in range(number + 1)]
        assert read_requests(tmp_path).num_rows == number + 1
        [part] = parts(tmp_path)
        assert len(part.tails) <= 1
        sizes.add(pq.ParquetFile(part.path).metadata.num_rows)
    assert len(sizes) < 6
    log.close()
    assert [path.name for path in tmp_path.rglob("*.parquet")] == [part.path.name]


def test_a_tail_that_a_killed_server_left_behind_counts_once(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, 1 << 30)
    for number in range(3):
        log.add(numbered(FORM, [number]))
        log.flush()
    [part] = parts(tmp_path)
    [tail] = part.tails
    left = tail.read_bytes()
    assert left
    log.close()
    tail.write_bytes(left)  # as if it was killed when the part had been written, before the tail was deleted
    assert read_requests(tmp_path)["id"].to_pylist() == ["r0", "r1", "r2"]
    [part] = parts(tmp_path)
    delete_part(part)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_part_that_another_process_deletes_while_it_is_written_to_comes_back(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, 1 << 30)
    for number in range(3):
        log.add(numbered(FORM, [number]))
        log.flush()
        [part] = parts(tmp_path)
        delete_part(part)
    log.add(numbered(FORM, [3]))
    assert log.flush() == (1, 0, "")
    assert read_versions(tmp_path, "km")[2]["id"].to_pylist() == ["r0", "r1", "r2", "r3"]


def test_days_that_are_too_old_go_even_if_nobody_asks_any_more(tmp_path: Path) -> None:
    now = [AT]
    log = RequestLog(tmp_path, 1 << 30, 3 * DAY, clock=lambda: now[0])
    log.add(numbered(FORM, [0]))
    log.flush()
    now[0] = AT + 4 * DAY
    log.flush()
    assert not is_logged(tmp_path)


def test_rows_that_fill_more_than_a_part_go_into_several(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(request_log, "PART_ROWS", 40)
    logged(tmp_path, numbered(FORM, range(100)), numbered(FORM, range(100, 130)))
    sizes = [pq.ParquetFile(part.path).metadata.num_rows for part in parts(tmp_path)]
    assert max(sizes) <= 70
    assert read_versions(tmp_path, "km")[2]["id"].to_pylist() == [f"r{n}" for n in range(130)]


def test_the_oldest_go_where_there_is_more_than_may_be_kept(tmp_path: Path) -> None:
    most = 512 << 10
    log = RequestLog(tmp_path, most)
    for number in range(60):
        log.add(numbered(FORM, range(1000 * number, 1000 * number + 1000)))
        log.flush()
    size = sum(part.path.stat().st_size for part in parts(tmp_path))
    kept = read_versions(tmp_path, "km")[2]["id"].to_pylist()
    assert most / 4 < size <= most * 1.1
    assert kept == [f"r{n}" for n in range(60_000 - len(kept), 60_000)]


def test_days_that_are_too_old_go_and_so_does_what_a_killed_server_left(tmp_path: Path) -> None:
    logged(tmp_path, numbered(FORM, [0]))
    [part] = parts(tmp_path)
    left = part.path.with_name(".x.parquet.0f.unfinished")
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    log = RequestLog(tmp_path, 1 << 30, 3 * DAY, clock=lambda: AT + 4 * DAY)
    log.add(numbered(FORM, [int(4 * DAY)]))
    log.close()
    assert read_versions(tmp_path, "km")[2]["id"].to_pylist() == [f"r{int(4 * DAY)}"]
    assert not left.exists()


def test_what_a_disk_does_not_take_is_written_once_it_does(tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    folder.write_text("a file")
    log = RequestLog(folder, 1 << 20)
    for number in range(2):
        log.add(numbered(FORM, [number]))
        found = log.flush()
        assert (found.rows, found.lost) == (0, 0)
        assert "requests" in found.problem
    folder.unlink()
    log.add(numbered(FORM, [2]))
    assert log.flush() == (3, 0, "")
    assert read_versions(folder, "km")[2]["id"].to_pylist() == ["r0", "r1", "r2"]


def test_of_more_than_may_wait_for_a_disk_the_oldest_is_lost_and_counted(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(request_log, "PART_ROWS", 10)
    monkeypatch.setattr(request_log, "MOST_UNWRITTEN_BYTES", 3 * numbered(FORM, range(10)).nbytes)
    folder = tmp_path / "requests"
    folder.write_text("a file")
    log = RequestLog(folder, 1 << 30)
    lost = 0
    for number in range(8):
        log.add(numbered(FORM, range(10 * number, 10 * number + 10)))
        lost += log.flush().lost
    folder.unlink()
    wrote = log.flush()
    kept = read_versions(folder, "km")[2]["id"].to_pylist()
    assert kept == [f"r{number}" for number in range(80 - len(kept), 80)]
    assert 0 < len(kept) < 80
    assert (wrote.rows, lost) == (len(kept), 80 - len(kept))
    folder.rename(tmp_path / "before")
    folder.write_text("a file")
    log.add(numbered(FORM, range(3)))
    assert log.close()[:2] == (0, 3)


def _fill(folder: Path, results: Any) -> None:
    """Log while no file may be longer than some bytes, as on a full disk, and then once more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log, limits = RequestLog(folder, 1 << 30), resource.getrlimit(resource.RLIMIT_FSIZE)
    log.add(numbered(FORM, range(10)))
    log.flush()
    [part] = parts(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (part.path.stat().st_size + 100, limits[1]))
    log.add(numbered(FORM, range(10, 3000)))
    full = log.flush()
    results.put((full, read_versions(folder, "km")[2].num_rows, [path.name for path in folder.rglob("*unfinished")]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    results.put((log.flush(), read_versions(folder, "km")[2].num_rows))


def test_a_disk_that_is_full_leaves_what_is_there_whole_and_nothing_half(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=_fill, args=(tmp_path, results))
    process.start()
    full, rows, unfinished = results.get(timeout=60)
    assert (full.rows, full.lost, rows, unfinished) == (0, 0, 10, [])
    assert full.problem
    assert results.get(timeout=60) == ((2990, 0, ""), 3000)
    process.join()


def test_a_clock_that_is_set_back_loses_nothing_and_begins_a_new_part(tmp_path: Path) -> None:
    now = [AT + 5 * DAY]
    log = RequestLog(tmp_path, 1 << 30, 90 * DAY, clock=lambda: now[0])
    for moment in (5 * DAY, 5 * DAY + 1, 0, 1, 5 * DAY + 2):
        now[0] = AT + moment
        log.add(numbered(FORM, [int(moment)]))
        assert log.flush() == (1, 0, "")
    assert read_versions(tmp_path, "km")[2]["id"].to_pylist() == [
        f"r{int(moment)}" for moment in (0, 1, 5 * DAY, 5 * DAY + 1, 5 * DAY + 2)
    ]
    of_the_day = [part.path for part in parts(tmp_path) if part.day == "2026-11-23"]
    assert [pq.ParquetFile(path).metadata.num_rows for path in of_the_day] == [2, 1]


def test_an_id_that_one_version_answered_twice_counts_once_the_newest(tmp_path: Path) -> None:
    again = rows_of(FORM, [("r1", AT + 100, {"km": 7.0}, {"predicted_y": 70})])
    logged(tmp_path, again, numbered(FORM, range(3)), numbered(RecordForm(graph(), 3, "d3"), [1]))
    found = read_versions(tmp_path, "km")
    outputs = {row["id"]: row["outputs"]["predicted_y"] for row in found[2].to_pylist()}
    assert outputs == {"r0": 0, "r2": 4, "r1": 70}
    assert found[3].num_rows == 1
    assert read_requests(tmp_path).num_rows == 5


def test_a_setting_that_changes_what_is_logged_leaves_what_was_logged_before(tmp_path: Path) -> None:
    wider = RecordForm(graph(), 2, "d2", features=Schema.of(trips="int64"))
    logged(tmp_path, numbered(FORM, [0]))
    logged(tmp_path, numbered(wider, [1], features={"trips": 7}))
    assert read_versions(tmp_path, "km")[2]["features"].to_pylist() == [None, {"trips": 7}]


def test_a_share_is_always_the_same_ids_and_about_so_many() -> None:
    ids = [f"order-{number}".encode() for number in range(20_000)]
    chosen = [id for id in ids if is_sampled(id, 0.1)]
    assert chosen == [id for id in ids if is_sampled(id, 0.1)]
    assert 1700 < len(chosen) < 2300
    assert {id for id in ids if is_sampled(id, 0.05)} < set(chosen)
    assert all(is_sampled(id, 1.0) for id in ids)
    assert (row_id("r", 0, 1), row_id("r", 1, 2)) == ("r", "r/1")


def test_tables_are_logged_as_rows_of_requests_are(tmp_path: Path) -> None:
    rows = pa.table({"city": ["x", "y"], "km": [1.0, None], "predicted_y": [2.0, 3.0], "other": [1, 2]})
    table = FORM.batch(rows, ["b/0", "b/1"], {"time": utc(AT), "request": "b", "latency_seconds": 0.5})
    logged(tmp_path, table)
    found = read_versions(tmp_path, "km")[2]
    assert found["inputs"].to_pylist() == [{"km": 1.0, "city": "x"}, {"km": None, "city": "y"}]
    assert (found["id"].to_pylist(), found["version"].to_pylist()) == (["b/0", "b/1"], [2, 2])


def _write(folder: Path, name: str, flushes: int) -> None:
    log = RequestLog(folder, 1 << 30)
    for number in range(flushes):
        log.add(numbered(FORM, range(5 * number, 5 * number + 5), mark=name))
        log.flush()


def test_several_servers_write_one_log_and_it_is_whole_while_they_do(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_write, args=(tmp_path, name, 40)) for name in "abc"]
    for each in started:
        each.start()
    seen = dict.fromkeys("abc", 0)
    while any(each.is_alive() for each in started):
        ids = read_versions(tmp_path, "km")[2]["id"].to_pylist() if is_logged(tmp_path) else []
        for name, before in seen.items():
            own = sorted(int(id[1:]) for id in ids if id[0] == name)
            assert own == list(range(len(own)))
            assert len(own) >= before
            seen[name] = len(own)
    for each in started:
        each.join()
        assert each.exitcode == 0
    ids = read_versions(tmp_path, "km")[2]["id"].to_pylist()
    assert sorted(ids) == sorted(f"{name}{number}" for name in "abc" for number in range(200))


def test_a_server_that_is_killed_loses_what_was_not_flushed_and_leaves_no_broken_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        process = context.Process(target=_write, args=(folder, "k", 10_000))
        process.start()
        while not is_logged(folder):
            time.sleep(0.001)
        time.sleep(0.05 + 0.03 * attempt)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        ids = read_versions(folder, "km")[2]["id"].to_pylist()
        assert ids == [f"k{number}" for number in range(len(ids))]
        assert len(ids) % 5 == 0
