"""Windows online in Redis are what they are in LMDB: what brute force over fractions finds, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from feature_oracle import Event
from hypothesis import HealthCheck, given, settings, strategies as st
from test_as_of import ENTITIES, KEYS, rows_of
from test_redis_store import in_redis
from test_windows import FUNCTIONS, TIMES, VALUES, WINDOWS, aggregates, boundaries, check_online, numbers

import penstock as ps
from penstock.features import tiles, window_online

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.mark.parametrize("type", ["float64", "int64", "string"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_in_redis_are_what_brute_force_finds(
    places: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, type: str, data: Any
) -> None:
    kind = data.draw(st.sampled_from(sorted(KEYS)))
    entities = ENTITIES[kind]
    event = st.builds(Event, st.sampled_from(KEYS[kind][:3]), TIMES, TIMES, VALUES[type])
    batches = data.draw(st.lists(st.lists(event, min_size=1, max_size=10), min_size=1, max_size=4))
    picked = st.tuples(st.sampled_from(FUNCTIONS[type]), st.sampled_from(WINDOWS))
    windows = aggregates(type, data.draw(st.lists(picked, min_size=3, max_size=6)))
    monkeypatch.setattr(tiles, "MOST_ROWS", data.draw(st.sampled_from([0, 3, 128])))
    monkeypatch.setattr(window_online, "MOST_ROWS", data.draw(st.sampled_from([2, 1000])))
    project = in_redis(places, redis_url)
    name = f"r{next(numbers)}"
    features = {window.name: window.expr for window in windows}
    declared = ps.feature_set(
        name, entities=entities, timestamp="event", created="made", features=features, columns={"value": type}
    )
    project.features.apply(declared)
    for number, batch in enumerate(batches):
        for _ in range(data.draw(st.integers(1, 2))):
            project.features.ingest(declared, rows_of(entities, batch, type), batch=str(number))
    everything = [event for batch in batches for event in batch]
    asked = [(key, at) for key in KEYS[kind][:4] for at in boundaries(everything, windows, 10)]
    check_online(ps.open(places).features, name, everything, windows, asked, entities)
