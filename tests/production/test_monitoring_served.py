"""Models in production through the server, its page, /metrics, the command line and from afar: the same everywhere."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import uvicorn
from click.testing import CliRunner
from starlette.testclient import TestClient

import penstock as ps
from penstock.cli import main
from penstock.errors import DataError, RequestError
from penstock.models import row_predictor
from penstock.serving.application import application

HOUR = 3600.0
START = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
MOMENT = "2026-01-05T13:00:00Z"
TOML = '[monitoring]\nlog_requests = 1.0\nflush = "50ms"\nwindow = "1h"\n'
KM = ps.model("km", type="linear_reg", label="y", features={"a": ps.col("a"), "city": ps.col("city")})


def world(rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    a, city = rng.normal(shift, 1, rows), rng.choice(["x", "y"], rows)
    return pa.table({"a": a, "city": city, "y": 2 * a + (city == "x")})


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ps.Project, TestClient, Clock]]:
    """A model that was asked 300 rows in one hour, and 300 others in the next; the labels of the first are there."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "penstock.toml").write_text(TOML)
    project, clock = ps.open(folder), Clock()
    project.fit(KM, world(1000, seed=0))
    with TestClient(application(project, row_predictor, clock=clock)) as client:
        for hour, shift in enumerate((0.0, 3.0)):
            rows = world(300, seed=hour + 1, shift=shift)
            for start in range(0, 300, 100):
                clock.now = START + hour * HOUR + start
                body = {"instances": rows.select(["a", "city"]).slice(start, 100).to_pylist()}
                answer = client.post("/v1/models/km:predict", json=body, headers={"x-request-id": f"h{hour}-{start}"})
                assert answer.status_code == 200
        clock.now = START + 2 * HOUR + 60
        rows = world(300, seed=1)
        told = [
            {"id": f"h0-{at // 100 * 100}/{at % 100}", "label": value, "time": "2026-01-05T13:00:00Z"}
            for at, value in enumerate(rows["y"].to_pylist())
        ]
        while not re.search(r'outcome="kept"} 600', client.get("/metrics").text):
            pass
        answer = client.post("/v1/models/km/labels", json={"labels": told})
        assert (answer.status_code, answer.json()) == (201, {"labels": 300})
        yield project, client, clock


ASKED = {"window": "1h", "windows": "3", "minimum": "100", "by": "city", "now": str(START + 2 * HOUR + 60)}


def test_rest_says_what_the_project_says(served) -> None:
    project, client, clock = served
    answer = client.get("/v1/models/km/monitoring", params=ASKED)
    assert answer.status_code == 200
    expected = project.monitor("km", window="1h", windows=3, minimum=100, by="city", now=clock.now)
    assert answer.json() == json.loads(json.dumps(expected.to_json()))
    whole = [row for row in answer.json()["performance"] if row["slice"] == ""]
    assert [(row["rows"], row["labelled"]) for row in whole] == [(300, 300), (300, 0)]
    assert whole[0]["mean_absolute_error"] < 1e-6
    assert {each["feature"] for each in answer.json()["breaches"]} == {"a", "predicted_y"}


def test_the_page_shows_it_with_charts_and_runs_nothing(served) -> None:
    _, client, _ = served
    answer = client.get("/models/km/monitoring", params=ASKED)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    for said in ("<h1>km</h1>", "is far from what it has learned from", "600 rows were answered", "By city"):
        assert said in answer.text
    assert answer.text.count("<svg") >= 10
    assert '<span class="line0">version 1</span>' in answer.text
    assert 'href="/models/km/monitoring"' in client.get("/").text
    empty = client.get("/models/km/monitoring", params={**ASKED, "now": str(START - 9 * HOUR)})
    assert "No request is logged in these windows" in empty.text


def test_metrics_have_gauges_of_the_newest_window_that_has_ended(served) -> None:
    _, client, clock = served
    gauges: dict[str, float] = {}
    for _ in range(600):
        lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("penstock_window")]
        gauges = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
        if gauges.get('penstock_window_rows{model="km",version="1"}') == 300:
            break
        clock.now += 0.2
        threading.Event().wait(0.05)
    assert gauges['penstock_window_rows{model="km",version="1"}'] == 300
    assert gauges['penstock_window_labelled{model="km",version="1"}'] == 0
    far = 'penstock_window_distance{model="km",version="1",feature="a",against="training",metric="PSI"}'
    assert gauges[far] > 1
    assert gauges['penstock_window_distance{model="km",feature="city",against="before",metric="PSI"}'] < 0.2


def test_that_nobody_asks_a_served_model_is_a_gauge_too_and_a_clock_may_be_set_back(served) -> None:
    _, client, clock = served
    rows, before = 'penstock_window_rows{model="km",version="1"}', clock.now

    def comes(value: int) -> bool:
        for _ in range(600):
            if f"{rows} {value}\n" in client.get("/metrics").text:
                return True
            threading.Event().wait(0.05)
        return False

    clock.now = before + 5 * HOUR
    assert comes(0)
    clock.now = before
    assert comes(300)


