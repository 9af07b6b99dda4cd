"""Historical features equal brute force, whatever the order of arrival, ties, lateness, keys and boundaries."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from feature_oracle import Event, instant, newest
from hypothesis import HealthCheck, given, settings, strategies as st

import penstock as ps
from penstock.errors import DataError
from penstock.features.index import retrieval_index as index, slices
from penstock.tables import arrow_type

INT_KEYS = [(1,), (2,), (-(2**63),), (2**53 + 1,), (2**63 - 1,)]
KEYS = {
    "int64": INT_KEYS,
    "string": [("",), ("a",), ("b",), ("ü" * 300,), ("a\0",)],
    "two": [(1, "a"), (1, "b"), (2, "a"), (-1, ""), (2, "c")],
}
ENTITIES = {"int64": {"k": "int64"}, "string": {"k": "string"}, "two": {"k": "int64", "l": "string"}}
HOUR = 3_600_000_000
TIMES = st.one_of(
    st.sampled_from([0, 1, HOUR - 1, HOUR, HOUR + 1, 3 * HOUR, 30 * HOUR, 200 * HOUR]), st.integers(0, 5 * HOUR)
)
VALUES = {
    "float64": st.one_of(st.none(), st.floats(allow_nan=False)),
    "int64": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "string": st.one_of(st.none(), st.text(max_size=5)),
    "bool": st.one_of(st.none(), st.booleans()),
    "timestamp": st.one_of(st.none(), st.integers(0, 10**15).map(instant)),
    "array<int64>": st.one_of(st.none(), st.lists(st.integers(-5, 5), max_size=3)),
}
numbers = itertools.count()


def rows_of(entities: dict[str, str], events: list[Event], type: str) -> pa.Table:
    keys = list(zip(*(event.key for event in events), strict=True)) or [[] for _ in entities]
    return pa.table(
        {
            **{
                name: pa.array(values, {"int64": pa.int64(), "string": pa.string()}[kind])
                for (name, kind), values in zip(entities.items(), keys, strict=True)
            },
            "event": pa.array([instant(event.event) for event in events], pa.timestamp("us", "UTC")),
            "made": pa.array([instant(event.created) for event in events], pa.timestamp("us", "UTC")),
            "value": pa.array([event.value for event in events], arrow_type(type)),
        }
    )


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("type", VALUES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_a_row_gets_is_what_brute_force_finds(
    shared: ps.Project, monkeypatch: pytest.MonkeyPatch, kind: str, type: str, data: st.DataObject
) -> None:
    entities = ENTITIES[kind]
    event = st.builds(Event, st.sampled_from(KEYS[kind]), TIMES, TIMES, VALUES[type])
    batches = data.draw(st.lists(st.lists(event, min_size=1, max_size=12), min_size=1, max_size=4))
    ttl = data.draw(st.sampled_from([None, 1, HOUR, 2 * HOUR]))
    monkeypatch.setattr(index, "_SMALL_ROWS", data.draw(st.sampled_from([0, 5, 1000])))
    monkeypatch.setattr(slices, "SIZE", data.draw(st.sampled_from([8, 24, slices.SIZE])))
    name = f"s{next(numbers)}"
    declared = ps.feature_set(
        name,
        entities=entities,
        timestamp="event",
        created="made",
        ttl=None if ttl is None else ttl / 1e6,
        features=["value"],
        columns={"value": type},
    )
    shared.features.apply(declared)
    for batch in batches:
        shared.features.ingest(declared, rows_of(entities, batch, type))
        if data.draw(st.booleans()):  # an index that is made between two batches, and one that is opened again
            asked = rows_of(entities, batch[:1], type).rename_columns([*entities, "event_timestamp", "made", "x"])
            shared.features.get_historical_features(asked, [f"{name}:value"])
    everything = [event for batch in batches for event in batch]
    around = {e.event + delta for e in everything for delta in (-1, 0, 1)}
    around |= {e.event + (ttl or 0) + delta for e in everything for delta in (-1, 0, 1)}
    questions = [(key, at) for key in KEYS[kind] for at in sorted(around)]
    known = [data.draw(TIMES) for _ in questions]
    asked = pa.table(
        {
            **{n: pa.array([key[i] for key, _ in questions]) for i, n in enumerate(entities)},
            "event_timestamp": pa.array([instant(at) for _, at in questions], pa.timestamp("us", "UTC")),
            "known": pa.array([instant(at) for at in known], pa.timestamp("us", "UTC")),
        }
    )
    for horizon in (None, "known"):
        answer = ps.open(shared.root).features.get_historical_features(
            asked, [f"{name}:value"], statuses=True, known_at=horizon
        )
        expected = [
            newest(everything, key, at, ttl=ttl, known=limit if horizon else None)
            for (key, at), limit in zip(questions, known, strict=True)
        ]
        assert answer.num_rows == len(questions)
        assert answer.column("value").to_pylist() == [value for value, _ in expected]
        assert answer.column("value__status").to_pylist() == [status for _, status in expected]
        assert answer.column("value").type == arrow_type(type)
        assert answer.select(asked.column_names).equals(asked)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("type", VALUES)
def test_online_is_history_at_the_newest_instant(shared_online: ps.Project, kind: str, type: str, data: Any) -> None:
    entities = ENTITIES[kind]
    event = st.builds(Event, st.sampled_from(KEYS[kind]), TIMES, TIMES, VALUES[type])
    batches = data.draw(st.lists(st.lists(event, min_size=1, max_size=8), min_size=1, max_size=3))
    name = f"o{next(numbers)}"
    declared = ps.feature_set(
        name, entities=entities, timestamp="event", created="made", features=["value"], columns={"value": type}
    )
    shared_online.features.apply(declared)
    for batch in batches:
        shared_online.features.ingest(declared, rows_of(entities, batch, type))
    everything = [event for batch in batches for event in batch]
    asked = {n: [key[i] for key in KEYS[kind]] for i, n in enumerate(entities)}
    answer = shared_online.features.get_online_features([f"{name}:value"], asked, statuses=True)
    expected = [newest(everything, key, 10**15) for key in KEYS[kind]]
    assert answer.column("value").to_pylist() == [value for value, _ in expected]
    assert answer.column("value__status").to_pylist() == [status for _, status in expected]
    reader = shared_online.features.reader([f"{name}:value"])
    for key, (value, status) in zip(KEYS[kind], expected, strict=True):
        row, statuses = reader.row(dict(zip(entities, key, strict=True)))
        assert (row, statuses) == ([tuple(value) if isinstance(value, list) else value], [status])


def test_the_oracle_itself() -> None:
    events = [Event((1,), 5, 5, "a"), Event((1,), 5, 7, "b"), Event((1,), 5, 6, "c"), Event((1,), 9, 9, None)]
    assert newest(events, (1,), 5) == ("b", "PRESENT")
    assert newest(events, (1,), 5, known=6) == ("c", "PRESENT")
    assert newest(events, (1,), 9) == (None, "NULL_VALUE")
    assert newest(events, (1,), 8, ttl=3) == ("b", "PRESENT")
    assert newest(events, (1,), 8, ttl=2) == (None, "OUTSIDE_MAX_AGE")
    assert newest(events, (2,), 8) == (None, "NOT_FOUND")


def test_many_entities_read_together_are_each_read_alone(shared_online: ps.Project) -> None:
    store = shared_online.features
    columns = {f"v{n}": kind for n, kind in enumerate(["int64", "string", "float64"] * 25)}  # two words of NULLs
    one = ps.feature_set("many", entities={"k": "int64"}, timestamp="event", features=list(columns), columns=columns)
    tags = {"doubled": ps.feature("tags:size") * 2, "size": ps.col("size"), "seen": ps.col("size").count().over("7d")}
    other = ps.feature_set(
        "tags", entities={"k": "int64", "l": "string"}, timestamp="event", ttl="1h", features=tags,
        columns={"size": "int64"},
    )  # fmt: skip
    times = pa.array([instant(0), instant(2 * HOUR)] * 10, pa.timestamp("us", "UTC"))
    some = [None if n % 7 == 0 else n for n in range(20)]
    made = {"int64": some, "string": [None if n is None else f"t{n}" for n in some], "float64": some[::-1]}
    values = {name: pa.array(made[kind], arrow_type(kind)) for name, kind in columns.items()}
    store.apply(one)
    store.apply(other)
    store.ingest(one, pa.table({"k": range(20), "event": times, **values}))
    store.ingest(other, pa.table({"k": range(20), "l": ["x", "y"] * 10, "event": times, "size": some}))
    entities = [{"k": k, "l": l} for k in range(-2, 22) for l in ("x", "y")]  # noqa: E741
    now = int(instant(2 * HOUR).timestamp()) * 1_000_000
    for features in (["many:*"], ["many:v3", "tags:size", "many:v64", "tags:seen"], ["tags:doubled", "many:v1"]):
        reader = store.reader(features)
        for at in (None, now):
            alone = [reader.row(entity, now=at) for entity in entities]
            assert reader.rows(entities, now=at) == alone
            assert {status for _, states in alone for status in states} >= {"PRESENT", "NULL_VALUE", "NOT_FOUND"}
        assert reader.rows([]) == []
        with_none = [{"k": None, "l": "x"}, entities[9]]
        assert reader.rows(with_none) == [reader.row(entity) for entity in with_none]
    with pytest.raises(DataError, match="the entity has no 'l'; it has: k"):
        store.reader(["tags:size"]).rows([{"k": 1, "l": "x"}, {"k": 1}])
