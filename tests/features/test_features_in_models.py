"""Models that look features up: learned as of each row's time, served online by keys and values of the request."""

from __future__ import annotations

import dataclasses
import datetime
import random
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import penstock as ps
from penstock.cli.group import main
from penstock.errors import DataError, RunError, UnknownNameError
from penstock.production.reading import read_versions
from penstock.project.config import MonitoringSection
from penstock.project.looking_up import row_predictor
from penstock.serving.application import application

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def ago(**age: float) -> datetime.datetime:
    return NOW - datetime.timedelta(**age)


def rides(fare: Any = None) -> ps.FeatureSet:
    return ps.feature_set(
        "rides",
        entities={"driver_id": "int64"},
        timestamp="at",
        created="made",
        ttl="30d",
        features={
            "fare": ps.col("fare") if fare is None else fare,
            "trips": ps.col("fare").count().over("7d"),
            "city": ps.col("city"),
            "share": ps.request("amount") / ps.feature("rides:fare"),
        },
        columns={"fare": "float64", "city": "string"},
    )


PRICE = ps.model(
    "price",
    type="linear_reg",
    label="price",
    features={
        "trips": ps.feature("rides:trips").fill_null(0),
        "fare": ps.feature("rides:fare"),
        "city": ps.feature("rides:city"),
        "share": ps.feature("rides:share").fill_null(0.0),
        "km": ps.col("km").log1p(),
    },
    options={"data_split_method": "no_split"},
)


def events(count: int = 200, seed: int = 1) -> pa.Table:
    chance = random.Random(seed)
    rows = [
        {
            "driver_id": chance.randrange(12),
            "at": ago(hours=chance.uniform(1, 24 * 20)),
            "made": ago(hours=1),
            "fare": None if chance.random() < 0.05 else round(chance.uniform(5, 60), 2),
            "city": chance.choice(["Utrecht", "Delft", None]),
        }
        for _ in range(count)
    ]
    return pa.Table.from_pylist(rows)


def labelled(count: int = 300, seed: int = 2) -> pa.Table:
    chance = random.Random(seed)
    rows = [
        {
            "driver_id": chance.randrange(15),  # three of them never drove
            "event_timestamp": ago(hours=chance.uniform(0, 24 * 15)),
            "amount": round(chance.uniform(1, 100), 2),
            "km": chance.uniform(0, 30),
            "price": chance.uniform(5, 50),
        }
        for _ in range(count)
    ]
    return pa.Table.from_pylist(rows)


@pytest.fixture
def fitted(project: ps.Project) -> tuple[ps.Project, ps.ModelGraph]:
    project.features.apply(rides())
    project.features.ingest(rides(), events())
    return project, project.fit(PRICE, labelled())


