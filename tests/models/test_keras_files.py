"""Keras files whose own layers transform, as the talk's taxi model: converted once, judged, served and verified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.errors import DataError, DeclarationError
from penstock.serving.application import application

MISSING = [name for name in ("keras", "torch", "onnxscript", "onnxruntime") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} not here: pip install 'penstock[keras]'")

PREAMBLE = """
import json, sys, numpy as np, keras
from keras import layers
keras.utils.set_random_seed(7)
def saved(inputs, output, rows):
    model = keras.Model(inputs, output)
    model.save("model.keras")
    columns = {n: np.array([[r[n]] for r in rows], t.dtype) for n, t in inputs.items()}
    print(json.dumps(keras.ops.convert_to_numpy(model(columns)).ravel().tolist()))
"""
TAXI = """
names = ["pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude", "passenger_count"]
inputs = {n: keras.Input((1,), name=n) for n in names} | {"hour": keras.Input((1,), name="hour", dtype="int64")}
scaled = {n: layers.Lambda(lambda x: (x + 78) / 8.0, name="scale_" + n)(inputs[n]) for n in (names[0], names[2])}
scaled |= {n: layers.Lambda(lambda x: (x - 37) / 8.0, name="scale_" + n)(inputs[n]) for n in (names[1], names[3])}
far = layers.Lambda(lambda p: ((p[1] - p[0]) ** 2 + (p[3] - p[2]) ** 2) ** 0.5, name="euclidean")(
    [inputs[names[0]], inputs[names[2]], inputs[names[1]], inputs[names[3]]])
