"""Somebody who is forgotten is in no dead letter, however their row was wrong; letters of others stay."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from stream_worlds import ListStream

import penstock as ps

AT = "2026-03-01T12:00:00Z"


@pytest.fixture
def shop(placed: Path) -> ps.Project:
    project = ps.open(placed)
    project.features.apply(
        ps.feature_set(
            "visits",
            entities={"who": "string", "shop": "int64"},
            timestamp="at",
            features=["spent"],
            columns={"spent": "int64"},
        )
    )
    return project


def follow(project: ps.Project, *contents: Any) -> None:
    told = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in contents]
    project.features.ingest("visits", ListStream({"s": told}))


def letters(project: ps.Project) -> list[str]:
    return project.features.dead_letters.read("visits").column("row").to_pylist()


def visit(who: Any, shop: Any, spent: Any = "much") -> dict[str, Any]:
    return {"who": who, "shop": shop, "at": AT, "spent": spent}


def test_letters_of_the_forgotten_are_gone_and_others_stay(shop: ps.Project) -> None:
    theirs = [
        visit("anna", 7),  # a wrong value
        visit("anna", "7"),  # a wrong key, which is theirs as it is written
        visit("anna", 7.0),
        visit("anna", None),  # some of the keys
        b'{"who": "anna", "shop": 7, "at": ',  # cut off
        b"\xff\xfe anna 7 \x00",  # no text
        {"rows": ["anna", 7]},  # no row
    ]
    others = [
        visit("anna", 8),
        visit("bert", 7),
        visit("annabel", 7),
        visit(None, None),
        visit(None, 8),
        b'{"who": "annabel", "shop": 7, "at": ',
        b'{"who": "anna", "shop": 77, "at": ',
    ]
    follow(shop, *others, *theirs, visit("anna", 7, spent=5), visit("bert", 7, spent=6))
    assert len(letters(shop)) == len(theirs) + len(others)
    kept = letters(shop)[: len(others)]
    done = shop.features.forget("visits", {"who": ["anna"], "shop": [7]})
    assert (done.rows, done.online, done.dead_letters) == (1, 1, len(theirs))
    assert letters(shop) == kept
    assert ps.open(shop.root).features.dead_letters.count("visits") == len(others)
    again = shop.features.forget("visits", {"who": ["anna"], "shop": [7]})
    assert (again.rows, again.online, again.dead_letters) == (0, 0, 0)


def test_rows_set_aside_by_an_ingest_are_reached_by_a_key_that_is_a_day(project: ps.Project) -> None:
    declared = ps.feature_set("s", entities={"since": "date"}, timestamp="at", features=["v"], columns={"v": "int64"})
    project.features.apply(declared)
    at = [dt.datetime(2026, 3, day, tzinfo=dt.UTC) for day in (1, 2)]
    times = pa.array(at, pa.timestamp("us", "UTC"))
    days = [each.date() for each in at]
    rows = pa.table({"since": days, "at": times, "v": pa.array([1.5, 2.5])})
    project.features.ingest("s", rows, on_bad="dead_letter")
    assert project.features.forget("s", {"since": days[:1]}).dead_letters == 1
    (left,) = project.features.dead_letters.read("s").column("row").to_pylist()
    assert json.loads(left)["v"] == 2.5
