"""A large commit gets through, though small ones come all the time."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.features.history import commits
from penstock.features.history.tables import History

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def rows(name: str, count: int) -> pa.Table:
    return pa.table({"who": [name] * count, "at": pa.array([AT] * count, pa.timestamp("us", "UTC"))})


class Slow:
    """Rows that take their time, each time that they are gone through."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.num_rows, self.schema, self.attempts = table.num_rows, table.schema, 0

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        self.attempts += 1
        time.sleep(0.7)
        yield from self._table.to_batches()


def test_small_commits_wait_for_a_large_one_that_lost_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_LARGE_SECONDS", 0.6)
    uri = str(tmp_path / "h")
    History(uri).append(rows("first", 1), timestamp="at")
    stop = threading.Event()
    small = 0

    def write() -> None:
        nonlocal small
        while not stop.is_set():
            History(uri).append(rows("small", 1), timestamp="at")
            small += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        large = Slow(rows("large", 5))
        commit = History(uri).append(large, timestamp="at")
    finally:
        stop.set()
        thread.join()
    assert commit is not None
    assert 2 <= large.attempts <= 10  # without its turn it would lose as long as the other writes
    read = History(uri).read(["who"])
    assert read.column("_sequence").to_pylist() == list(range(1, small + 7))
    assert read.column("who").to_pylist()[commit.first - 1 : commit.last] == ["large"] * 5
    last = time.monotonic()
    History(uri).append(rows("after", 1), timestamp="at")
    assert time.monotonic() - last < 2  # the turn is given back with the commit


def test_a_turn_that_nobody_gives_back_ends_by_itself(tmp_path: Path) -> None:
    held = History(str(tmp_path / "h"))
    held.append(rows("first", 1), timestamp="at")
    assert commits.CommitLog(held.uri, dict).take_turn(0.5)  # and its process is killed
    began = time.monotonic()
    assert History(held.uri).append(rows("next", 1), timestamp="at") is not None
    assert 0.3 < time.monotonic() - began < 30
    assert held.read(["who"]).num_rows == 2
