"""Tiles: each row counts once whoever is killed when, whatever is taken out is out, and nothing stays for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from feature_oracle import instant
from window_oracle import EPOCH_OFFSET

import penstock as ps
from penstock.errors import DataError, DeclarationError
from penstock.features import OnlineStore
from penstock.features.online import tiles, window_online
from penstock.features.online.tiles import place

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def purchases(*rows: tuple[int, int, float]) -> pa.Table:
    cards, times, amounts = zip(*rows, strict=True)
    return pa.table(
        {
            "card": pa.array(cards, pa.int64()),
            "at": pa.array([instant(time) for time in times], pa.timestamp("us", "UTC")),
            "amount": pa.array(amounts, pa.float64()),
        }
    )


def spending(**more: Any) -> ps.FeatureSet:
    features = {"count_1d": ps.col("amount").count().over("1d"), "sum_7d": ps.col("amount").sum().over("7d"), **more}
    return ps.feature_set("spending", entities={"card": "int64"}, timestamp="at", features=features,
                          columns={"amount": "float64"})  # fmt: skip


def row(project: ps.Project, card: int, at: int, *names: str) -> list[Any]:
    features = [f"spending:{name}" for name in names or ("count_1d", "sum_7d")]
    return project.features.reader(features).row({"card": card}, now=EPOCH_OFFSET + at)[0]


@pytest.fixture
def project(online_root: Path) -> ps.Project:
    return ps.open(online_root)


class Killed(BaseException):
    """A process that ends here."""


@pytest.mark.parametrize("after", [False, True])
def test_a_bring_up_that_is_killed_counts_every_row_once(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    project.features.apply(spending())
    project.features.ingest("spending", purchases((1, 0, 1.0), (1, HOUR, 2.0)))
    store = type(project.features.places.online)
    put = store.put_tiles

    def killed(self: OnlineStore, tiles: Mapping[tuple[bytes, bytes], bytes], *, mark: Any) -> bool:
        if after:
            put(self, tiles, mark=mark)
        raise Killed

    monkeypatch.setattr(store, "put_tiles", killed)
    with pytest.raises(Killed):
        project.features.ingest("spending", purchases((1, 2 * HOUR, 4.0)))
    monkeypatch.setattr(store, "put_tiles", put)
    assert row(project, 1, 3 * HOUR) == ([3, 7.0] if after else [2, 3.0])
    for _ in range(2):
        project.features.materialize("spending")
        assert row(project, 1, 3 * HOUR) == [3, 7.0]


INGESTING = """
import sys, datetime as dt, pyarrow as pa, penstock as ps
features = ps.open(sys.argv[1]).features
start = dt.datetime(2026, 3, 28, 22, tzinfo=dt.UTC)
for number in range(10_000):
    at = [start + dt.timedelta(minutes=number % 600)] * 2
    features.ingest("spending", pa.table({"card": [1, 2], "at": at, "amount": [0.1, 0.7]}))
    print(number, flush=True)
