"""Windows: offline and online equal brute force over fractions, bit for bit, at any instant and in any order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from feature_oracle import Event, instant
from hypothesis import HealthCheck, given, settings, strategies as st
from test_as_of import ENTITIES, KEYS, rows_of
from window_oracle import EPOCH_OFFSET, bits, window_value

import penstock as ps
from penstock.errors import DataError
from penstock.features.index import retrieval_index as index
from penstock.features.online import tiles, window_online

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WINDOWS = [("90s", None), ("1h", None), ("2h", "1h"), ("1h", "1h"), ("36h", None), ("3d", "1d"), ("20d", None)]
WINDOWS += [("50m", "20m"), ("2d", "2d")]  # no whole number of hops; one that tumbles over days
NUMBERS = ["count", "sum", "mean", "min", "max", "stddev", "first", "last", "count_distinct", "last_n"]
FUNCTIONS = {
    "int64": NUMBERS,
    "float64": NUMBERS,
    "string": ["count", "min", "max", "first", "last", "count_distinct", "last_n"],
    "timestamp": ["count", "min", "max", "first", "last", "count_distinct", "last_n"],
    "bool": ["count", "min", "max", "first", "last", "count_distinct", "last_n"],
    "array<int64>": ["count", "first", "last"],
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.one_of(st.none(), st.integers(-9, 9), st.integers(-(2**63), 2**63 - 1)),
    "float64": st.one_of(
        st.none(),
        st.sampled_from([0.1, 0.2, 1e16, -1e16, 1.0, -0.0, 0.0, 5e-324, 1.7e308, -1.7e308]),
        st.decimals(-100, 100, places=2).map(float),
        st.floats(),
    ),
    "string": st.one_of(st.none(), st.text(max_size=3)),
    "timestamp": st.one_of(st.none(), st.integers(0, 10**15).map(instant)),
    "bool": st.one_of(st.none(), st.booleans()),
    "array<int64>": st.one_of(st.none(), st.lists(st.integers(-5, 5), max_size=3)),
}
EDGE = st.builds(
    lambda whole, step, delta: whole * step + delta,
    st.integers(-3, 80),
    st.sampled_from([300 * SECOND, HOUR, DAY]),
    st.sampled_from([-1, 0, 1]),
)
TIMES = st.one_of(EDGE, st.integers(0, 5 * HOUR), st.integers(0, 30 * DAY), st.sampled_from([0, HOUR]))
numbers = itertools.count()


@dataclass(frozen=True)
class Aggregate:
    """One windowed feature, and how brute force finds it."""

    name: str
    expr: Any
    function: str
    length: int
    hop: int
    n: int = 0


def aggregates(type: str, chosen: list[tuple[str, tuple[str, str | None]]]) -> list[Aggregate]:
    made = []
    for number, (function, (window, hop)) in enumerate(chosen):
        n = 2 + number % 2 if function == "last_n" else 0
        column = ps.col("value")
        expr = column.last_n(n).over(window, hop=hop) if n else getattr(column, function)().over(window, hop=hop)
        made.append(Aggregate(f"f{number}", expr, function, expr.args[4].args[0], expr.args[5].args[0], n))
    return made


def boundaries(events: list[Event], windows: list[Aggregate], most: int) -> list[int]:
    """Instants on and one microsecond around every edge that an event can cross."""
    around = set()
    for event in events:
        for window in windows:
            absolute = event.event + EPOCH_OFFSET
            for edge in (absolute, absolute + window.length, absolute // window.hop * window.hop + window.length,
                         (absolute // window.hop + 1) * window.hop + window.length):  # fmt: skip
                around |= {edge - EPOCH_OFFSET + delta for delta in (-1, 0, 1)}
    ordered = sorted(around)
    return ordered[:: max(1, len(ordered) // most)]


def questions(entities: dict[str, str], asked: list[tuple[tuple[Any, ...], int]], known: list[int]) -> pa.Table:
    types = {"int64": pa.int64(), "string": pa.string()}
    return pa.table(
        {
            **{n: pa.array([key[i] for key, _ in asked], types[t]) for i, (n, t) in enumerate(entities.items())},
            "event_timestamp": pa.array([instant(at) for _, at in asked], pa.timestamp("us", "UTC")),
            "known": pa.array([instant(at) for at in known], pa.timestamp("us", "UTC")),
        }
    )


def check_online(
    store: ps.FeatureStore,
    name: str,
    events: list[Event],
    windows: list[Aggregate],
    asked: list[tuple[tuple[Any, ...], int]],
    entities: dict[str, str],
) -> None:
    """Ask for windows online as of each instant, alone and as a table: they equal brute force, or are told to be no
    more there."""
    references = [f"{name}:{window.name}" for window in windows]
    reader = store.reader(references)
    newest = max(event.event for event in events)
    refused: list[tuple[int, str]] = []
    for key, at in asked:
        now = at + EPOCH_OFFSET
        entity = dict(zip(entities, key, strict=True))
        try:
            values, statuses = reader.row(entity, now=now)
        except DataError as error:
            refused.append((at, str(error)))
            continue
        expected = [window_value(events, key, at, w.function, length=w.length, hop=w.hop, n=w.n) for w in windows]
        assert bits(values) == bits(expected), (windows, key, at)
        told = [("NOT_FOUND" if None in key else "NULL_VALUE" if e is None else "PRESENT") for e in expected]
        assert statuses == told
        if None not in key:
            table = store.get_online_features(references, {n: [v] for n, v in entity.items()}, now=now)
            assert bits([table.column(w.name)[0].as_py() for w in windows]) == bits(expected)
    assert all(at < newest - DAY and "no more online" in message for at, message in refused)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("type", VALUES)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_are_what_brute_force_finds(
    shared_online: ps.Project, monkeypatch: pytest.MonkeyPatch, kind: str, type: str, data: st.DataObject
) -> None:
    shared, entities = shared_online, ENTITIES[kind]
    event = st.builds(Event, st.sampled_from(KEYS[kind][:3]), TIMES, TIMES, VALUES[type])
    batches = data.draw(st.lists(st.lists(event, min_size=1, max_size=10), min_size=1, max_size=4))
    picked = st.tuples(st.sampled_from(FUNCTIONS[type]), st.sampled_from(WINDOWS))
    windows = aggregates(type, data.draw(st.lists(picked, min_size=3, max_size=6)))
    monkeypatch.setattr(index, "_SMALL_ROWS", data.draw(st.sampled_from([0, 5, 1000])))
    name = f"w{next(numbers)}"
    declared = ps.feature_set(
        name,
        entities=entities,
        timestamp="event",
        created="made",
        ttl=data.draw(st.sampled_from([None, 1.0])),
        features={window.name: window.expr for window in windows},
        columns={"value": type},
    )
    monkeypatch.setattr(tiles, "MOST_ROWS", data.draw(st.sampled_from([0, 3, 128])))
    monkeypatch.setattr(window_online, "MOST_ROWS", data.draw(st.sampled_from([2, 1000])))
    shared.features.apply(declared)
    for number, batch in enumerate(batches):
        for _ in range(data.draw(st.integers(1, 2))):  # the second time nothing is added
            project = ps.open(shared.root) if data.draw(st.booleans()) else shared
            project.features.ingest(declared, rows_of(entities, batch, type), batch=str(number))
    everything = [event for batch in batches for event in batch]
    nobody = tuple(None for _ in entities)
    instants = boundaries(everything, windows, 12)
    asked = [(key, at) for key in [*KEYS[kind][:4], nobody] for at in instants]
    known = [data.draw(TIMES) if number < 9 else 10**15 for number in range(len(asked))]
    table = questions(entities, asked, known)
    references = [f"{name}:{window.name}" for window in windows]
    store = ps.open(shared.root).features
    check_online(store, name, everything, windows, asked[:: max(1, len(asked) // 20)], entities)
    version = data.draw(st.integers(0, len(batches) - 1))
    earlier = [event for batch in batches[: version + 1] for event in batch]
    for horizon, as_of in ((None, None), ("known", None), (None, version), ("known", version)):
        answer = store.get_historical_features(table, references, statuses=True, known_at=horizon, as_of=as_of)
        assert answer.num_rows == len(asked)
        there = everything if as_of is None else earlier
        for window in windows:
            found = answer.column(window.name).to_pylist()
            statuses = answer.column(f"{window.name}__status").to_pylist()
            for (key, at), limit, value, status in zip(asked, known, found, statuses, strict=True):
                expected = window_value(
                    there, key, at, window.function, length=window.length, hop=window.hop, n=window.n,
                    known=limit if horizon else None,
                )  # fmt: skip
                assert bits(value) == bits(expected), (window, key, at)
                assert status == ("NOT_FOUND" if None in key else "NULL_VALUE" if expected is None else "PRESENT")
