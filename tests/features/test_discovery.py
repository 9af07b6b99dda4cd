"""Feature sets are found by what they are called and said to be; what they come from and what uses them is known."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import penstock as ps
from penstock.core.run import ModelVersion
from penstock.errors import UnknownNameError

NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def declared(name: str, *features: str, **more: Any) -> ps.FeatureSet:
    named = {feature: ps.col(feature) for feature in features}
    return ps.feature_set(
        name,
        entities={"id": "int64"},
        timestamp="at",
        features=named | more.pop("extra", {}),
        columns=dict.fromkeys(features, "float64"),
        **more,
    )


@pytest.fixture
def store(project: ps.Project) -> ps.Project:
    apply = project.features.apply
    apply(declared("rides", "fare", "tip", description="What a driver earns", owner="pricing@example.com"))
    apply(declared("fares", "amount", tags={"team": "Pricing"}))
    apply(declared("weather", "rain", description="Of the day, as it changes the fare"))
    return project


def test_sets_are_found_where_it_says_most_first(store: ps.Project) -> None:
    assert [hit.name for hit in store.features.search("FARE")] == ["fares", "rides", "weather"]
    assert [hit.found for hit in store.features.search("fare")] == [
        (("name", "fares"),),
        (("feature", "fare"),),
        (("description", "Of the day, as it changes the fare"),),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pricing", ["fares", "rides"]),
        ("team=pricing", ["fares"]),
        ("tip pricing@", ["rides"]),
        ("tip rain", []),
        ("  ", []),
        ("%", []),
    ],
)
def test_every_word_has_to_be_somewhere(store: ps.Project, text: str, expected: list[str]) -> None:
    assert [hit.name for hit in store.features.search(text)] == expected


def test_the_newest_version_is_searched(store: ps.Project) -> None:
    store.features.apply(declared("rides", "price"))
    assert [hit.name for hit in store.features.search("tip")] == []
    assert [(hit.name, hit.version) for hit in store.features.search("price")] == [("rides", 2)]


def test_sets_are_a_mapping_by_name(store: ps.Project) -> None:
    assert list(store.features) == ["fares", "rides", "weather"]
    assert len(store.features) == 3
    assert "rides" in store.features
    assert "ride" not in store.features
    view = store.features["rides"]
    assert (view.name, view.version, view.owner, view.entities) == ("rides", 1, "pricing@example.com", {"id": "int64"})
    assert view.features == {"fare": "float64", "tip": "float64"}
    assert view.schema["$id"].endswith(":rides:1")
    with pytest.raises(UnknownNameError, match="Did you mean 'rides'"):
        store.features["ride"]
    with pytest.raises(UnknownNameError, match=r"version.*2.*there are: 1"):
        store.features["rides@2"]
    with pytest.raises(UnknownNameError):
        store.features["rides@x"]


def test_versions_are_compared(store: ps.Project) -> None:
    store.features.apply(declared("rides", "fare", "toll"))
    store.features.apply(declared("rides", "toll", ttl="1h"))
    found = store.features["rides"].diff(1)
    assert set(found.changes) >= {"feature 'toll' is new (float64)", "feature 'fare' is gone", "feature 'tip' is gone"}
    assert found.breaks == ("feature 'fare' (float64) is gone", "feature 'tip' (float64) is gone")
    assert store.features["rides@2"].diff(2).changes == ()
    assert [each.record.version for each in store.features["rides"].versions] == [1, 2, 3]


def test_lineage_goes_from_the_source_to_what_learned(store: ps.Project) -> None:
    ratio = ps.feature("rides:fare") / ps.feature("fares:amount")
    store.features.apply(declared("fares", "amount", extra={"ratio": ratio}, source=None))
    store.features.apply(ps.feature_service("price", ["rides:fare", "weather:rain"]))
    store.metadata.insert(
        ModelVersion(model="tips", version=3, digest="d", lineage={"run": "r", "features": ["rides@1:tip"]}),
        ModelVersion(model="rain", version=1, digest="e", lineage={"features": ["weather@1:rain"]}),
        ModelVersion(model="other", version=1, digest="f", lineage={"run": "r"}),
    )
    lineage = store.features["rides"].lineage
    assert (lineage.sets, lineage.services, lineage.models) == (("fares@2",), ("price@1",), ("tips/3",))
    assert store.features["fares"].lineage.reads == ("rides@1:fare",)
    store.features.apply(declared("rides", "fare", "tip", description="Said otherwise"))
    newer = store.features["rides"].lineage
    assert (newer.sets, newer.services, newer.models) == ((), (), ())  # they use the version before
    assert store.features["rides@1"].lineage == lineage


def test_the_source_is_in_the_lineage(project: ps.Project) -> None:
    Path(project.root, "rides.csv").write_text("id,at,fare\n1,2026-01-01T00:00:00Z,2.5\n")
    project.features.apply(ps.feature_set("rides", entities={"id": "int64"}, timestamp="at", source="rides.csv"))
    assert project.features["rides"].lineage.source == "rides.csv"


def test_garbage_is_never_what_features_are_made_of(project: ps.Project) -> None:
    project.features.apply(declared("rides", "fare"))
    rows = pa.table({"id": [1], "at": pa.array([NOON]), "fare": [2.5]})
    project.features.ingest("rides", rows)
    asked = pa.table({"id": [1], "event_timestamp": pa.array([NOON])})
    before = project.features.get_historical_features(asked, ["rides:fare"])
    usage = project.repository.usage()
    assert set(usage.features) == {"history", "index", "online"}
    assert all(count > 0 for count in usage.features.values())
    project.repository.gc(older_than=0, runs_older_than=0, grace=0)
    fresh = ps.open(project.root)
    assert fresh.features.get_historical_features(asked, ["rides:fare"]) == before
    assert fresh.features.get_online_features(["rides:fare"], {"id": [1]}).column("fare").to_pylist() == [2.5]
    assert fresh.repository.usage().features == usage.features
    assert fresh.features["rides"].statistics is not None
