"""A model that looks features up, behind a real server: events come in, and a request sees them as batch does."""

from __future__ import annotations

import datetime
import json
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from story_projects import served

import penstock as ps
from penstock.cli import main

START = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=10)

TAXIS = ps.feature_set(
    "taxis",
    entities={"zone": "string"},
    timestamp="at",
    features={
        "last_fare": ps.col("fare"),
        "rides_1d": ps.col("fare").count().over("1d"),
        "mean_7d": ps.col("fare").mean().over("7d"),
        "relative": ps.request("distance") / ps.feature("taxis:mean_7d"),
    },
    columns={"fare": "float64"},
)
FARE = ps.model(
    "fare",
    type="boosted_tree_regressor",
    label="fare",
    features={
        "last": ps.feature("taxis:last_fare"),
        "rides": ps.feature("taxis:rides_1d"),
        "mean": ps.feature("taxis:mean_7d").log1p(),
        "relative": ps.feature("taxis:relative"),
        "distance": ps.col("distance"),
    },
    options={"max_iterations": 5},
)


def rides(count: int, start: datetime.datetime, step: datetime.timedelta) -> pa.Table:
    fares = [5 + (number * 37 % 101) / 3 for number in range(count)]
    return pa.table(
        {
            "zone": [f"z{number % 7}" for number in range(count)],
            "at": [start + number * step for number in range(count)],
            "fare": fares,
            "distance": [fare / 2 + number % 3 for number, fare in enumerate(fares)],
        }
    )


def posted(url: str, instances: list[dict[str, Any]]) -> list[float]:
    request = urllib.request.Request(f"{url}/v1/models/fare:predict", json.dumps({"instances": instances}).encode())
    with urllib.request.urlopen(request) as response:
        return [each["predicted_fare"] for each in json.load(response)["predictions"]]


@pytest.mark.usefixtures("warm_workers")
def test_what_is_served_is_what_batch_and_history_say_also_while_events_come_in(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    past = rides(900, START, datetime.timedelta(minutes=15))
    project.features.apply(TAXIS)
    project.features.ingest(TAXIS, past)
    project.fit(FARE, past)  # as of each ride: what the zone had seen before it
    asked = [{"zone": f"z{number}", "distance": 1.5 * number + 0.25} for number in range(8)]  # nobody knows z7
    rows = pa.Table.from_pylist(asked)
    seen = []
    with served(tmp_path) as url:
        for round in range(3):
            now = datetime.datetime.now(datetime.UTC)
            project.features.ingest(TAXIS, rides(5 + round, now, datetime.timedelta(microseconds=1)))
            answers = posted(url, asked)
            seen.append(answers)
            assert answers == project.predict("fare", rows).column("predicted_fare").to_pylist()
            at = pa.array([datetime.datetime.now(datetime.UTC)] * len(asked), pa.timestamp("us", "UTC"))
            timed = rows.append_column("event_timestamp", at)
            assert answers == project.predict("fare", timed).column("predicted_fare").to_pylist()
        assert len({tuple(answers) for answers in seen}) == 3
        verified = CliRunner().invoke(main, ["-C", str(tmp_path), "verify", "fare", "--url", url])
        assert verified.exit_code == 0, verified.output


def test_a_server_rehearses_a_day_that_is_over(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    noon = datetime.datetime(2013, 12, 20, 12, tzinfo=datetime.UTC)
    past = rides(60, noon - datetime.timedelta(hours=10), datetime.timedelta(minutes=10))
    project.features.apply(TAXIS)
    project.features.ingest(TAXIS, past)
    mean = ps.model("fare", type="linear_reg", label="fare", features={"rides": ps.feature("taxis:rides_1d")})
    project.fit(mean, past)
    rows = pa.Table.from_pylist([{"zone": "z1", "event_timestamp": noon}, {"zone": "z2", "event_timestamp": noon}])
    with served(tmp_path, PENSTOCK_SERVER_FEATURES_AS_OF=noon.isoformat()) as url:
        answers = posted(url, [{"zone": "z1"}, {"zone": "z2"}])
    assert answers == project.predict("fare", rows).column("predicted_fare").to_pylist()
    assert answers != project.predict("fare", rows.select(["zone"])).column("predicted_fare").to_pylist()
