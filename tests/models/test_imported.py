"""Models that come as ONNX files: run in batches, row by row, in SQL and over REST, and judged, as any graph."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.errors import DataError, DeclarationError, SqlError
from penstock.serving.application import application

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - only where it is installed

TRIPS = [
    {"pickup_lon": -73.98, "pickup_lat": 40.75, "dropoff_lon": -73.78, "dropoff_lat": 40.64, "hour": 17, "fare": 52.0},
    {"pickup_lon": -73.99, "pickup_lat": 40.73, "dropoff_lon": -73.98, "dropoff_lat": 40.75, "hour": 3, "fare": 8.5},
]
PLACES = ("pickup_lon", "pickup_lat", "dropoff_lon", "dropoff_lat")


def taxi(path: Path, *, base: float = 2.5) -> Path:
    """Write what Keras' export makes of a model with Lambda layers: a distance, an hour one-hot, a dense layer."""
    constants = {
        "base": np.array([[base]], np.float32),
        "by_km": np.array([[111.0 * 1.6]], np.float32),
        "by_hour": np.linspace(0, 2, 24, dtype=np.float32).reshape(24, 1),
        "two": np.array(2.0, np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Sub", ["pickup_lon", "dropoff_lon"], ["dx"]),
        node("Sub", ["pickup_lat", "dropoff_lat"], ["dy"]),
        node("Pow", ["dx", "two"], ["dx2"]),
        node("Pow", ["dy", "two"], ["dy2"]),
        node("Add", ["dx2", "dy2"], ["d2"]),
        node("Sqrt", ["d2"], ["euclidean"]),
        node("MatMul", ["euclidean", "by_km"], ["far"]),
        node("Squeeze", ["hour", "axis"], ["at"]),
        node("Gather", ["by_hour", "at"], ["late"]),
        node("Add", ["far", "late"], ["sum"]),
        node("Add", ["sum", "base"], ["dense_1"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in PLACES]
    inputs.append(helper.make_tensor_value_info("hour", TensorProto.INT64, ["batch", 1]))
    outputs = [helper.make_tensor_value_info("dense_1", TensorProto.FLOAT, ["batch", 1])]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([1]), "axis"))
    graph = helper.make_graph(nodes, "taxi", inputs, outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def fare(trip: dict[str, Any], base: float = 2.5) -> float:
    far = math.hypot(trip["pickup_lon"] - trip["dropoff_lon"], trip["pickup_lat"] - trip["dropoff_lat"])
    return base + 111 * 1.6 * far + 2 * trip["hour"] / 23


@pytest.fixture
def graph(tmp_path: Path) -> ps.ModelGraph:
    path = taxi(tmp_path / "taxi.onnx")
    return ps.fit(ps.model("taxi", type="onnx", label="fare", options={"model_path": str(path)}), None)


def test_one_row_and_many_give_what_the_file_gives(graph: ps.ModelGraph) -> None:
    assert graph.signature.inputs.names == (*PLACES, "hour")
    predicted = graph.predict(TRIPS).column("predicted_fare").to_pylist()
    assert predicted == pytest.approx([fare(trip) for trip in TRIPS], rel=1e-4)
    assert [graph.predict_row(trip)["predicted_fare"] for trip in TRIPS] == predicted


def test_it_is_judged_saved_and_declared_as_any_graph(graph: ps.ModelGraph, tmp_path: Path) -> None:
    judged = graph.evaluate(TRIPS)
    error = [abs(fare(trip) - trip["fare"]) for trip in TRIPS]
    assert judged["mean_absolute_error"] == pytest.approx(sum(error) / 2, rel=1e-4)
    again = ps.load_model(graph.save(tmp_path / "kept"))
    assert again.predict(TRIPS).equals(graph.predict(TRIPS))
    assert "model.onnx" in again.describe()
    assert graph.declaration().options["model_path"].endswith("taxi.onnx")


def test_sql_needs_no_query_and_rest_serves_it(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text("")
    taxi(tmp_path / "taxi.onnx")
    project = ps.open(tmp_path)
    project.sql("CREATE MODEL taxi OPTIONS(model_type = 'onnx', model_path = 'taxi.onnx')")
    [row] = project.sql(
        "SELECT dense_1 FROM ML.PREDICT(MODEL taxi, (SELECT -73.98 AS pickup_lon, 40.75 AS pickup_lat,"
        " -73.78 AS dropoff_lon, 40.64 AS dropoff_lat, 17 AS hour))"
    ).to_pylist()
    assert row["dense_1"] == pytest.approx(fare(TRIPS[0]), rel=1e-4)
    instance = {name: value for name, value in TRIPS[1].items() if name != "fare"}
    with TestClient(application(project, models.row_predictor)) as client:
        answer = client.post("/v1/models/taxi:predict", json={"instances": [instance]})
        refused = client.post("/v1/models/taxi:predict", json={"instances": [{**instance, "hour": None}]})
    assert answer.json()["predictions"][0]["dense_1"] == pytest.approx(fare(TRIPS[1]), rel=1e-4)
    assert refused.status_code == 422
    assert "hour" in refused.json()["error"]["message"]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text("")
    project, path = ps.open(tmp_path), taxi(tmp_path / "taxi.onnx")
    model = ps.model("taxi", type="onnx", label="fare", options={"model_path": str(path)})
    first = project.fit(model)
    taxi(path, base=100.0)
    second = project.fit(model)
    assert first.predict_row(TRIPS[0])["predicted_fare"] == pytest.approx(fare(TRIPS[0]), rel=1e-4)
    assert second.predict_row(TRIPS[0])["predicted_fare"] == pytest.approx(fare(TRIPS[0], 100.0), rel=1e-4)


def test_a_file_of_ours_comes_back_with_our_types(tmp_path: Path) -> None:
    start = datetime.datetime(2024, 5, 5, tzinfo=datetime.UTC)
    rows = pa.Table.from_pylist(
        [
            {"at": start + datetime.timedelta(hours=n), "place": ["a", "b", None][n % 3], "y": float(n % 24)}
            for n in range(200)
        ]
    )
    features = {"hour": ps.col("at").hour().cast("string"), "place": ps.col("place")}
    first = ps.fit(ps.model("rides", type="boosted_tree_regressor", label="y", features=features), rows)
    path = first.export("onnx", tmp_path / "rides.onnx", rows=rows)
    again = ps.fit(ps.model("rides", type="onnx", label="y", options={"model_path": str(path)}), None)
    assert again.signature.inputs["at"].type == "timestamp"
    expected = first.predict(rows).column("predicted_y").to_pylist()
    assert again.predict(rows).column("predicted_y").to_pylist() == pytest.approx(expected, rel=1e-12)
    row = {"at": start, "place": None}
    assert again.predict_row(row)["predicted_y"] == pytest.approx(first.predict_row(row)["predicted_y"], rel=1e-12)


def test_an_imported_file_is_exported_as_it_came_and_is_no_query(tmp_path: Path) -> None:
    path = taxi(tmp_path / "taxi.onnx")
    graph = ps.fit(ps.model("taxi", type="onnx", label="fare", options={"model_path": str(path)}), None)
    assert graph.export("onnx", tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    with pytest.raises(DeclarationError, match="model 'taxi' is an ONNX file, which cannot be written as a query"):
        graph.export("sql", tmp_path / "taxi.sql")


def test_what_cannot_be_a_model_of_columns_is_said(tmp_path: Path) -> None:
    def imported(path: Path) -> ps.ModelGraph:
        return ps.fit(ps.model("m", type="onnx", options={"model_path": str(path)}), None)

    image = helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["batch", 3, 8, 8])
    out = helper.make_tensor_value_info("same", TensorProto.FLOAT, ["batch", 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Identity", ["photo"], ["same"])], "g", [image], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "i.onnx")
    with pytest.raises(DataError, match="input 'photo' of the ONNX file is tensor"):
        imported(tmp_path / "i.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"\x00no")
    with pytest.raises(DataError, match="ONNX Runtime cannot load the file"):
        imported(tmp_path / "broken.onnx")
    with pytest.raises(DataError, match="cannot read model_path"):
        imported(tmp_path / "nowhere.onnx")
    with pytest.raises(DeclarationError, match="needs the option model_path"):
        ps.fit(ps.model("m", type="onnx"), None)
    with pytest.raises(SqlError, match="has no query"):
        ps.open(tmp_path).sql("CREATE MODEL m OPTIONS(model_type = 'kmeans')")


def test_what_a_file_predicts_is_not_explained(tmp_path: Path) -> None:
    path = taxi(tmp_path / "taxi.onnx")
    graph = models.fit(ps.model("taxi", type="onnx", label="fare", options={"model_path": str(path)}))
    with pytest.raises(DataError, match=r"'taxi' \(onnx\) has no explanations: what is in its file is not known"):
        graph.explain(TRIPS)
