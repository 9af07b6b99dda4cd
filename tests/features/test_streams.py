"""A stream is in the history exactly once, in order, whatever is read again, killed, or followed by two."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from stream_worlds import EVENTS, ListStream, numbers_in, row, stream_of

import penstock as ps
from penstock.errors import DataError, DeclarationError, StorageError
from penstock.features import Message
from penstock.features.history.tables import History
from penstock.features.ingest import following
from penstock.features.ingest.following import Pace


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PACE", Pace(messages=7, seconds=0.2))


def ipc(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def test_all_that_is_there_is_stored_in_order_and_once(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    stream = stream_of(*map(row, range(20)))
    done = project.features.ingest(EVENTS, stream)
    assert (done.rows, done.dead_letters) == (20, 0)
    assert stream.told == [{"s": 7}, {"s": 14}, {"s": 20}]
    assert project.features.ingest(EVENTS, stream_of(*map(row, range(25)))).rows == 5
    assert numbers_in(project) == list(range(25))
    assert project.features.get_online_features(["rides:number"], {"driver": [3]}).column("number").to_pylist() == [24]


def test_partitions_have_places_of_their_own(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    lines = [json.dumps(row(number)).encode() for number in range(30)]
    project.features.ingest(EVENTS, ListStream({"a": lines[:5], "b": lines[10:12]}, at_once=3))
    project.features.ingest(EVENTS, ListStream({"a": lines[:10], "b": lines[10:30]}, at_once=3))
    assert sorted(numbers_in(project)) == list(range(30))


BAD = {
    "no JSON": (b"fare: 7", "JSON is malformed"),
    "another type": (row(1, fare="7"), "got `str`|Invalid enum value"),
    "a lossy number": (row(1, number=7.5), "Expected `int"),
    "beyond a float": (row(1, fare=2**53 + 1), "'fare' is no float64 exactly"),
    "a missing key": ({"event": "2026-11-01T08:00:00Z", "fare": 1, "number": 1}, "missing required field `driver`"),
    "a key that is null": (row(1, driver=None), "'driver' is NULL"),
    "a time without a zone": (row(1, event="2026-11-01T08:00:00"), "timezone"),
    "a number beyond 64 bits": (row(1, number=2**63), "<= 9223372036854775807"),
    "no row": (b"7", "got `int`"),
    "no text": (b"\xff\xfe", "malformed|invalid"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_message_is_a_dead_letter_and_the_others_are_stored(project: ps.Project, kind: str) -> None:
    content, reason = BAD[kind]
    project.features.apply(EVENTS)
    stream = stream_of(row(0), content, row(2))
    done = project.features.ingest(EVENTS, stream)
    assert (done.rows, done.dead_letters) == (2, 1)
    assert numbers_in(project) == [0, 2]
    (letter,) = project.features.dead_letters.read("rides").to_pylist()
    assert (letter["source"], letter["position"]) == ("s", 2)
    assert re.search(reason, letter["reason"])
    if isinstance(content, dict):
        assert json.loads(letter["row"]) == content


def test_bad_messages_alone_are_kept_once_though_they_are_read_again(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    for _ in range(3):
        project.features.ingest(EVENTS, stream_of(b"x", b"y"))
    assert project.features.dead_letters.read("rides").column("row").to_pylist() == ["x", "y"]


def test_a_bad_message_fails_the_stream_that_is_told_to(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    with pytest.raises(DataError, match="message 9 of 's': JSON is malformed"):
        project.features.ingest(EVENTS, stream_of(*map(row, range(8)), b"x"), on_bad="fail")
    assert numbers_in(project) == list(range(7))  # the micro-batch before
    with pytest.raises(DataError, match="set aside"):
        project.features.ingest(EVENTS, stream_of(b"x"), on_bad="set_aside")
    with pytest.raises(DeclarationError, match="leave batch= out"):
        project.features.ingest(EVENTS, stream_of(b"x"), batch="b")


def test_a_message_may_hold_many_rows(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    project.features.ingest(EVENTS, stream_of([row(0), row(1)], row(2), [row(3), {**row(4), "driver": None}]))
    assert numbers_in(project) == [0, 1, 2, 3]
    assert project.features.dead_letters.count("rides") == 1


def test_arrow_payloads_are_checked_like_any_rows(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    event = pa.array([0, 0], pa.timestamp("us", "UTC"))
    good = pa.table({"driver": [1, None], "event": event, "fare": [1.5, 2.5], "number": [0, 1]})
    odd = good.set_column(2, "fare", pa.array(["1", "2"]))
    done = project.features.ingest(EVENTS, stream_of(ipc(good), ipc(odd), b"x", payload="arrow"))
    assert (done.rows, done.dead_letters) == (1, 3)
    assert numbers_in(project) == [0]


def test_every_type_comes_through_json_exactly(project: ps.Project) -> None:
    types = {
        "i": "int64", "f": "float64", "t": "string", "b": "bool", "d": "date", "n": "datetime",
        "z": "timestamp", "y": "bytes", "a": "array<int64>", "s": "struct<x int64, y string>",
    }  # fmt: skip
    declared = ps.feature_set("typed", entities={"k": "string"}, timestamp="at", features=list(types), columns=types)
    project.features.apply(declared)
    given = {
        "k": "a", "at": "2026-11-01T08:00:00+01:00", "i": 2**63 - 1, "f": "NaN", "t": "ü", "b": True, "d": "2026-01-31",
        "n": "2026-01-31T08:30:00.000001", "z": "2026-01-31T08:30:00Z", "y": "aGk=", "a": [1, 2],
        "s": {"x": 1, "y": "z"},
    }  # fmt: skip
    assert (
        project.features.ingest(declared, stream_of(given, dict.fromkeys(given) | {"k": "b", "at": given["at"]})).rows
        == 2
    )
    read = History(f"{project.root}/.penstock/history/typed").read([*types]).to_pylist()
    assert str(read[0].pop("f")) == "nan"
    assert [str(read[0][name]) for name in types if name != "f"] == [
        str(2**63 - 1), "ü", "True", "2026-01-31", "2026-01-31 08:30:00.000001",
        "2026-01-31 08:30:00+00:00", "b'hi'", "[1, 2]", "{'x': 1, 'y': 'z'}",
    ]  # fmt: skip
    assert {read[1][name] for name in types} == {None}


def test_following_goes_on_until_it_is_stopped_and_stores_what_was_read(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    stream, stop = stream_of(*map(row, range(10))), threading.Event()
    told: list[Any] = []
    thread = threading.Thread(
        target=lambda: told.append(project.features.ingest(EVENTS, stream, follow=stop)), daemon=True
    )
    thread.start()
    assert stream.empty.wait(60)
    stream._messages["s"].append(Message("s", 11, {"row": json.dumps(row(10)).encode()}))
    until(lambda: numbers_in(project) == list(range(11)))
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert told[0].rows == 11


def test_a_stream_that_is_away_is_waited_for_when_it_is_followed(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_BACKOFF_SECONDS", 0.01)
    project.features.apply(EVENTS)
    stream, stop = stream_of(*map(row, range(5))), threading.Event()
    read, failures = stream.read, iter([StorageError("away")] * 3)

    def flaky(*given: Any, **more: Any) -> Any:
        for error in failures:
            raise error
        found = read(*given, **more)
        if not found:
            stop.set()
        return found

    stream.read = flaky  # type: ignore[method-assign]
    assert project.features.ingest(EVENTS, stream, follow=stop).rows == 5
    failures = iter([StorageError("away")])
    with pytest.raises(StorageError, match="away"):
        project.features.ingest(EVENTS, stream)


def test_two_followers_store_each_message_once(project: ps.Project) -> None:
    project.features.apply(EVENTS)
    contents = [row(number) if number % 10 else b"bad" for number in range(1, 120)]
    stop = threading.Event()
    streams = [stream_of(*contents) for _ in range(3)]
    threads = [
        threading.Thread(target=lambda s=stream: ps.open(project.root).features.ingest(EVENTS, s, follow=stop))
        for stream in streams
    ]
    for thread in threads:
        thread.start()
    assert all(stream.empty.wait(120) for stream in streams)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert numbers_in(project) == [number for number in range(1, 120) if number % 10]
    assert project.features.dead_letters.count("rides") == 11


def test_an_interrupted_follower_goes_on_without_loss_or_repetition(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed at each of its steps in turn: before, between and after its commits."""
    project.features.apply(EVENTS)
    contents = [row(number) if number % 4 else b"bad" for number in range(1, 40)]
    steps = [
        (History, "append"),
        (following._Follower, "_keep"),
        (following._Follower, "_store"),
        (ListStream, "stored"),
    ]
    chance = random.Random(0)
    for owner, name in steps * 3:
        real = getattr(owner, name)
        before = chance.random() < 0.5
        left = chance.randrange(3)

        def dies(*given: Any, real: Any = real, before: bool = before, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0 and before:
                raise KeyboardInterrupt
            answer = real(*given, **more)
            if left < 0:
                raise KeyboardInterrupt
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, dies)
            with contextlib.suppress(KeyboardInterrupt):
                project.features.ingest(EVENTS, stream_of(*contents))
    project.features.ingest(EVENTS, stream_of(*contents))
    assert numbers_in(project) == [number for number in range(1, 40) if number % 4]
    assert project.features.dead_letters.count("rides") == 9