"""


@pytest.mark.parametrize("most_rows", [3, 128])
def test_processes_that_are_killed_while_they_ingest_leave_online_as_history(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    project.features.apply(spending())
    code = INGESTING.replace(
        "features = ", f"from penstock.features.online import tiles; tiles.MOST_ROWS = {most_rows}\nfeatures = "
    )
    for lines in (1, 4, 7):
        process = subprocess.Popen([sys.executable, "-c", code, str(project.root)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        time.sleep(0.003 * lines)  # somewhere within the next ingest
        process.kill()
        process.wait()
        process.stdout.close()
    monkeypatch.setattr(tiles, "MOST_ROWS", most_rows)
    project.features.materialize("spending")
    asked = pa.table(
        {"card": [1, 2], "event_timestamp": pa.array([instant(DAY - HOUR)] * 2, pa.timestamp("us", "UTC"))}
    )
    references = ["spending:count_1d", "spending:sum_7d"]
    history = project.features.get_historical_features(asked, references)
    online = project.features.get_online_features(references, {"card": [1, 2]}, now=EPOCH_OFFSET + DAY - HOUR)
    assert online.equals(history.drop_columns(["event_timestamp"]))
    assert online.column("count_1d")[0].as_py() >= 12


def test_tiles_brought_up_by_several_at_once_hold_every_row_once(project: ps.Project) -> None:
    project.features.apply(spending())

    def ingest(number: int) -> None:
        mine = ps.open(project.root)
        for turn in range(5):
            mine.features.ingest("spending", purchases((1, number * HOUR + turn, 1.0), (2, turn, 0.5)))

    threads = [threading.Thread(target=ingest, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert row(project, 1, 5 * HOUR) == [20, 20.0]
    assert row(project, 2, 5 * HOUR) == [20, 10.0]


def test_a_window_that_is_added_is_filled_from_history(project: ps.Project) -> None:
    project.features.apply(spending())
    project.features.ingest("spending", purchases((1, 0, 1.0), (1, DAY, 5.0), (2, DAY, 3.0)))
    applied = project.features.apply(spending(most_30d=ps.col("amount").max().over("30d")))
    assert applied.version == 2
    assert row(project, 1, 2 * DAY, "most_30d", "sum_7d") == [5.0, 6.0]
    assert row(project, 3, 2 * DAY, "most_30d", "count_1d") == [None, 0]


def test_a_version_before_the_newest_is_kept_up_too(project: ps.Project, caplog: pytest.LogCaptureFixture) -> None:
    rate = ps.col("amount") / ps.col("amount")
    project.features.apply(spending(rate=rate))
    project.features.apply(spending(rate=rate, most=ps.col("amount").max().over("1d")))
    project.features.ingest("spending", purchases((1, 0, 1.0)))
    references = ["spending@1:count_1d", "spending@1:rate"]
    assert project.features.reader(references).row({"card": 1}, now=EPOCH_OFFSET + 1)[0] == [1.0, 1]
    project.features.apply(spending(rate=ps.col("amount").safe_divide(ps.col("amount"))))
    project.features.ingest("spending", purchases((1, 1, 0.0)))  # which the first two refuse: 0 / 0
    assert row(project, 1, 2, "rate", "count_1d") == [None, 2]
    assert "spending@1 stays behind spending@3" in caplog.text


def test_expressions_over_windows_are_the_same_in_both_paths(project: ps.Project) -> None:
    amount = ps.col("amount")
    per_day = amount.sum().over("1d") / amount.count().over("7d")
    large = amount.count().where(amount > 2).over("7d")
    sizes = amount.last_n(2).over("7d").array_length()
    share = large * 1.0 / amount.count().over("7d")
    project.features.apply(spending(per_day=per_day, large=large, share=share, sizes=sizes))
    project.features.ingest("spending", purchases((1, 0, 1.0), (1, HOUR, 2.5), (1, DAY, 4.0)))
    names = ["per_day", "large", "share", "sizes"]
    for at in (1, HOUR, HOUR + 1, DAY + 1, 2 * DAY):
        asked = pa.table({"card": [1], "event_timestamp": pa.array([instant(at)], pa.timestamp("us", "UTC"))})
        told = project.features.get_historical_features(asked, [f"spending:{name}" for name in names])
        assert row(project, 1, at, *names) == [told.column(name)[0].as_py() for name in names]
    assert row(project, 1, DAY + 1, *names) == [7.5 / 3, 2, 2 / 3, 2]


def test_tiles_older_than_any_window_are_deleted_and_asking_for_them_is_refused(project: ps.Project) -> None:
    project.features.apply(spending())
    project.features.ingest("spending", purchases((1, 0, 1.0), (2, 0, 1.0)))
    project.features.ingest("spending", purchases((1, 30 * DAY, 2.0)))
    assert row(project, 1, 31 * DAY) == [1, 2.0]
    told = r"as of 2026-03-.*\+00:00 its windows reach back to .* before 2026-04-\S+ are no more online\. Ask get_hist"
    with pytest.raises(DataError, match=told):
        row(project, 2, HOUR)
    tiles = project.features.places.online.tiles
    owner = window_online.owner_maker(project.features["spending"].versions[0])
    everything = [(place(0, -(1 << 40)), place(2, 1 << 40))]
    assert [len(found) for found in tiles([(owner([1]), everything), (owner([2]), everything)])] == [1, 0]
    project.features.ingest("spending", purchases((2, 1, 1.0)))  # too late to count in any window
    assert tiles([(owner([2]), everything)]) == [{}]


def test_events_before_1970_count_too(project: ps.Project) -> None:
    project.features.apply(spending())
    then = -EPOCH_OFFSET - 3 * DAY
    project.features.ingest("spending", purchases((1, then, 1.0), (1, then - 6 * DAY, 2.0)))
    assert row(project, 1, then + 1) == [1, 3.0]
    assert row(project, 1, then) == [0, 2.0]


def test_an_event_of_the_far_future_does_not_delete_tiles(project: ps.Project) -> None:
    project.features.apply(spending())
    project.features.ingest("spending", purchases((1, 0, 1.0)))
    now = int(window_online.time.time() * 1e6) - EPOCH_OFFSET
    project.features.ingest("spending", purchases((1, now - HOUR, 2.0), (1, now + 40_000 * DAY, 4.0)))
    assert row(project, 1, now) == [1, 2.0]


def test_a_forgotten_entity_has_no_tiles_and_what_expired_counts_no_more(project: ps.Project) -> None:
    project.features.apply(spending())
    project.features.ingest("spending", purchases((1, 0, 1.0), (1, DAY, 2.0), (2, 0, 4.0), (2, DAY, 8.0)))
    project.features.forget("spending", {"card": [1]})
    assert row(project, 1, 2 * DAY) == [0, None]
    assert row(project, 2, 2 * DAY) == [1, 12.0]
    project.features.expire("spending", before=instant(HOUR))
    assert row(project, 2, 2 * DAY) == [1, 8.0]


def test_windows_that_cannot_be_are_refused_when_they_are_declared(project: ps.Project) -> None:
    amount = ps.col("amount")
    wrong = {
        "mixes the row's own 'amount'": amount - amount.mean().over("1d"),
        "cannot stand within an aggregate": (amount.sum().over("1d") + 1).max().over("7d"),
        "sum takes numbers": amount.cast("string").sum().over("1d"),
        "where amount: and takes bool": amount.count().where(amount).over("1d"),
    }
    for message, expr in wrong.items():
        with pytest.raises(DeclarationError, match=message):
            project.features.apply(spending(wrong=expr))


def test_a_window_of_five_minutes_slides_and_one_with_its_own_hop_tumbles() -> None:
    sliding = ps.col("x").count().over("5m").args[5].args[0]
    assert sliding == SECOND
    assert ps.col("x").count().over("1s").args[5].args[0] == 1
    assert ps.col("x").count().over("1h", hop="1h").args[4].args[0] == HOUR


# --- the store


@pytest.fixture
def store(project: ps.Project) -> OnlineStore:
    return project.features.places.online


LONG = [b"wset\0" + bytes([letter]) * 600 for letter in b"ab"]


@pytest.mark.parametrize("owner", [b"wset\0\x01", *LONG])
def test_tiles_come_back_by_ranges_of_places_of_their_owner(store: OnlineStore, owner: bytes) -> None:
    other = b"wset\0\x02"
    places = [place(level, number) for level in (0, 1) for number in (-2, -1, 0, 1)]
    tiles = {(each, where): each[:6] + where for each in (owner, other) for where in places}
    assert store.put_tiles(tiles, mark=(b"m", 0, 3))
    both = store.tiles([(owner, [(places[1], places[2]), (places[4], places[4])]), (other, [(places[7], places[7])])])
    assert both == [{p: owner[:6] + p for p in (places[1], places[2], places[4])}, {places[7]: other[:6] + places[7]}]
    assert store.tiles([(b"wset\0\x03", [(places[0], places[7])])]) == [{}]


def test_tiles_are_put_only_where_the_mark_is_as_it_was(store: OnlineStore) -> None:
    where = place(0, 1)
    assert store.put_tiles({(b"wa", where): b"1"}, mark=(b"m", 0, 5))
    assert not store.put_tiles({(b"wa", where): b"2"}, mark=(b"m", 0, 7))
    assert store.tiles([(b"wa", [(where, where)])]) == [{where: b"1"}]
    assert store.put_tiles({(b"wa", where): b"2"}, mark=(b"m", 5, 7))
    assert (store.mark(b"m"), store.tiles([(b"wa", [(where, where)])])) == (7, [{where: b"2"}])


def test_tiles_are_trimmed_deleted_and_cleared_of_their_owners_only(store: OnlineStore) -> None:
    everything = [(place(0, -9), place(2, 9))]
    owners = [b"wset\0\x01", b"wset\0\x02", b"wother\0\x01"]
    store.put_tiles({(o, place(level, n)): b"x" for o in owners for level in (0, 1) for n in (1, 2)}, mark=(b"m", 0, 1))
    assert store.trim_tiles(b"wset\0", [(place(0, -9), place(0, 2))]) == 2
    assert [len(found) for found in store.tiles([(owner, everything) for owner in owners])] == [3, 3, 4]
    assert store.delete([owners[0]]) == 3
    assert [len(found) for found in store.tiles([(owner, everything) for owner in owners])] == [0, 3, 4]
    assert store.clear(b"wset\0", mark=b"m") == 3
    assert [len(found) for found in store.tiles([(owner, everything) for owner in owners])] == [0, 0, 4]
    assert store.mark(b"m") == 0
