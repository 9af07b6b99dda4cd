"""Feature stories, told of a project in its folder and of the same project over REST: both must say the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from served_projects import serving

import penstock as ps
from penstock.errors import DataError, DeclarationError, UnknownNameError

UTC = dt.UTC
LARGE = 2**53 + 1
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = dt.timedelta(hours=1)
NOW = int(NOON.timestamp()) * 1_000_000 + 3_600_000_000
"""An hour past noon."""

RIDES = ps.feature_set(
    "rides",
    entities={"driver": "int64"},
    timestamp="at",
    created="known",
    ttl="2h",
    features={
        "fare": ps.col("fare"),
        "trips": ps.col("trips"),
        "seen": ps.col("seen"),
        "tags": ps.col("tags"),
        "raw": ps.col("raw"),
        "day": ps.col("fare").sum().over("1d"),
        "share": ps.request("amount", "float64") / ps.feature("rides:fare"),
    },
    columns={"fare": "float64", "trips": "int64", "seen": "timestamp", "tags": "array<string>", "raw": "bytes"},
    description="What a driver earns",
    owner="pricing",
    tags={"team": "money"},
)
STORED = ["rides:fare", "rides:trips", "rides:seen", "rides:tags", "rides:raw"]
EVERY = ["rides:share", *STORED, "rides:day"]


def rows(**changed: Any) -> pa.Table:
    instants = pa.timestamp("us", "UTC")
    given = {
        "driver": pa.array([7, 9, 7], pa.int64()),
        "at": pa.array([NOON, NOON, NOON - HOUR], instants),
        "known": pa.array([NOON, NOON, NOON + HOUR], instants),
        "fare": pa.array([12.5, None, float("inf")], pa.float64()),
        "trips": pa.array([LARGE, -(2**63), 1], pa.int64()),
        "seen": pa.array([NOON.replace(microsecond=1), None, None], instants),
        "tags": pa.array([["a", "é"], [], None], pa.list_(pa.string())),
        "raw": pa.array([b"\0\xff", b"", None], pa.binary()),
    }
    return pa.table({**given, **changed})


@pytest.fixture(params=["local", "remote"])
def features(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    pyarrow.parquet.write_table(rows(), tmp_path / "rides.parquet")
    (tmp_path / "penstock.toml").write_text('[tables]\nrides = "rides.parquet"\n')
    project = ps.open(tmp_path)
    if request.param == "local":
        yield project.features
        return
    with serving(project) as remote:
        yield remote.features


@pytest.fixture
def filled(features: Any) -> Any:
    features.apply(RIDES)
    assert features.ingest(RIDES, rows()).rows == 3
    return features


def asked(*given: tuple[int | None, dt.datetime]) -> pa.Table:
    keys, at = zip(*given, strict=True)
    return pa.table({"driver": pa.array(keys, pa.int64()), "event_timestamp": pa.array(at, pa.timestamp("us", "UTC"))})


def test_a_set_is_applied_once_changed_and_found(features: Any) -> None:
    first = features.apply(RIDES)
    assert (first.version, first.is_new, first.kind) == (1, True, "set")
    assert first["properties"]["trips"] == {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1}
    assert features.apply(RIDES).message == "feature set rides: nothing changed, it is version 1"
    fewer = ps.feature_set(
        "rides", entities={"driver": "int64"}, timestamp="at", created="known", ttl="2h", features=["fare"],
        columns={"fare": "float64"},
    )  # fmt: skip
    second = features.apply(fewer)
    assert (second.version, "feature 'trips' (int64) is gone" in second.breaks) == (2, True)
    assert (list(features), len(features), "rides" in features, "x" in features) == (["rides"], 1, True, False)
    view = features["rides@1"]
    assert (view.owner, view.ttl, list(view.features)) == ("pricing", 7_200_000_000, list(RIDES.features or ()))
    assert [each.record.version for each in view.versions] == [1, 2]
    assert [hit.name for hit in features.search("fare")] == ["rides"]
    with pytest.raises(UnknownNameError, match="Did you mean 'rides'"):
        features["ride"]
    with pytest.raises(DeclarationError, match="declared otherwise than it was applied"):
        features.ingest(RIDES, rows())


def test_types_are_told_by_rows_or_by_the_source_and_a_source_is_ingested(features: Any) -> None:
    declared = ps.feature_set("rides", entities={"driver": "int64"}, timestamp="at", created="known")
    assert features.apply(declared, rows()).version == 1
    sourced = ps.feature_set("rides", entities={"driver": "int64"}, timestamp="at", created="known", source="rides")
    assert features.apply(sourced).changes == ("source was None, is 'rides'",)
    assert features.ingest(sourced).rows == 3
    assert features.get_online_features(["rides:trips"], {"driver": [7]}).column("trips").to_pylist() == [LARGE]


def test_history_has_every_value_as_it_was_with_its_type(filled: Any) -> None:
    found = filled.get_historical_features(
        asked((7, NOON), (9, NOON + HOUR), (7, NOON - HOUR), (7, NOON + 3 * HOUR), (1, NOON), (None, NOON)),
        [*STORED, "rides:day"],
        statuses=True,
    )
    assert found.schema.field("trips").type == pa.int64()
    assert found.column("trips").to_pylist() == [LARGE, -(2**63), 1, None, None, None]
    assert found.column("fare").to_pylist()[:3] == [12.5, None, float("inf")]
    assert found.column("seen").to_pylist()[0] == NOON.replace(microsecond=1)
    assert found.column("tags").to_pylist()[:2] == [["a", "é"], []]
    assert found.column("fare__status").to_pylist() == [
        "PRESENT", "NULL_VALUE", "PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND", "NOT_FOUND",
    ]  # fmt: skip


def test_history_without_rows_is_every_instant_and_may_be_a_file(filled: Any, tmp_path: Path) -> None:
    found = filled.get_historical_features(None, ["rides:trips"], start=NOON, end=NOON + HOUR)
    assert found.column("driver").to_pylist() == [7, 9]
    assert found.column("trips").to_pylist() == [LARGE, -(2**63)]
    written = filled.write_historical_features(tmp_path / "h.parquet", asked((7, NOON)), ["rides:trips"])
    assert pyarrow.parquet.read_table(written).column("trips").to_pylist() == [LARGE]
    with pytest.raises(DataError):
        filled.write_historical_features(tmp_path / "h.parquet", pa.table({"x": [1]}), ["rides:trips"])
    assert pyarrow.parquet.read_table(written).num_rows == 1


def test_statistics_are_told(filled: Any) -> None:
    counted = filled["rides"].statistics
    assert (counted.rows, counted.ingests, counted.last_event) == (3, 1, NOON)
    assert (counted.features["fare"].nulls, counted.features["fare"].not_finite) == (1, 1)
    assert [each.rows for each in filled["rides"].ingests] == [3]
    assert filled["rides"].describe()["statistics"]["rows"] == 3


def test_history_is_asked_as_it_was_known_or_at_a_version(filled: Any) -> None:
    question = asked((7, NOON - HOUR)).append_column("then", pa.array([NOON], pa.timestamp("us", "UTC")))
    assert filled.get_historical_features(question, ["rides:trips"], known_at="then").column("trips").to_pylist() == [
        None
    ]
    done = filled.ingest("rides", rows(trips=pa.array([8, 8, 8], pa.int64())))
    trips = [
        filled.get_historical_features(asked((7, NOON)), ["rides:trips"], as_of=as_of).column("trips").to_pylist()
        for as_of in (None, done.version, done.version - 1, dt.datetime.now(UTC))
    ]
    assert trips == [[8], [8], [LARGE], [8]]
    renamed = asked((7, NOON)).rename_columns(["driver", "when"])
    found = filled.get_historical_features(renamed, ["rides:trips"], timestamp="when", full_feature_names=True)
    assert found.column_names == ["driver", "when", "rides__trips"]


def test_online_features_are_those_of_the_reader_and_of_history(filled: Any) -> None:
    entities = {"driver": [7, 9, 1], "amount": [25.0, 25.0, 25.0]}
    table = filled.get_online_features(EVERY, entities, statuses=True, now=NOW)
    assert table.column("trips").to_pylist() == [LARGE, -(2**63), None]
    assert table.column("share").to_pylist() == [2.0, None, None]
    assert table.column("raw").to_pylist() == [b"\0\xff", b"", None]
    reader = filled.reader(EVERY)
    for place, driver in enumerate(entities["driver"]):
        values, statuses = reader.row({"driver": driver, "amount": 25.0}, now=NOW)
        found = dict(zip(reader.columns, zip(values, statuses, strict=True), strict=True))
        for name in ("share", "fare", "trips", "seen", "tags", "raw", "day"):
            value = table.column(name)[place].as_py()
            expected = tuple(value) if isinstance(value, list) else value
            assert found[name] == (expected, table.column(f"{name}__status")[place].as_py())
            assert type(found[name][0]) is type(expected)
    assert reader.table(pa.table(entities), now=NOW, statuses=True).equals(table)
    several = [{"driver": driver, "amount": 25.0} for driver in entities["driver"]]
    assert reader.rows(several, now=NOW) == [reader.row(each, now=NOW) for each in several]
    assert reader.row({"driver": 7, "amount": 1.0}, now=NOW + 2 * 3_600_000_000)[1][0] == "OUTSIDE_MAX_AGE"
    assert dict(reader.needs.requests) == {"amount": "float64"}


def test_floats_that_are_no_numbers_are_read_one_by_one(filled: Any) -> None:
    filled.ingest(RIDES, rows(at=pa.array([NOON + HOUR] * 3, pa.timestamp("us", "UTC"))))
    assert filled.reader(["rides:fare"]).row({"driver": 7}, now=NOW)[0] == [float("inf")]


def test_a_service_is_asked_for_by_its_name_or_its_declaration(filled: Any) -> None:
    pricing = ps.feature_service("pricing", ["rides:fare", "rides:trips"], owner="pricing")
    assert filled.apply(pricing).kind == "service"
    for each in (pricing, "pricing", "pricing@1"):
        found = filled.get_online_features(each, {"driver": [7]}, now=NOW)
        assert found.to_pylist() == [{"driver": 7, "fare": 12.5, "trips": LARGE}]
        assert filled.reader(each).row({"driver": 7}, now=NOW)[0] == [12.5, LARGE]
        assert filled.get_historical_features(asked((7, NOON)), each).column("trips").to_pylist() == [LARGE]
    assert filled.services["pricing"].features == ("rides@1:fare", "rides@1:trips")
    with pytest.raises(DeclarationError, match="declared otherwise than it was applied"):
        filled.get_online_features(ps.feature_service("pricing", ["rides:fare"]), {"driver": [7]})
    with pytest.raises(UnknownNameError, match="'price'"):
        filled.get_online_features("price", {"driver": [7]})


def test_rows_that_cannot_be_stored_come_back_and_a_batch_is_in_once(filled: Any) -> None:
    bad = rows(driver=pa.array([None, 3, 4], pa.int64()))
    done = filled.ingest("rides", bad, on_bad="set_aside", batch="b1")
    assert (done.rows, done.reasons, done.repeated) == (2, ("'driver' is NULL",), False)
    assert done.set_aside.equals(bad.slice(0, 1))
    assert filled.ingest("rides", bad, on_bad="set_aside", batch="b1").repeated
    with pytest.raises(DataError, match="row 0: 'driver' is NULL") as caught:
        filled.ingest("rides", bad)
    assert caught.value.field == "driver"


@pytest.mark.parametrize("keys", [{"driver": ["7"]}, {"rider": [7]}, {"driver": [7], "other": []}])
def test_entities_that_are_none_are_the_same_error(filled: Any, keys: dict[str, list[Any]]) -> None:
    with pytest.raises(DataError, match="driver"):
        filled.get_online_features(["rides:fare"], keys)


def test_dead_letters_are_read_counted_forgotten_and_cleared(filled: Any) -> None:
    assert filled.dead_letters.read("rides").num_rows == filled.dead_letters.count("rides") == 0
    bad = rows(driver=pa.array([None, 9, 8], pa.int64()), trips=pa.array([1.0, 7.9, 8.5]))
    assert filled.ingest("rides", bad, batch="b", on_bad="dead_letter").dead_letters == 3
    found = filled.dead_letters.read("rides")
    assert found.schema.field("time").type == pa.timestamp("us", "UTC")
    assert found.column("reason").to_pylist() == ["'driver' is NULL", *["'trips' is no int64 exactly"] * 2]
    assert (found.column("batch").to_pylist(), found.column("position").to_pylist()) == (["b"] * 3, [0, 1, 2])
    done = filled.forget("rides", {"driver": [9]})
    assert (done.rows, done.online, done.dead_letters) == (1, 1, 1)
    assert filled.dead_letters.clear("rides", before=NOON) == 0
    assert filled.dead_letters.clear("rides") == 2
    assert filled.dead_letters.count("rides") == 0


def test_entities_are_forgotten_and_rows_expire(filled: Any) -> None:
    done = filled.forget("rides", {"driver": [9]})
    assert (done.rows, done.online) == (1, 1)
    assert filled.expire("rides", before=NOON) == 1
    statuses = filled.get_online_features(["rides:trips"], {"driver": [7, 9]}, statuses=True, now=NOW)
    assert statuses.column("trips__status").to_pylist() == ["PRESENT", "NOT_FOUND"]
    assert filled.get_historical_features(asked((7, NOON - HOUR)), ["rides:trips"]).column("trips").to_pylist() == [
        None
    ]
    assert filled.materialize("rides") >= 0
    assert filled.compact("rides") >= 0


def test_no_entities_and_no_rows_give_empty_tables(filled: Any) -> None:
    assert filled.get_online_features(["rides:trips"], {"driver": []}).num_rows == 0
    assert filled.get_historical_features(asked((7, NOON)).slice(0, 0), ["rides:trips"]).num_rows == 0
