"""A challenger in the shadow of a served cascade: what it would have done on live requests, as the log tells it."""

from __future__ import annotations

import dataclasses
import json
import math
import time

import msgspec
import pytest
from cascade_worlds import FOREST, RARE, distance, rentals
from click.testing import CliRunner
from starlette.testclient import TestClient

import penstock as ps
from penstock.cli import main
from penstock.core.graph import ModelGraph, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Schema
from penstock.errors import ConflictError, DataError, UnknownNameError
from penstock.models import row_predictor, set_alias
from penstock.models.judging import metrics
from penstock.production.records import RecordForm, utc
from penstock.production.request_log import RequestLog
from penstock.project.config import MonitoringSection, ServerSection
from penstock.serving.application import application

ASKED = rentals(rows=300, seed=3)
INPUTS = ["x1", "x2", "x3"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    """A project whose server has answered `ASKED`, with a stricter router in the shadow."""
    project = ps.open(tmp_path_factory.mktemp("shadows"))
    project.fit(distance(), rentals())
    project.fit(distance(routes=[ps.route(when=ps.col("is_long") > 0.9, use=RARE)]), rentals())
    project.fit(FOREST, rentals())
    set_alias(project.metadata, "distance", "champion", 1)
    set_alias(project.metadata, "distance", "challenger", 2)
    server = ServerSection(shadow={"distance": "challenger", "is_long": "challenger"})
    monitoring = MonitoringSection(log_requests=1.0, flush="100ms")
    project.config = dataclasses.replace(project.config, server=server, monitoring=monitoring)
    with TestClient(application(project, row_predictor)) as client:
        rows = ASKED.select(INPUTS).to_pylist()
        for start in range(0, 300, 50):
            assert client.post("/v1/models/distance:predict", json={"instances": rows[start : start + 50]}).is_success
        assert client.post("/v1/models/is_long:predict", json={"instances": rows[:5]}).is_success
        deadline = time.monotonic() + 60
        while project.requests.table().num_rows < 305:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    return project


def predictions(project: ps.Project, version: int) -> list[dict]:
    found = project.predict(f"distance/{version}", ASKED).select(["predicted_km", "route"]).to_pylist()
    return found


def test_the_log_has_what_was_served_and_the_routes(project: ps.Project) -> None:
    log = project.requests.table("distance")
    assert [json.loads(each) for each in log.column("prediction").to_pylist()] == predictions(project, 1)
    assert [json.loads(each) for each in log.column("instance").to_pylist()] == ASKED.select(INPUTS).to_pylist()
    routes = [each["route"] for each in predictions(project, 1)]
    assert log.column("route").to_pylist() == routes
    shares = project.requests.route_shares("distance")
    assert shares == {name: routes.count(name) / 300 for name in ("typical", "rare")}
    assert list(shares) == ["typical", "rare"]
    assert project.requests.route_shares("distance", version=2) == {}
    assert project.requests.route_shares("is_long") == {}


def test_sql_reads_the_log(project: ps.Project) -> None:
    found = project.sql(
        "SELECT route, COUNT(*) AS n FROM penstock.requests WHERE model = 'distance' GROUP BY route ORDER BY n DESC"
    ).to_pylist()
    assert {each["route"]: each["n"] / 300 for each in found} == project.requests.route_shares("distance")
    names = project.sql("SELECT table_name FROM INFORMATION_SCHEMA.TABLES").column("table_name").to_pylist()
    assert "requests" in names or "penstock.requests" in names
    project.sql("CREATE TABLE kept AS SELECT instance FROM penstock.requests WHERE version = 1 AND model = 'distance'")
    assert project.sql("SELECT COUNT(*) AS n FROM kept").to_pylist() == [{"n": 300}]
    for statement in ("CREATE OR REPLACE TABLE penstock.requests AS SELECT 1 AS one", "DROP TABLE penstock.requests"):
        with pytest.raises(ConflictError, match="the log of what servers have answered"):
            project.sql(statement)


def test_without_a_log_there_is_no_table(tmp_path) -> None:
    project = ps.open(tmp_path)
    assert project.requests.table().num_rows == 0
    with pytest.raises(UnknownNameError, match=r"penstock\.requests"):
        project.sql("SELECT * FROM penstock.requests")
    with pytest.raises(DataError, match=r"shadow = \{ distance = .* log_requests = 0\.1"):
        project.requests.shadow("distance")


def test_a_shadow_is_compared_with_what_was_served(project: ps.Project) -> None:
    served, shadow = predictions(project, 1), predictions(project, 2)
    found = project.requests.shadow("distance")
    assert (found.version, found.shadow_version, found.rows, found.errors) == (1, 2, 300, {})
    pairs = [(one["route"], other["route"]) for one, other in zip(served, shadow, strict=True)]
    assert found.same_routes == sum(one == other for one, other in pairs) / 300 < 1
    assert found.routes == {
        "typical": {"typical": pairs.count(("typical", "typical"))},
        "rare": {"rare": pairs.count(("rare", "rare")), "typical": pairs.count(("rare", "typical"))},
    }
    apart = [other["predicted_km"] - one["predicted_km"] for one, other in zip(served, shadow, strict=True)]
    assert found.difference == pytest.approx(
        {"mean": sum(apart) / 300, "mean_size": sum(map(abs, apart)) / 300, "largest": max(map(abs, apart))}
    )
    assert (found.judged, found.metrics, found.same_labels) == (0, {}, None)


def test_both_are_judged_where_the_truth_is_known(project: ps.Project) -> None:
    known = ASKED.slice(0, 200)
    found = project.requests.shadow("distance", truth=known, key=["x1", "x2"])
    assert found.judged == 200
    actual = known.column("km").to_numpy()
    for name, version in (("served", 1), ("shadow", 2)):
        predicted = project.predict(f"distance/{version}", known).column("predicted_km").to_numpy()
        assert found.metrics[name].items() >= metrics.regression(actual, predicted).items()
        assert found.metrics[name]["root_mean_squared_error"] > 0
    log = project.requests.table("distance").select(["request", "row"]).slice(0, 200)
    by_request = project.requests.shadow(
        "distance", truth=log.append_column("km", known.column("km")), key=["request", "row"]
    )
    assert by_request.metrics == found.metrics


def test_labels_are_compared_too_and_a_shadow_that_fails_counts_by_what_went_wrong(tmp_path) -> None:
    project = ps.open(tmp_path)
    log = RequestLog(project.config.requests, 1 << 20)

    def said(label: str, sure: float) -> bytes:
        others = [{"label": "ab"[label == "a"], "prob": 1 - sure}]
        told = {"predicted_kind": label, "predicted_kind_probs": [{"label": label, "prob": sure}, *others]}
        return msgspec.json.encode(told)

    rows = [("a", "a", "a"), ("a", "b", "a"), ("b", "b", "a"), ("b", None, "b")]
    outputs = Schema.of(predicted_kind="string", predicted_kind_probs="array<struct<label string, prob float64>>")
    signature = Signature(Schema.of(id="float64"), outputs)
    kind = ModelGraph(name="kind", label="kind", signature=signature, nodes=(), blobs=FrozenMap(), facts=FrozenMap())
    form = RecordForm(kind, 1, "d")
    for number, (served, shadow, _) in enumerate(rows):
        body, answer = b'{"instances": [{"id": %d}]}' % number, b'{"predictions": [%s]}' % said(served, 1.0)
        [instance], _, [prediction] = form.read(body, answer)
        own = {"time": utc(time.time()), "request": "r", "id": f"r/{number}", "row": number, "latency_seconds": 0.1}
        said_too = {"shadow_error": "KeyError: 'x'"} if shadow is None else {"shadow_prediction": said(shadow, 0.75)}
        log.add(form.table([form.record(instance, prediction, {**own, "shadow_version": 2, **said_too})]))
    log.close()
    truth = [{"id": number, "kind": kind} for number, (_, _, kind) in enumerate(rows)]
    found = project.requests.shadow("kind", truth=truth, key="id")
    assert (found.rows, found.errors) == (3, {"KeyError: 'x'": 1})
    assert (found.same_labels, found.difference, found.same_routes, found.routes) == (2 / 3, None, None, {})
    assert found.judged == 3
    assert [found.metrics[name]["accuracy"] for name in ("served", "shadow")] == [2 / 3, 1 / 3]
    assert found.metrics["shadow"]["log_loss"] == pytest.approx(-(math.log(0.75) + 2 * math.log(0.25)) / 3)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"truth": ASKED}, "name the key"),
        ({"truth": ASKED.drop_columns(["km"]), "key": "x1"}, "lacks the column 'km'"),
        ({"truth": ASKED, "key": "order"}, "lacks the column 'order'"),
        ({"version": 7}, "of version 7"),
    ],
)
def test_what_cannot_be_compared_is_told(project: ps.Project, how: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        project.requests.shadow("distance", **how)


def test_the_command_shows_it(project: ps.Project, tmp_path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(ASKED, tmp_path / "truth.parquet")
    asked = ["-C", str(project.root), "shadow", "distance"]
    shown = CliRunner().invoke(main, asked)
    assert shown.exit_code == 0, shown.output
    assert "version 2 in the shadow of version 1, 300 rows" in shown.output
    found = project.requests.shadow("distance")
    assert f"the same route: {found.same_routes:.2%}" in shown.output
    more = [*asked, "--truth", str(tmp_path / "truth.parquet"), "--key", "x1", "--key", "x2"]
    judged = CliRunner().invoke(main, more)
    assert "on the 300 rows whose truth is known" in judged.output
    told = json.loads(CliRunner().invoke(main, [*more, "--json"]).output)
    assert (told["rows"], told["judged"], told["routes"]) == (300, 300, found.routes)
    assert CliRunner().invoke(main, ["-C", str(project.root), "shadow", "none"]).exit_code != 0
