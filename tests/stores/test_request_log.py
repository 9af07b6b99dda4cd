"""The log of answered requests: what is written is read, and no more is kept than may be."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from penstock.stores.request_log import LoggedRow, RequestLog, is_logged, read_requests

AT = datetime(2026, 11, 28, 8, 30, tzinfo=UTC)


def row(number: int, **more: object) -> LoggedRow:
    given = {
        "time": AT + timedelta(microseconds=number), "request": "r", "row": number, "model": "km", "version": 2,
        "digest": "d2", "instance": msgspec.Raw(b'{"km": 3.10}'), "prediction": msgspec.Raw(b'{"y":6}'),
        "latency_seconds": 0.25,
    }  # fmt: skip
    return LoggedRow(**given | more)


def test_what_is_written_is_read_with_its_types(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests", 1 << 20)
    assert not is_logged(tmp_path / "requests")
    assert read_requests(tmp_path / "requests").num_rows == 0
    log.add([row(0), row(1, route="rare")])
    shadow = {"shadow_version": 3, "shadow_prediction": msgspec.Raw(b'{"y":7}'), "shadow_route": "typical"}
    log.add([row(2, **shadow), row(3, shadow_version=3, shadow_error="ValueError: no")])
    found = read_requests(tmp_path / "requests")
    assert is_logged(tmp_path / "requests")
    assert found.column("time").to_pylist() == [AT + timedelta(microseconds=number) for number in range(4)]
    first, *_, last = found.to_pylist()
    assert (first["instance"], first["prediction"], first["route"]) == ('{"km": 3.10}', '{"y":6}', None)
    assert (first["version"], first["latency_seconds"], first["shadow_version"]) == (2, 0.25, None)
    assert found.column("route").to_pylist() == [None, "rare", None, None]
    assert found.column("shadow_prediction").to_pylist() == [None, None, '{"y":7}', None]
    assert (last["shadow_version"], last["shadow_error"]) == (3, "ValueError: no")


def test_the_oldest_go_where_there_is_more_than_may_be_kept(tmp_path: Path) -> None:
    log, most = RequestLog(tmp_path, 64 * 1024), 64 * 1024
    for number in range(1000):
        log.add([row(number)])
    size = sum(part.stat().st_size for part in tmp_path.iterdir())
    kept = read_requests(tmp_path).column("row").to_pylist()
    assert most / 2 < size <= most
    assert kept == list(range(1000 - len(kept), 1000))


def test_others_of_one_folder_count_too(tmp_path: Path) -> None:
    one, other = RequestLog(tmp_path, 64 * 1024), RequestLog(tmp_path, 64 * 1024)
    for number in range(500):
        one.add([row(number)])
        other.add([row(number, request="other")])
    assert sum(part.stat().st_size for part in tmp_path.iterdir()) <= 64 * 1024 * 9 / 8
    assert set(read_requests(tmp_path).column("request").to_pylist()) == {"r", "other"}


def test_a_line_that_is_not_whole_yet_is_left(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, 1 << 20)
    log.add([row(0), row(1)])
    [part] = tmp_path.iterdir()
    part.write_bytes(part.read_bytes()[:-5])
    assert read_requests(tmp_path).column("row").to_pylist() == [0]


def _write(folder: Path, name: str) -> None:
    log = RequestLog(folder, 1 << 26)
    for number in range(200):
        log.add([row(number, request=name)])
    log.close()


def test_several_processes_write_one_log(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_write, args=(tmp_path, str(number))) for number in range(3)]
    for each in started:
        each.start()
    while any(each.is_alive() for each in started):
        read_requests(tmp_path)
    for each in started:
        each.join()
        assert each.exitcode == 0
    found = read_requests(tmp_path).group_by("request").aggregate([("row", "count")]).to_pylist()
    assert {each["request"]: each["row_count"] for each in found} == dict.fromkeys("012", 200)


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "requests").write_text("a file")
    with pytest.raises(OSError, match="requests"):
        RequestLog(tmp_path / "requests", 1 << 20).add([row(0)])
