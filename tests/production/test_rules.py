"""When a change is a breach: in one window or several in a row, again only after a while; metrics once labels come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from log_worlds import AT, graph, logged, rows_of

from penstock.errors import DataError, PenstockError
from penstock.monitor import degraded, drift
from penstock.production import Place, add_labels, judge, judged_on, label_rows, rule_of
from penstock.production.records import RecordForm
from penstock.transforms import measured

HOUR = 3600.0
START = AT - AT % HOUR
LEARNED = np.random.default_rng(0).normal(size=4000)
TRAINED = graph(
    inputs={"a": "float64", "city": "string"},
    statistics=measured(pa.table({"a": LEARNED, "city": ["x", "y"] * 2000})),
    rows={"train": 4000},
)


class Served:
    """A model that is asked 200 rows an hour, whose inputs and labels a test chooses."""

    def __init__(self, folder) -> None:
        self.place = Place(requests=folder / "r", labels=folder / "l", graph=lambda name, version: TRAINED)

    def hour(self, number: int, *, shift: float = 0.0, error: float | None = None, rows: int = 200, version: int = 1):
        rng = np.random.default_rng(number)
        values, cities = rng.normal(shift, 1, rows).tolist(), rng.choice(["x", "y"], rows).tolist()
        start = START + number * HOUR
        ids = [f"{number}-{version}-{each}" for each in range(rows)]
        records = (
            (ids[at], start + at * HOUR / rows, {"a": values[at], "city": cities[at]}, {"predicted_y": values[at]})
            for at in range(rows)
        )
        logged(self.place.requests, rows_of(RecordForm(TRAINED, version, f"d{version}"), records))
        if error is not None:
            told = pa.table({"id": ids, "y": np.array(values) + np.where(np.array(cities) == "x", error, 0)})
            add_labels(self.place.labels, "km", label_rows(TRAINED, told, now=start + HOUR), now=start + HOUR)

    def judge(self, when, hour: float, last: float | None = None):
        return judge(self.place, rule_of(when.kind, when.spec), now=START + hour * HOUR, last=last)


@pytest.fixture
def served(tmp_path) -> Served:
    return Served(tmp_path)


def test_a_window_beyond_its_bounds_is_a_breach_that_says_what_and_when(served: Served) -> None:
    served.hour(0)
    served.hour(1, shift=1.5)
    when = drift("km", window="1h", minimum=100, over=0.3)
    assert served.judge(when, 1) is None
    assert served.judge(when, 1.99) is None  # the second hour has not ended
    found = served.judge(when, 2)
    assert found is not None
    assert (found.window.end, found.version) == (START + 2 * HOUR, 1)
    data = dict(found.data)
    assert (data["feature"], data["against"], data["metric"], data["rows"]) == ("a", "training", "PSI", 200)
    assert data["distance"] > data["threshold"] == 0.3
    assert [each["feature"] for each in data["features"]] == ["a"]
    assert (data["window_start"], data["window_end"]) == ("2026-11-18T12:00:00Z", "2026-11-18T13:00:00Z")
    assert served.judge(when, 4) is None  # nobody asked since


def test_too_few_rows_are_no_breach(served: Served) -> None:
    served.hour(0, shift=3, rows=99)
    assert served.judge(drift("km", window="1h", minimum=100), 1) is None
    assert served.judge(drift("km", window="1h", minimum=99), 1) is not None


def test_against_before_a_change_is_a_breach_once(served: Served) -> None:
    for hour in range(6):
        served.hour(hour, shift=1.5 if hour >= 2 else 0.0)
    when = drift("km", window="1h", minimum=100, over=0.5, against="before")
    assert [served.judge(when, hour) is not None for hour in range(1, 7)] == [False, False, True, False, False, False]
    longer = drift("km", window="1h", minimum=100, over=0.5, against="before", lag=2)
    assert [served.judge(longer, hour) is not None for hour in range(1, 7)] == [False, False, True, True, False, False]
    found = served.judge(longer, 4)
    assert found is not None
    assert (found.data["before_start"], found.data["version"]) == ("2026-11-18T12:00:00Z", None)


def test_so_many_windows_in_a_row(served: Served) -> None:
    for hour, shift in enumerate([1.5, 0, 1.5, 1.5, 1.5]):
        served.hour(hour, shift=shift)
    when = drift("km", window="1h", minimum=100, over=0.5, consecutive=2)
    assert [served.judge(when, hour) is not None for hour in range(1, 6)] == [False, False, False, True, True]


def test_again_only_after_a_while(served: Served) -> None:
    for hour in range(6):
        served.hour(hour, shift=1.5)
    when = drift("km", window="1h", minimum=100, over=0.5, cooldown="3h")
    last, fired = None, []
    for hour in range(1, 7):
        found = served.judge(when, hour, last)
        if found is not None:
            last = found.window.end
            fired.append(hour)
    assert fired == [1, 4]


def test_features_and_thresholds_of_their_own(served: Served) -> None:
    served.hour(0, shift=1.5)
    assert served.judge(drift("km", window="1h", minimum=100, features=["city"]), 1) is None
    assert served.judge(drift("km", window="1h", minimum=100, thresholds={"a": 90.0}), 1) is None
    found = served.judge(drift("km", window="1h", minimum=100, over=90, thresholds={"city": 0.0}), 1)
    assert found is not None
    assert found.data["feature"] == "city"


def test_of_several_versions_the_newest_that_was_asked_enough_counts(served: Served) -> None:
    served.hour(0, shift=1.5)
    served.hour(0, shift=0.0, version=2)
    assert served.judge(drift("km", window="1h", minimum=100, over=0.5), 1) is None
    served.hour(1, shift=1.5)
    served.hour(1, shift=0.0, version=2, rows=20)
    found = served.judge(drift("km", window="1h", minimum=100, over=0.5), 2)
    assert found is not None
    assert found.version == 1


def test_a_metric_beyond_its_bound_is_a_breach_once_its_labels_are_there(served: Served) -> None:
    when = degraded("km", metric="mean_absolute_error", over=1.0, window="1h", minimum=100)
    served.hour(0, error=0.0)
    served.hour(1)
    assert [served.judge(when, hour) for hour in (1, 2, 3)] == [None, None, None]
    served.hour(2, error=4.0)
    found = served.judge(when, 5)
    assert found is not None
    data = dict(found.data)
    assert (data["metric"], data["threshold"], data["rows"], data["labelled"]) == ("mean_absolute_error", 1.0, 200, 200)
    assert data["value"] > 1.0
    assert data["window_start"] == "2026-11-18T13:00:00Z"
    under = degraded("km", metric="r2_score", under=0.5, window="1h", minimum=100)
    assert served.judge(under, 5) is not None
    assert served.judge(degraded("km", metric="r2_score", under=-50, window="1h", minimum=100), 5) is None


def test_a_metric_of_a_part_of_the_rows(served: Served) -> None:
    served.hour(0, error=4.0)
    good = degraded("km", metric="mean_absolute_error", over=1.0, where="city = 'y'", window="1h", minimum=50)
    bad = degraded("km", metric="mean_absolute_error", over=1.0, where="city = 'x'", window="1h", minimum=50)
    assert served.judge(good, 1) is None
    found = served.judge(bad, 1)
    assert found is not None
    assert found.data["value"] == pytest.approx(4.0)
    assert (
        served.judge(
            degraded("km", metric="mean_absolute_error", over=1, where="city = 'x'", window="1h", minimum=150), 1
        )
        is None
    )


def test_a_part_of_the_rows_is_named_by_columns_that_an_older_version_may_lack(served: Served) -> None:
    without = replace(TRAINED, signature=graph(inputs={"a": "float64"}).signature)
    place = replace(served.place, graph=lambda name, version: TRAINED if version == 2 else without)
    form = RecordForm(without, 1, "d1")
    records = ((f"old{n}", START + n, {"a": 1.0}, {"predicted_y": 1.0}) for n in range(200))
    logged(place.requests, rows_of(form, records))
    told = label_rows(TRAINED, pa.table({"id": [f"old{n}" for n in range(200)], "y": [1.0] * 200}), now=START)
    add_labels(place.labels, "km", told, now=START)
    served.hour(0, error=4.0, version=2)

    def judged(where: str, minimum: int):
        more = {"where": where, "window": "1h", "minimum": minimum}
        when = degraded("km", metric="mean_absolute_error", over=1.0, **more)
        return judge(place, rule_of(when.kind, when.spec), now=START + HOUR)

    found = judged("city = 'x'", 50)
    assert found is not None
    assert found.version == 2
    assert judged("city = 'x'", 150) is None
    with pytest.raises(PenstockError, match="town"):
        judged("town = 'x'", 50)


def test_metrics_of_windows_in_a_row_pass_over_what_has_no_labels_yet(served: Served) -> None:
    for hour, error in enumerate([4.0, 4.0, None, None]):
        served.hour(hour, error=error)
    when = degraded("km", metric="mean_absolute_error", over=1.0, window="1h", minimum=100, consecutive=2)
    found = served.judge(when, 4)
    assert found is not None
    assert found.window.end == START + 2 * HOUR
    assert served.judge(when, 4, last=found.window.end) is None


def test_labels_that_come_days_later_are_not_too_late_for_short_windows(served: Served) -> None:
    served.hour(0, error=4.0)
    for hour in range(1, 100, 7):
        served.hour(hour, rows=20)
    when = degraded("km", metric="mean_absolute_error", over=1.0, window="1h", minimum=100)
    found = served.judge(when, 24 * 7)
    assert found is not None
    assert found.window.end == START + HOUR
    assert served.judge(when, 24 * 7 + 30) is None


def test_a_metric_that_the_model_is_not_judged_by_is_named(served: Served) -> None:
    served.hour(0, error=1.0)
    with pytest.raises(DataError, match=r"not judged by 'roc_auc'; there are: .*mean_absolute_error"):
        served.judge(degraded("km", metric="roc_auc", under=0.5, window="1h", minimum=100), 1)


def test_what_is_judged_on_changes_with_windows_that_have_ended_and_their_labels_only(
    served: Served,
) -> None:
    day = drift("km", window="1d", minimum=100), degraded("km", metric="r2_score", under=0, window="1d")
    rules = [rule_of(when.kind, when.spec) for when in day]

    def states() -> list[str]:
        return [judged_on(served.place, rule, now=START + 30 * HOUR) for rule in rules]

    served.hour(0)
    before = states()
    assert states() == before
    served.hour(26)  # of the window that is under way
    assert states() == before
    served.hour(1)
    assert all(now != then for now, then in zip(states(), before, strict=True))
    before = states()
    told = pa.table({"id": ["0-1-0"], "y": [1.0]})
    add_labels(served.place.labels, "km", label_rows(TRAINED, told, now=START), now=START)
    assert [now != then for now, then in zip(states(), before, strict=True)] == [False, True]
    assert states()[0] != judged_on(served.place, rules[0], now=START + 60 * HOUR)
