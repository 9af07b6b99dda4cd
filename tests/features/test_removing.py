"""An entity that is forgotten is nowhere; what is old goes; small files become few; nothing else changes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from redis_servers import everything_in

import penstock as ps
from penstock.errors import DataError
from penstock.features import RedisStore

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
NAMES = ["anna-9d3f", "bert-77aa", "carl-0c1e", "it's"]


def rows(*keys: str, at: dt.datetime = NOON) -> pa.Table:
    times = pa.array([at] * len(keys), pa.timestamp("us", "UTC"))
    return pa.table({"who": list(keys), "event": times, "made": times, "x": [len(key) for key in keys]})


def declared(**features: Any) -> ps.FeatureSet:
    return ps.feature_set(
        "people",
        entities={"who": "string"},
        timestamp="event",
        created="made",
        features=features or {"x": ps.col("x")},
        columns={"x": "int64"},
    )


@pytest.fixture
def people(placed: Path) -> ps.Project:
    project = ps.open(placed)
    project.features.apply(declared())
    for hour in range(4):
        project.features.ingest("people", rows(*NAMES, at=NOON + hour * HOUR))
    project.features.apply(declared(x=ps.col("x"), double="x * 2"))  # two versions, each with its records online
    return project


def history(project: ps.Project, at: dt.datetime = NOON) -> list[int | None]:
    asked = pa.table({"who": NAMES, "event_timestamp": pa.array([at] * len(NAMES), pa.timestamp("us", "UTC"))})
    return project.features.get_historical_features(asked, ["people:x"]).column("x").to_pylist()


def online(project: ps.Project, version: int = 2) -> list[int | None]:
    return project.features.get_online_features([f"people@{version}:x"], {"who": NAMES}).column("x").to_pylist()


def kept(project: ps.Project, request: pytest.FixtureRequest) -> dict[str, dict[str, bytes]]:
    """Return all that a project holds in its history, its index and its online store."""
    history, state = project.features.places.history.address, Path(project.root) / ".penstock"
    held = {name: _files(state / name) for name in ("history", "index", "online")}
    if history.startswith("s3://"):
        assert not held["history"]
        held["history"] = request.getfixturevalue("s3").files(history)
    if isinstance(project.features.places.online, RedisStore):
        assert not held["online"]
        held["online"] = everything_in(request.getfixturevalue("redis_server"))
    return held


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(held: dict[str, bytes], text: str) -> list[str]:
    return [name for name, content in held.items() if text in name or text.encode() in content]


@pytest.mark.parametrize("gone", [0, 3])
def test_a_forgotten_entity_is_in_no_answer_and_nowhere_on_disk(
    people: ps.Project, request: pytest.FixtureRequest, gone: int
) -> None:
    history(people)  # an index is there
    before = kept(people, request)
    assert all(names_in(before[place], NAMES[gone]) for place in ("history", "online"))
    done = people.features.forget("people", {"who": [NAMES[gone]]})
    assert (done.rows, done.online) == (4, 2)
    expected = [None if place == gone else len(name) for place, name in enumerate(NAMES)]
    fresh = ps.open(people.root)
    for project in (people, fresh):
        assert history(project) == expected
        assert online(project) == online(project, 1) == expected
    after = kept(people, request)
    assert not names_in(after["history"], NAMES[gone])
    assert not names_in(after["index"], NAMES[gone])
    if request.node.callspec.params["placed"] == "redis":  # LMDB overwrites the room of a record when it needs it
        assert not names_in(after["online"], NAMES[gone])
    assert all(names_in(after[place], NAMES[1]) for place in ("history", "online"))


def test_the_others_keep_their_history_and_ingestion_goes_on(people: ps.Project) -> None:
    people.features.forget("people", {"who": NAMES[:1]})
    people.features.ingest("people", rows(NAMES[0], at=NOON + 9 * HOUR))
    assert history(people, NOON) == [None, *map(len, NAMES[1:])]
    assert history(people, NOON + 9 * HOUR) == online(people) == list(map(len, NAMES))


def test_forgetting_somebody_unknown_changes_nothing(people: ps.Project) -> None:
    done = people.features.forget("people", {"who": ["nobody"]})
    assert (done.rows, done.online) == (0, 0)
    assert history(people) == list(map(len, NAMES))


def test_what_is_older_than_an_instant_expires_and_one_of_that_instant_stays(people: ps.Project) -> None:
    people.features.ingest("people", rows("old", at=NOON - HOUR))
    assert people.features.expire("people", before=NOON + 2 * HOUR) == 2 * len(NAMES) + 1
    assert history(people, NOON + HOUR) == [None] * len(NAMES)
    assert history(people, NOON + 2 * HOUR) == online(people) == list(map(len, NAMES))
    assert people.features.get_online_features(["people:x"], {"who": ["old"]}).column("x").to_pylist() == [None]
    with pytest.raises(DataError, match="no zone"):
        people.features.expire("people", before=dt.datetime(2026, 1, 1))


def test_compaction_leaves_fewer_files_and_every_answer(people: ps.Project) -> None:
    before = [history(people, NOON + hour * HOUR) for hour in range(-1, 5)]
    assert people.features.compact("people") > 0
    assert people.features.compact("people") == 0
    for project in (people, ps.open(people.root)):
        assert [history(project, NOON + hour * HOUR) for hour in range(-1, 5)] == before
    people.features.ingest("people", rows("late", at=NOON - HOUR))
    assert history(people, NOON) == list(map(len, NAMES))


def test_an_older_version_of_the_history_can_be_asked_for(people: ps.Project) -> None:
    asked = pa.table({"who": ["anna-9d3f"], "event_timestamp": pa.array([NOON + 9 * HOUR], pa.timestamp("us", "UTC"))})
    late = pa.table(
        {**{n: rows("anna-9d3f", at=NOON + 8 * HOUR).column(n) for n in ("who", "event", "made")}, "x": [77]}
    )
    done = people.features.ingest("people", late)
    assert done.version is not None
    ask = people.features.get_historical_features
    assert ask(asked, ["people:x"]).column("x").to_pylist() == [77]
    assert ask(asked, ["people:x"], as_of=done.version).column("x").to_pylist() == [77]
    assert ask(asked, ["people:x"], as_of=done.version - 1).column("x").to_pylist() == [9]
    with pytest.raises(DataError, match="no version"):
        ask(asked, ["people:x"], as_of=999)
