"""Every model type by every way in: declared in SQL, fitted as a run, judged, and predicted by Python, SQL and REST."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.models.fitting.agreement import close
from penstock.serving.application import application

pytestmark = pytest.mark.usefixtures("warm_workers")

LABELS = {"regression": "minutes", "classification": "late"}
OPTIONS = {"pca": ", num_principal_components = 2", "kmeans": ", num_clusters = 3"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory):
    root: Path = tmp_path_factory.mktemp("types")
    random = np.random.default_rng(5)
    km, carrier = random.gamma(3, 4, 240), random.choice(["AA", "UA"], 240)
    minutes = 2 * km + 10 * (carrier == "UA") + random.normal(0, 2, 240)
    pa.parquet.write_table(
        pa.table(
            {
                "km": pa.array(km, mask=random.random(240) < 0.1),
                "carrier": pa.array(carrier, mask=random.random(240) < 0.1),
                "minutes": minutes,
                "late": minutes > 30,
            }
        ),
        root / "trips.parquet",
    )
    (root / "penstock.toml").write_text('[project]\nname = "types"\n[tables]\ntrips = "trips.parquet"\n')
    return ps.open(root)


@pytest.mark.parametrize("type", [type for type, learner in models.LEARNERS.items() if learner.task != "imported"])
def test_a_model_of_every_type_goes_every_way(project, type):
    if models.LEARNERS[type].library == "torch":
        pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed here: see make setup")
    label = LABELS.get(models.LEARNERS[type].task)
    columns = f", {label}" if label else ""
    named = f", input_label_cols = ['{label}']" if label else ""
    project.sql(
        f"CREATE MODEL {type} TRANSFORM(SAFE_DIVIDE(km, 10) AS tens, carrier{columns})"
        f" OPTIONS(model_type = '{type.upper()}'{named}{OPTIONS.get(type, '')}) AS SELECT * FROM trips"
    )
    graph = project.models[type].load()
    rows = project.sql("SELECT * EXCEPT(late, minutes) FROM trips")
    outputs = list(graph.signature.outputs.names)

    predicted = project.predict(type, rows)
    assert predicted.column_names[: len(outputs)] == outputs
    call = f"ML.PREDICT(MODEL {type}, (SELECT km, carrier FROM trips), keep_original_columns => TRUE)"
    assert project.sql(f"SELECT * FROM {call}").equals(predicted)
    if models.LEARNERS[type].method is not None:
        judged = project.evaluate(type, "trips")
        [by_sql] = project.sql(f"SELECT * FROM ML.EVALUATE(MODEL {type}, TABLE trips)").to_pylist()
        assert judged == by_sql
        assert all(value is not None for value in judged.values())

    instances = rows.slice(0, 40).to_pylist()
    with TestClient(application(project, models.row_predictor)) as client:
        answer = client.post(f"/v1/models/{type}:predict", json={"instances": instances})
        document = client.get("/openapi.json").json()
    assert answer.status_code == 200, answer.text
    expected = msgspec.json.decode(msgspec.json.encode(predicted.select(outputs).slice(0, 40).to_pylist()))
    assert all(map(close, answer.json()["predictions"], expected))
    described = document["paths"][f"/v1/models/{type}:predict"]["post"]["responses"]["200"]["content"]
    prediction = described["application/json"]["schema"]["properties"]["predictions"]["items"]
    assert list(prediction["properties"]) == outputs


def test_one_row_and_many_are_equal_to_the_bit_where_a_method_says_so(project):
    rows = project.sql("SELECT km, carrier FROM trips")
    for type, learner in models.LEARNERS.items():
        if type in project.models and learner.method is not None and learner.method.exact:
            graph = project.models[type].load()
            batch = graph.predict(rows).select(graph.signature.outputs.names).to_pylist()
            assert [graph.predict_row(row) for row in rows.to_pylist()] == batch, type
