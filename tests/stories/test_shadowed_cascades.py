"""A new version of a cascade on live requests: a server logs what it answers, and what a shadow would have said."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from story_projects import served

import penstock as ps
from penstock.cli import main
from penstock.errors import UnknownNameError
from penstock.models.reporting import percent

TOML = """
[monitoring]
log_requests = 1.0
[server]
shadow = { distance = "challenger" }
"""
INPUTS = {"member": ps.col("member"), "pace": ps.col("pace")}
IS_LONG = ps.model("is_long", type="logistic_reg", label="is_long", features=INPUTS)
RARE = ps.model("rare", type="linear_reg", label="km", features=INPUTS)
TYPICAL = ps.model("typical", type="linear_reg", label="km", features=INPUTS)


def distance(threshold: float) -> ps.Cascade:
    return ps.cascade(
        "distance", label="km", metric="mean_absolute_error", router=IS_LONG, otherwise=TYPICAL, min_rows=20,
        routes=[ps.route(when=ps.col("is_long") > threshold, use=RARE)],
    )  # fmt: skip


def trips(count: int, seed: int) -> pyarrow.Table:
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        member, pace = chance.random() < 0.7, chance.gauss(0, 1)
        is_long = pace + chance.gauss(0, 0.5) > (1.5 if member else 0.5)
        km = (22 + 4 * pace if is_long else 3 - pace) + chance.gauss(0, 0.3)
        rows.append({"trip": number, "member": member, "pace": pace, "is_long": is_long, "km": km})
    return pyarrow.Table.from_pylist(rows)


@pytest.mark.usefixtures("warm_workers")
def test_a_challenger_is_judged_on_live_requests_before_it_answers_any(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(TOML)
    project = ps.open(tmp_path)
    for threshold in (0.5, 0.8):
        project.fit(distance(threshold), trips(1500, seed=1))
    ps.models.set_alias(project.metadata, "distance", "champion", 1)
    ps.models.set_alias(project.metadata, "distance", "challenger", 2)
    live = trips(200, seed=2)
    pyarrow.parquet.write_table(live, tmp_path / "truth.parquet")
    asked = live.select(["member", "pace"]).to_pylist()
    with served(tmp_path) as url:
        answers = []
        for number, row in enumerate(asked):
            body = json.dumps({"instances": [row]}).encode()
            headers = {"x-request-id": f"trip-{number}"}
            request = urllib.request.Request(f"{url}/v1/models/distance:predict", body, headers)
            with urllib.request.urlopen(request) as answer:
                answers += json.load(answer)["predictions"]
        there = ps.open(url)
        deadline = time.monotonic() + 60
        while count(there) < len(asked):
            assert time.monotonic() < deadline, "not all requests are logged"
            time.sleep(0.1)
        assert answers == project.predict("distance/1", live).select(["predicted_km", "route"]).to_pylist()
        found = there.requests.shadow("distance", truth=live, key="pace")
        assert there.requests.route_shares("distance") == project.requests.route_shares("distance")
        with urllib.request.urlopen(f"{url}/models/distance") as answer:
            page = answer.read().decode()
        for share in project.requests.route_shares("distance").values():
            assert percent(share) in page
        stages = there.predict("distance", live, stages=True).column("stages")
        assert stages.to_pylist() == project.predict("distance", live, stages=True).column("stages").to_pylist()
    assert found == project.requests.shadow("distance", truth=live, key="pace")
    assert (found.version, found.shadow_version, found.rows, found.judged, found.errors) == (1, 2, 200, 200, {})
    log = project.requests.table()
    assert sorted(log.column("request").to_pylist()) == sorted(f"trip-{number}" for number in range(200))
    for name, version in (("served", 1), ("shadow", 2)):
        judged = project.evaluate(f"distance/{version}", live)
        assert found.metrics[name]["mean_absolute_error"] == pytest.approx(judged["mean_absolute_error"])
    command = ["-C", str(tmp_path), "shadow", "distance", "--truth", str(tmp_path / "truth.parquet"), "--key", "pace"]
    shown = CliRunner().invoke(main, command)
    assert "version 2 in the shadow of version 1, 200 rows" in shown.output
    assert "on the 200 rows whose truth is known" in shown.output


def count(project: ps.RemoteProject) -> int:
    try:
        return project.requests.table("distance").num_rows
    except UnknownNameError:  # nothing is logged yet
        return 0