@pytest.mark.parametrize(
    ("path", "params", "status", "said"),
    [
        ("/v1/models/nobody/monitoring", {}, 404, "no model named 'nobody'"),
        ("/v1/models/km/monitoring", {"windw": "1d"}, 400, "takes no query parameter 'windw'"),
        ("/v1/models/km/monitoring", {"over": "far"}, 400, "over is 'far'"),
        ("/v1/models/km/monitoring", {"now": "nan"}, 422, "now is nan; give a moment since 1970"),
        ("/v1/models/km/monitoring", {"now": "1e300"}, 422, "give a moment since 1970"),
        ("/v1/models/km/monitoring", {"windows": "0"}, 422, "windows is 0; give how many"),
        ("/v1/models/km/monitoring", {"threshold": "a"}, 400, "threshold=distance=0.3"),
        ("/v1/models/km/monitoring", {"window": "a day"}, 422, "the window"),
        ("/v1/models/km/monitoring", {"metric": "psi"}, 404, "no distance named 'psi'"),
    ],
)
def test_what_is_asked_wrongly_is_named(served, path: str, params: dict[str, str], status: int, said: str) -> None:
    answer = served[1].get(path, params=params)
    assert answer.status_code in (status, 422), answer.text
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"labels": [{"id": "a", "label": "far"}]}, "not float64"),
        ({"labels": [{"id": "a"}]}, "label"),
        (
            {"labels": [{"id": "a", "label": 1, "time": "2026-01-05T13:00:00Z"}, {"id": "b", "label": 1}]},
            "some have none",
        ),
    ],
)
def test_labels_that_are_none_are_refused(served, body: dict, said: str) -> None:
    answer = served[1].post("/v1/models/km/labels", json=body)
    assert answer.status_code in (400, 422)
    assert said in answer.json()["error"]["message"]


def test_the_command_line_shows_it_and_ends_with_1_on_a_breach(served, tmp_path: Path) -> None:
    project, _, _ = served
    base = ["-C", str(project.root), "monitor", "km", "--window", "1h", "--minimum", "100"]
    page = tmp_path / "km.html"
    found = CliRunner().invoke(main, [*base, "--now", "2026-01-05T14:01:00Z", "--by", "city", "--html", str(page)])
    assert found.exit_code == 1, found.output
    assert "BREACH: predicted_y against training" in found.output
    assert "2026-01-05 12:00" in found.output
    assert "<svg" in page.read_text()
    good = CliRunner().invoke(main, [*base, "--now", "2026-01-05T13:01:00Z", "--json"])
    assert good.exit_code == 0, good.output
    assert json.loads(good.output)["breaches"] == []
    bound = CliRunner().invoke(main, [*base, "--now", "2026-01-05T13:01:00Z", "--threshold", "city=0"])
    assert bound.exit_code == 1
    nothing = CliRunner().invoke(main, [*base, "--now", "2020-01-05T13:01:00Z"])
    assert (nothing.exit_code, "no request to km is logged" in nothing.output) == (0, True)
    nowhere = CliRunner().invoke(main, [*base, "--html", str(tmp_path / "no" / "km.html")])
    assert (nowhere.exit_code, "km.html cannot be written: No such file" in nowhere.output) == (4, True)
    wrong = CliRunner().invoke(main, [*base, "--now", "yesterday"])
    assert (wrong.exit_code, "--now is 'yesterday'" in wrong.output) == (2, True)


def test_labels_are_told_on_the_command_line(served, tmp_path: Path) -> None:
    project, _, clock = served
    command = ["-C", str(project.root), "labels", "km"]
    told = CliRunner().invoke(main, [*command, '[{"id": "h1-0/0", "y": 1.5}, {"id": "h1-0/1", "y": 2.5}]'])
    assert (told.exit_code, told.output) == (0, "2 labels of km\n")
    file = tmp_path / "labels.csv"
    file.write_text("request,value\nh1-0/2,3.5\n")
    told = CliRunner().invoke(main, [*command, str(file), "--id", "request", "--label", "value", "--json"])
    assert (told.exit_code, json.loads(told.output)) == (0, {"labels": 1})
    whole = [row for row in project.monitor("km", window="1h", windows=1, now=clock.now).performance.to_pylist()]
    assert whole[0]["labelled"] == 3


def test_a_project_behind_an_address_tells_the_same(served) -> None:
    project, client, clock = served
    server = uvicorn.Server(uvicorn.Config(client.app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        there = ps.open(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        how = {"window": "1h", "windows": 2, "minimum": 100, "by": ["city", ps.col("a") > 0], "now": clock.now}
        assert there.monitor("km", thresholds={"city": 0.0}, **how) == project.monitor(
            "km", thresholds={"city": 0.0}, **how
        )
        assert there.add_labels("km", [{"id": "h1-0/9", "y": 1.0}]) == 1
        with pytest.raises((DataError, RequestError), match="need the columns id, label"):
            there.add_labels("km", [{"id": "h1-0/9", "z": 1.0}])
    finally:
        server.should_exit = True
        thread.join(10)
