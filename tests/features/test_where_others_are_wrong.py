"""What was measured of a peer and found wrong (Feast 0.67, see the facts), each as a promise of ours."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError, DeclarationError

UTC = dt.UTC
DAY = dt.timedelta(days=1)
MICROSECOND = dt.timedelta(microseconds=1)
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=UTC)


def times(*values: dt.datetime | None) -> pa.Array:
    return pa.array(values, pa.timestamp("us", "UTC"))


def rows(*given: tuple[Any, ...], type: pa.DataType | None = None) -> pa.Table:
    keys, events, created, values = zip(*given, strict=True)
    return pa.table(
        {
            "id": pa.array(keys, pa.int64()),
            "event": times(*events),
            "made": times(*created),
            "x": pa.array(values, type),
        }
    )


def declared(type: str = "int64", **more: Any) -> ps.FeatureSet:
    return ps.feature_set(
        "s", entities={"id": "int64"}, timestamp="event", created="made", features=["x"], columns={"x": type}, **more
    )


def asked(*given: tuple[int | None, dt.datetime]) -> pa.Table:
    keys, at = zip(*given, strict=True)
    return pa.table({"id": pa.array(keys, pa.int64()), "event_timestamp": times(*at)})


@pytest.fixture
def features(project: ps.Project) -> Any:
    return project.features


def history(features: Any, *questions: tuple[int | None, dt.datetime]) -> list[Any]:
    return features.get_historical_features(asked(*questions), ["s:x"]).column("x").to_pylist()


def test_a_row_whose_only_matches_are_too_old_or_to_come_is_kept(features: Any) -> None:
    features.apply(declared(ttl="1d"))
    features.ingest("s", rows((1, NOON, NOON, 5)))
    assert history(features, (1, NOON - MICROSECOND), (1, NOON + 2 * DAY), (1, NOON)) == [None, None, 5]


def test_rows_of_one_key_and_time_all_come_back_with_their_own_labels(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    given = asked(*[(1, NOON)] * 3).append_column("label", pa.array([1, 2, 3]))
    answer = features.get_historical_features(given, ["s:x"])
    assert answer.to_pylist() == [{"id": 1, "event_timestamp": NOON, "label": label, "x": 5} for label in (1, 2, 3)]


def test_the_later_created_of_two_rows_wins_among_very_many(features: Any) -> None:
    count = 50_000
    keys = np.arange(count)
    features.apply(declared())
    first, second = (
        pa.table(
            {
                "id": pa.array(keys),
                "event": times(NOON).take(pa.array(np.zeros(count, int))),
                "made": times(NOON + created).take(pa.array(np.zeros(count, int))),
                "x": pa.array(keys + added),
            }
        )
        for created, added in ((DAY, 1_000_000), (0 * DAY, 0))
    )
    mixed = pa.concat_tables([first, second]).take(pa.array(np.random.default_rng(0).permutation(2 * count)))
    features.ingest("s", mixed)
    given = pa.table({"id": pa.array(keys), "event_timestamp": times(NOON).take(pa.array(np.zeros(count, int)))})
    got = features.get_historical_features(given, ["s:x"]).column("x").to_numpy()
    assert (got == keys + 1_000_000).all()


def test_a_key_that_is_null_finds_nothing_and_none_is_stored(features: Any) -> None:
    features.apply(declared())
    with pytest.raises(DataError, match="'id' is NULL"):
        features.ingest("s", rows((None, NOON, NOON, 5)))
    features.ingest("s", rows((1, NOON, NOON, 5)))
    assert history(features, (None, NOON), (1, NOON)) == [None, 5]
    answer = features.get_historical_features(asked((None, NOON)), ["s:x"])
    assert answer.column("id").type == pa.int64()


def test_a_row_without_a_time_is_an_error_that_names_it(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    given = pa.table({"id": [1, 1], "event_timestamp": times(NOON, None)})
    with pytest.raises(DataError, match="row 1 has no time"):
        features.get_historical_features(given, ["s:x"])


@pytest.mark.parametrize("at", ["2026-03-01T12:00:00Z", NOON.replace(tzinfo=None)])
def test_times_that_are_texts_or_have_no_zone_are_errors_that_say_so(features: Any, at: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    with pytest.raises(DataError, match="timestamp with a zone"):
        features.get_historical_features(pa.table({"id": [1], "event_timestamp": [at]}), ["s:x"])
    with pytest.raises(DataError, match="was declared timestamp"):
        features.ingest("s", pa.table({"id": [1], "event": [at], "made": times(NOON), "x": [1]}))


def test_rows_come_back_in_the_order_in_which_they_were_given(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows(*((key, NOON, NOON, key) for key in range(100))))
    order = np.random.default_rng(1).permutation(100).tolist()
    assert history(features, *((key, NOON) for key in order)) == order


def test_a_feature_with_the_name_of_a_column_that_is_there_is_an_error_with_the_way_out(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    given = asked((1, NOON)).append_column("x", pa.array(["mine"]))
    with pytest.raises(DataError, match="full_feature_names=True"):
        features.get_historical_features(given, ["s:x"])
    answer = features.get_historical_features(given, ["s:x"], full_feature_names=True)
    assert answer.column("x").to_pylist() == ["mine"]
    assert answer.column("s__x").to_pylist() == [5]


def test_integers_beside_missing_ones_stay_what_they_are(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 2**53 + 1)))
    answer = features.get_historical_features(asked((1, NOON), (2, NOON)), ["s:x"])
    assert answer.column("x").to_pylist() == [2**53 + 1, None]
    assert answer.column("x").type == pa.int64()
    assert features.get_online_features(["s:x"], {"id": [1, 2]}).column("x").to_pylist() == [2**53 + 1, None]


def test_a_key_of_another_type_is_an_error_offline_and_online(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    given = pa.table({"id": ["1"], "event_timestamp": times(NOON)})
    for ask in (
        lambda: features.get_historical_features(given, ["s:x"]),
        lambda: features.get_online_features(["s:x"], {"id": ["1"]}),
    ):
        with pytest.raises(DataError, match="'id' is string, it was declared int64"):
            ask()


def test_the_age_of_a_value_is_the_same_rule_online_and_in_history(features: Any) -> None:
    features.apply(declared(ttl="1d"))
    features.ingest("s", rows((1, NOON, NOON, 5)))
    reader = features.reader(["s:x"])
    for age, value in ((DAY, 5), (DAY + MICROSECOND, None), (100 * DAY, None)):
        at = NOON + age
        assert history(features, (1, at)) == [value]
        assert reader.row({"id": 1}, now=round(at.timestamp() * 1_000_000))[0] == [value]
    assert features.get_online_features(["s:x"], {"id": [1]}, statuses=True).column("x__status").to_pylist() == [
        "OUTSIDE_MAX_AGE"
    ]


def test_an_older_event_never_overwrites_a_newer_one_online(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    features.ingest("s", rows((1, NOON - DAY, NOON + DAY, 4)))
    features.materialize("s")
    assert features.get_online_features(["s:x"], {"id": [1]}).column("x").to_pylist() == [5]


def test_a_correction_of_the_same_event_wins_by_its_creation(features: Any) -> None:
    features.apply(declared())
    features.ingest("s", rows((1, NOON, NOON, 5)))
    features.ingest("s", rows((1, NOON, NOON + DAY, 6)))
    features.ingest("s", rows((1, NOON, NOON, 7)))
    assert features.get_online_features(["s:x"], {"id": [1]}).column("x").to_pylist() == [6]
    assert history(features, (1, NOON)) == [6]


def test_a_fraction_is_no_integer_and_nothing_is_stored(features: Any) -> None:
    features.apply(declared())
    with pytest.raises(DataError, match=r"row 1: 'x' is no int64 exactly"):
        features.ingest("s", rows((1, NOON, NOON, 7.0), (2, NOON, NOON, 7.9)))
    assert features.get_online_features(["s:x"], {"id": [1]}).column("x").to_pylist() == [None]
    done = features.ingest("s", rows((1, NOON, NOON, 7.0), (2, NOON, NOON, 7.9)), on_bad="set_aside")
    assert (done.rows, done.set_aside.num_rows, done.reasons) == (1, 1, ("'x' is no int64 exactly",))
    assert features.get_online_features(["s:x"], {"id": [1, 2]}).column("x").to_pylist() == [7, None]


def test_an_integer_that_no_float_equals_is_no_float(features: Any) -> None:
    features.apply(declared("float64"))
    with pytest.raises(DataError, match="no float64 exactly"):
        features.ingest("s", rows((1, NOON, NOON, 2**53 + 1)))
    features.ingest("s", rows((1, NOON, NOON, 2**53)))
    assert history(features, (1, NOON)) == [float(2**53)]


def test_unknown_null_and_too_old_are_told_apart_online(features: Any) -> None:
    now = dt.datetime.fromtimestamp(time.time(), UTC)
    features.apply(declared(ttl="1d"))
    features.ingest("s", rows((1, now, now, 5), (2, now, now, None), (3, now - 3 * DAY, now, 5)))
    answer = features.get_online_features(["s:x"], {"id": [1, 2, 3, 4]}, statuses=True)
    assert answer.column("x__status").to_pylist() == ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"]


def test_a_missing_column_is_named_and_one_that_nothing_reads_is_reported(features: Any) -> None:
    features.apply(declared())
    with pytest.raises(DataError, match="no column 'x'"):
        features.ingest("s", rows((1, NOON, NOON, 5)).drop_columns(["x"]))
    done = features.ingest("s", rows((1, NOON, NOON, 5)).append_column("y", pa.array([1])))
    assert done.unread == ("y",)


def test_times_in_nanoseconds_and_other_zones_are_the_instants_that_they_are(features: Any) -> None:
    features.apply(declared())
    table = rows((1, NOON, NOON, 5))
    event = table.column("event").cast(pa.timestamp("ns", "America/New_York"))
    features.ingest("s", table.set_column(1, "event", event))
    assert history(features, (1, NOON), (1, NOON - MICROSECOND)) == [5, None]


def test_one_bad_row_among_many_leaves_no_trace(project: ps.Project) -> None:
    project.features.apply(declared())
    with pytest.raises(DataError):
        project.features.ingest("s", rows((1, NOON, NOON, 5), (None, NOON, NOON, 6)))
    assert not (Path(project.root) / ".penstock" / "history").exists()


def test_two_features_of_one_name_are_an_error_with_the_way_out(features: Any) -> None:
    features.apply(declared())
    other = ps.feature_set("t", entities={"id": "int64"}, timestamp="event", features=["x"], columns={"x": "string"})
    features.apply(other)
    features.ingest("s", rows((1, NOON, NOON, 5)))
    features.ingest("t", pa.table({"id": [1], "event": times(NOON), "x": ["t"]}))
    with pytest.raises(DeclarationError, match="full_feature_names=True"):
        features.get_historical_features(asked((1, NOON)), ["s:x", "t:x"])
    answer = features.get_historical_features(asked((1, NOON)), ["s:x", "t:x"], full_feature_names=True)
    assert answer.select(["s__x", "t__x"]).to_pylist() == [{"s__x": 5, "t__x": "t"}]