def test_it_learns_from_the_features_as_of_each_rows_time(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    project, graph = fitted
    references = ["rides:trips", "rides:fare", "rides:city", "rides:share"]
    joined = project.features.get_historical_features(labelled(), references)
    by_hand = ps.fit(
        ps.model(
            "price",
            type="linear_reg",
            label="price",
            features={
                "trips": ps.col("trips").fill_null(0),
                "fare": ps.col("fare"),
                "city": ps.col("city"),
                "share": ps.col("share").fill_null(0.0),
                "km": ps.col("km").log1p(),
            },
            options={"data_split_method": "no_split"},
        ),
        joined,
    )
    assert graph.blobs == by_hand.blobs
    assert graph.facts["evaluation"] == by_hand.facts["evaluation"]
    assert graph.facts["disagreements"] == []
    predicted = project.predict("price", labelled())
    assert predicted.column_names == ["predicted_price", *labelled().column_names]
    assert (
        predicted.column("predicted_price").to_pylist() == by_hand.predict(joined).column("predicted_price").to_pylist()
    )


def test_the_graph_says_what_it_looks_up_and_by_what(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    _, graph = fitted
    assert [(node.name, node.inputs) for node in graph.of("feature")] == [
        ("rides@1:trips", ("driver_id",)),
        ("rides@1:fare", ("driver_id",)),
        ("rides@1:city", ("driver_id",)),
        ("rides@1:share", ("driver_id", "amount")),
    ]
    assert {field.name: field.type for field in graph.signature.inputs} == {
        "km": "float64",
        "driver_id": "int64",
        "amount": "float64",
    }
    assert "rides@1:share: float64, by driver_id, amount" in graph.describe()
    assert graph.declaration() == PRICE
    assert "PENSTOCK.FEATURE('rides:trips')" in graph.declaration().sql()


def test_a_request_carries_keys_and_its_own_values_and_gets_what_batch_gets(
    fitted: tuple[ps.Project, ps.ModelGraph],
) -> None:
    project, _ = fitted
    asked = [
        {"driver_id": id, "amount": amount, "km": 3.5}
        for id, amount in [(1, 10.0), (2, 12), (3, None), (14, 1.0), (None, 5.0)]
    ]
    project.features.ingest(
        "rides", [{"driver_id": 3, "at": ago(minutes=1), "made": NOW, "fare": 99.0, "city": "Delft"}]
    )
    app = application(project, lambda graph: row_predictor(graph, project.features))
    with TestClient(app) as client:
        answer = client.post("/v1/models/price:predict", json={"instances": asked})
        assert answer.status_code == 200, answer.text
        served = [each["predicted_price"] for each in answer.json()["predictions"]]
        types = {"driver_id": pa.int64(), "amount": pa.float64(), "km": pa.float64()}
        rows = pa.Table.from_pylist(asked, pa.schema(types.items()))
        assert served == project.predict("price", rows).column("predicted_price").to_pylist()
        at = pa.array([datetime.datetime.now(datetime.UTC)] * len(asked), pa.timestamp("us", "UTC"))
        past = project.predict("price", rows.append_column("event_timestamp", at))
        assert served == past.column("predicted_price").to_pylist()
        lacking = client.post("/v1/models/price:predict", json={"instances": [{"amount": 1.0, "km": 1.0}]})
        assert lacking.status_code == 422
        assert "driver_id" in lacking.json()["error"]["message"]


def test_verification_holds_online_against_history(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    project, _ = fitted
    found = project.verify("price")
    assert found.equal
    assert found.rows == 300
    assert found.largest == 0.0


def test_verification_finds_an_online_store_that_is_behind(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    project, _ = fitted
    places = project.features.places
    places.online.clear(b"f", mark=b"rides@1")
    assert not project.verify("price").equal
    project.features.materialize("rides")
    assert project.verify("price").equal


def test_a_newer_version_of_the_set_changes_nothing_for_the_model(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    project, graph = fitted
    project.features.apply(rides(fare=ps.col("fare") * 100))
    project.features.ingest("rides", [{"driver_id": 3, "at": ago(minutes=1), "made": NOW, "fare": 50.0, "city": None}])
    rows = pa.table({"driver_id": [3], "amount": [25.0], "km": [1.0]})
    reader = row_predictor(graph, project.features)
    one = reader.predict(rows.to_pylist()[0])
    assert project.predict("price", rows).column("predicted_price").to_pylist() == [one["predicted_price"]]
    assert project.features.reader(["rides@1:fare"]).row({"driver_id": 3})[0] == [50.0]
    assert project.verify("price").equal


def test_it_is_fitted_again_when_rows_of_its_features_came(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    project, graph = fitted
    before = len(project.models["price"].versions)
    project.fit(PRICE, labelled())
    assert {step.state for step in project.runs(limit=1)[0].steps.values()} == {"up_to_date"}
    project.features.ingest("rides", events(50, seed=3))
    again = project.fit(PRICE, labelled())
    assert project.runs(limit=1)[0].steps["historical_features"].state == "succeeded"
    assert again.blobs != graph.blobs
    assert len(project.models["price"].versions) == before + 1


def test_in_a_pipeline_rows_are_joined_by_a_step(project: ps.Project) -> None:
    project.features.apply(rides())
    project.features.ingest("rides", events())
    project.features.apply(ps.feature_service("pricing", ["rides:fare", "rides:trips"]))
    project.table("labels", labelled())
    given = labelled()

    @ps.step
    def labels() -> ps.Table:
        return given

    @ps.pipeline
    def train() -> None:
        rows = labels()
        ps.historical_features(rows, "pricing")
        joined = ps.historical_features(rows, PRICE)
        first, rest = ps.split(joined, by="event_timestamp")
        graph = ps.fit(PRICE, first)
        report = ps.evaluate(graph, rest)
        ps.push(graph, name="price", report=report)

    run = project.run(train, engine="inline")
    assert run.state == "succeeded", {name: step.error for name, step in run.steps.items()}
    table = run.artifact("historical_features").load()
    expected = project.features.get_historical_features(given, "pricing")
    assert table.column_names == expected.column_names
    assert table.to_pylist() == expected.to_pylist()
    assert project.models["price"].alias("champion").lineage["features"] == [
        "rides@1:trips",
        "rides@1:fare",
        "rides@1:city",
        "rides@1:share",
    ]
    assert {state.state for state in project.run(train, engine="inline").steps.values()} == {"up_to_date"}


def test_a_graph_by_itself_says_where_to_predict(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    _, graph = fitted
    rows = pa.table({"driver_id": [3], "amount": [25.0], "km": [1.0]})
    for call in (lambda: graph.predict(rows), lambda: graph.predict_row(rows.to_pylist()[0])):
        with pytest.raises(DataError, match=r"looks up rides@1:trips.*no feature store.*project.predict"):
            call()
    with pytest.raises(DataError, match=r"looks up 'rides:trips'.*project.fit\(model, rows\) joins it"):
        ps.fit(PRICE, labelled())


def test_what_a_model_cannot_look_up_is_said_before_anything_runs(project: ps.Project) -> None:
    with pytest.raises(UnknownNameError, match="no feature set named 'rides'"):
        project.fit(PRICE, labelled())
    project.features.apply(rides())
    wrong = ps.model("m", type="linear_reg", label="price", features={"x": ps.feature("rides:far")})
    with pytest.raises(UnknownNameError, match=r"no feature named 'far'.*Did you mean 'fare'"):
        project.fit(wrong, labelled())
    direct = ps.model("m", type="linear_reg", label="price", features={"x": ps.request("amount")})
    with pytest.raises(RunError, match=r"in a model it is ps.col\('name'\)"):
        project.fit(direct, labelled())


def test_it_is_saved_loaded_and_exported(fitted: tuple[ps.Project, ps.ModelGraph], tmp_path: Any) -> None:
    project, graph = fitted
    graph.save(tmp_path / "price")
    loaded = ps.load_model(tmp_path / "price")
    assert loaded.nodes == graph.nodes
    rows = {"driver_id": 3, "amount": 25.0, "km": 1.0}
    assert row_predictor(loaded, project.features).predict(rows) == row_predictor(graph, project.features).predict(rows)
    exported = graph.export("sql", tmp_path / "price.sql")
    assert "rides@1:fare" in exported.read_text()


def test_sql_learns_and_predicts_with_features(project: ps.Project) -> None:
    project.features.apply(rides())
    project.features.ingest("rides", events())
    project.table("labels", labelled())
    project.sql(PRICE.sql(rows="labels"))
    assert project.models["price"].alias("champion").lineage["features"][0] == "rides@1:trips"
    predicted = project.sql("SELECT * FROM ML.PREDICT(MODEL price, (SELECT * EXCEPT (price) FROM labels))")
    rows = labelled().drop_columns(["price"])
    assert predicted.column_names == ["predicted_price", *rows.column_names]
    assert predicted.column("predicted_price").to_pylist() == (
        project.predict("price", rows).column("predicted_price").to_pylist()
    )
    judged = project.sql("SELECT * FROM ML.EVALUATE(MODEL price, TABLE labels)")
    assert judged.to_pylist() == [project.evaluate("price", labelled())]
    shown = project.sql("DESCRIBE MODEL price").to_pylist()
    assert {"part": "lookup", "name": "rides@1:fare", "type": "FLOAT64", "value": "driver_id"} in shown


def test_lineage_leads_from_the_source_over_the_set_to_the_model(project: ps.Project) -> None:
    pq.write_table(events(), project.root / "rides.parquet")
    declared = dataclasses.replace(rides(), source="rides.parquet")
    project.features.apply(declared)
    project.features.ingest(declared)
    project.fit(PRICE, labelled())
    shown = CliRunner().invoke(main, ["-C", str(project.root), "lineage", "price", "--up"]).output
    assert re.search(r"features: feature set rides@1\n.*source rides.parquet", shown), shown
    assert project.features["rides"].lineage.models == ("price/1",)


def test_predict_on_the_command_line_and_verify(fitted: tuple[ps.Project, ps.ModelGraph]) -> None:
    project, _ = fitted
    root = ["-C", str(project.root)]
    pq.write_table(pa.table({"driver_id": [3], "amount": [25.0], "km": [1.0]}), project.root / "one.parquet")
    answer = CliRunner().invoke(main, [*root, "predict", "price", "one.parquet", "--json"])
    assert answer.exit_code == 0, answer.output
    one = row_predictor(project.models["price"].load(), project.features)
    assert repr(one.predict({"driver_id": 3, "amount": 25.0, "km": 1.0})["predicted_price"]) in answer.output
    assert CliRunner().invoke(main, [*root, "verify", "price"]).exit_code == 0


def test_features_that_were_looked_up_are_logged_and_watched_where_that_is_asked_for(
    fitted: tuple[ps.Project, ps.ModelGraph],
) -> None:
    project, graph = fitted
    rows = [{"driver_id": driver, "amount": 7.0, "km": 3.0} for driver in range(15)]
    online = project.features.get_online_features(["rides:trips", "rides:city"], {"driver_id": list(range(15))})
    section = MonitoringSection(log_requests=1.0, features=True)
    project.config = dataclasses.replace(project.config, monitoring=section)
    app = application(project, lambda graph: row_predictor(graph, project.features))
    with TestClient(app) as client:
        assert client.post("/v1/models/price:predict", json={"instances": rows}).status_code == 200
    logged = read_versions(project.config.requests, "price")[1]
    assert [each.partition("@")[0] for each in logged["features"][0].as_py()] == [
        node.name.partition("@")[0] for node in graph.of("feature")
    ]
    for name in ("trips", "city"):
        column = next(node.name for node in graph.of("feature") if node.params["feature"] == name)
        assert [each[column] for each in logged["features"].to_pylist()] == online[name].to_pylist()
    later = NOW + datetime.timedelta(days=1)
    changes = project.monitor("price", now=later).changes.to_pylist()
    watched = {each["feature"] for each in changes if each["against"] == "training"}
    assert {node.name for node in graph.of("feature")} < watched