FOLLOW = """
import sys, threading, signal
import penstock as ps
from penstock.features.ingest import following
following.PACE = following.Pace(messages=20, seconds=0.05)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
print("follows", flush=True)
ps.open(sys.argv[1]).features.ingest("rides", follow=stop)
"""


@pytest.mark.server
def test_a_redis_stream_is_in_the_history_exactly_once_though_followers_are_killed(
    tmp_path: Path, redis_url: str
) -> None:
    import redis

    client = redis.Redis.from_url(redis_url)
    project = ps.open(tmp_path)
    address = f"{redis_url}/events"
    project.features.apply(
        ps.feature_set(
            "rides",
            entities={"driver": "int64"},
            timestamp="event",
            features=["fare", "number"],
            columns={"fare": "float64", "number": "int64"},
            source=address,
        )
    )
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        with client.pipeline() as pipe:
            for _ in range(count):
                pipe.xadd("events", {"row": b"bad" if sent % 50 == 0 else json.dumps(row(sent))})
                sent += 1
            pipe.execute()

    def follower() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", FOLLOW, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    chance = random.Random(1)
    for _ in range(6):
        processes = [follower(), follower()]
        for _ in range(4):
            send(60)
            time.sleep(chance.random() * 0.4)
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
    last = follower()
    until(lambda: len(numbers_in(project)) >= sent - (sent + 49) // 50)
    last.terminate()
    assert last.wait(30) == 0  # it ends by itself
    last.communicate()
    assert numbers_in(project) == [number for number in range(sent) if number % 50]
    assert project.features.dead_letters.count("rides") == (sent + 49) // 50
    (group,) = client.xinfo_groups("events")
    assert group["lag"] == 0
    assert project.features.ingest("rides").rows == 0


@pytest.mark.server
def test_a_redis_stream_without_follow_is_what_is_there(project: ps.Project, redis_url: str) -> None:
    import redis

    project.features.apply(EVENTS)
    client = redis.Redis.from_url(redis_url)
    stream = ps.redis_stream(redis_url, "events")
    assert project.features.ingest(EVENTS, stream).rows == 0
    client.xadd("events", {"row": json.dumps(row(0))})
    client.xadd("events", {"driver": "1", "fare": "2"})
    done = project.features.ingest(EVENTS, stream)
    assert (done.rows, done.dead_letters) == (1, 1)
    (letter,) = project.features.dead_letters.read("rides").to_pylist()
    assert "has the fields driver, fare" in letter["reason"]
    with pytest.raises(StorageError, match=r"'events' at redis://@?127\.0\.0\.1:1/0 cannot be read"):
        project.features.ingest(EVENTS, ps.redis_stream("redis://:hush@127.0.0.1:1/0", "events"))


def test_the_address_of_a_stream_is_checked() -> None:
    pytest.importorskip("redis")
    assert ps.redis_stream("redis://host:1/rides").stream == "rides"
    assert ps.redis_stream("redis://host:1/2/rides").url == "redis://host:1/2"
    assert "hush" not in repr(ps.redis_stream("redis://:hush@host/rides"))
    with pytest.raises(DeclarationError, match="names no stream"):
        ps.redis_stream("redis://host:1")
    with pytest.raises(DeclarationError, match="none of Redis"):
        ps.redis_stream("http://host/rides")