people = layers.Normalization(mean=1.6, variance=1.7)(inputs["passenger_count"])
hour = layers.CategoryEncoding(num_tokens=24, output_mode="one_hot")(inputs["hour"])
all = layers.Concatenate()([*scaled.values(), far, people, hour])
saved(inputs, layers.Dense(1, name="fare")(layers.Dense(8, activation="relu")(all)), json.loads(sys.argv[1]))
"""
TRIPS = [
    {"pickup_longitude": -73.98, "pickup_latitude": 40.75, "dropoff_longitude": -73.78, "dropoff_latitude": 40.64,
     "passenger_count": 2.0, "hour": 17},
    {"pickup_longitude": -73.99, "pickup_latitude": 40.73, "dropoff_longitude": -73.98, "dropoff_latitude": 40.75,
     "passenger_count": 1.0, "hour": 3},
    {"pickup_longitude": -74.01, "pickup_latitude": 40.7, "dropoff_longitude": -73.95, "dropoff_latitude": 40.8,
     "passenger_count": 5.0, "hour": 0},
]  # fmt: skip


def keras_file(folder: Path, program: str, rows: list[dict[str, float]]) -> list[float]:
    """Let Keras write `model.keras` into a folder; return what Keras predicts of the rows."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(folder)}
    command = [sys.executable, "-c", PREAMBLE + program, json.dumps(rows)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    predicted: list[float] = json.loads(done.stdout.splitlines()[-1])
    return predicted


@pytest.fixture(scope="module")
def taxi(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    folder = tmp_path_factory.mktemp("taxi")
    predicted = keras_file(folder, TAXI, TRIPS)
    (folder / "penstock.toml").write_text("")
    ps.open(folder).sql(
        "CREATE MODEL taxi OPTIONS(model_type = 'keras', model_path = 'model.keras', input_label_cols = ['fare'],"
        " run_lambdas = TRUE)"
    )
    (folder / "model.keras").rename(folder / "away.keras")  # what is served is the model graph alone
    return folder, predicted


def test_many_rows_and_one_give_what_keras_gives(taxi: tuple[Path, list[float]]) -> None:
    folder, predicted = taxi
    graph = ps.open(folder).models["taxi"].load()
    assert {field.name: field.type for field in graph.signature.inputs} == {
        **dict.fromkeys([name for name in TRIPS[0] if name != "hour"], "float64"), "hour": "int64",
    }  # fmt: skip
    many = graph.predict(TRIPS).column("predicted_fare").to_pylist()
    assert many == pytest.approx(predicted, rel=1e-5)
    assert [graph.predict_row(trip)["predicted_fare"] for trip in TRIPS] == many


def test_it_is_judged_served_and_verified_as_any_model(taxi: tuple[Path, list[float]]) -> None:
    folder, predicted = taxi
    project = ps.open(folder)
    rows = [{**trip, "fare": value + error} for trip, value, error in zip(TRIPS, predicted, (1, -2, 3), strict=True)]
    pa.parquet.write_table(pa.Table.from_pylist(rows), folder / "trips.parquet")
    given = " UNION ALL ".join(
        f"SELECT {', '.join(f'{value} AS {name}' for name, value in row.items())}" for row in rows
    )
    [judged] = project.sql(f"SELECT * FROM ML.EVALUATE(MODEL taxi, ({given}))").to_pylist()
    assert judged["mean_absolute_error"] == pytest.approx(2.0, rel=1e-4)
    with TestClient(application(project, models.row_predictor)) as client:
        answer = client.post("/v1/models/taxi:predict", json={"instances": TRIPS}).json()
    assert [row["predicted_fare"] for row in answer["predictions"]] == pytest.approx(predicted, rel=1e-5)
    command = [sys.executable, "-m", "penstock", "verify", "taxi", "--rows", "trips.parquet"]
    verified = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr


def test_a_lambda_runs_only_where_the_file_is_trusted(taxi: tuple[Path, list[float]]) -> None:
    path = str(taxi[0] / "away.keras")
    with pytest.raises(DeclarationError, match=r"'scale_pickup_longitude' of the Keras file is a Lambda.*run_lambdas"):
        ps.fit(ps.model("taxi", type="keras", label="fare", options={"model_path": path}), None)


LAYERS = {
    "scaled": ("float32", "layers.Rescaling(2.0, 1.0)", (1.5, -3.0)),
    "normal": ("float32", "layers.Normalization(mean=3.0, variance=2.0)", (1.5, -3.0)),
    "buckets": ("float32", "layers.Discretization(bin_boundaries=[0.0, 2.0])", (1.5, -3.0)),
    "bucket": ("float32", "layers.Discretization(bin_boundaries=[0.0, 2.0], output_mode='one_hot')", (1.5, -3.0)),
    "one_hot": ("int64", "layers.CategoryEncoding(num_tokens=4, output_mode='one_hot')", (1, 3)),
    "multi_hot": ("int64", "layers.CategoryEncoding(num_tokens=4, output_mode='multi_hot')", (1, 3)),
    "count": ("int64", "layers.CategoryEncoding(num_tokens=4, output_mode='count')", (1, 3)),
    "embedded": ("int64", "keras.Sequential([layers.Embedding(4, 3), layers.Flatten()])", (1, 3)),
}


@pytest.mark.slow
def test_layers_that_prepare_give_what_keras_gives(tmp_path: Path) -> None:
    program = "inputs, outputs = {}, []\n"
    for name, (dtype, layer, _) in LAYERS.items():
        program += f"inputs['{name}'] = keras.Input((1,), name='{name}', dtype='{dtype}')\n"
        program += f"made = keras.ops.cast({layer}(inputs['{name}']), 'float32')\n"
        program += f"outputs.append(layers.Dense(1, name='y_{name}')(made))\n"
    program += "saved(inputs, layers.Concatenate(name='all')(outputs), json.loads(sys.argv[1]))\n"
    rows = [{name: values[place] for name, (_, _, values) in LAYERS.items()} for place in (0, 1)]
    predicted = keras_file(tmp_path, program, rows)
    graph = ps.fit(ps.model("m", type="keras", options={"model_path": str(tmp_path / "model.keras")}), None)
    made = [number for row in graph.predict(rows).column("all").to_pylist() for number in row]
    assert made == pytest.approx(predicted, rel=1e-5)


def test_what_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.keras").write_text("no")
    with pytest.raises(DataError, match="holds no Keras model"):
        ps.fit(ps.model("m", type="keras", options={"model_path": str(tmp_path / "no.keras")}), None)
