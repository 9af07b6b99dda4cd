"""A network with encoders as one ONNX file: raw columns and pixels in, the graph's predictions out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.errors import DeclarationError, ExpressionError
from penstock.models.exporting.onnx_model import parity_of
from penstock.operations.pictures import decoded, image

ort = pytest.importorskip("onnxruntime")

PHOTO = ps.col("photo")
FEATURES = {
    **three_bits.IMAGE,
    **three_bits.COLUMNS,
    "small": PHOTO.image(4).pixels(),
    "shades": PHOTO.image(4, mode="L").pixels().dense(4),
    "text": ps.col("review").embedding(dim=8),
    "attended": ps.col("review").embedding(dim=8, pooling="attention", unit="words"),
    "read": ps.col("review").gru(4),
    "words": ps.col("review").text_analyze().bag_of_words(50, 2),
    "length": ps.col("review").length(),
    "place": ps.col("city").embedding(4),
    "day": ps.col("weekday").embedding(3),
}


def _rows(count: int, seed: int = 0) -> pa.Table:
    """Return rows of which some lack an image, a text or a city, or have unusual ones."""
    rows = three_bits.rows(count, seed).to_pylist()
    odd: list[dict[str, Any]] = [
        {"photo": None},
        {"review": None},
        {"review": ""},
        {"review": "x " * 300},
        {"city": None},
    ]
    odd += [{"city": "Atlantis"}, {"review": "words that nobody knew"}, {"age": None}]
    for row, change in zip(rows, odd, strict=False):
        row |= change
    return pa.Table.from_pylist(rows)


def _fit(type: str, label: str, features: dict[str, Any], rows: pa.Table) -> models.ModelGraph:
    options = {"max_iterations": 2}
    return models.fit(ps.model("bits", type=type, label=label, features=features, options=options), rows)


@pytest.fixture(scope="module")
def graph() -> models.ModelGraph:
    return _fit("dnn_classifier", "label", FEATURES, _rows(150))


@pytest.fixture(scope="module")
def file(graph: models.ModelGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graph.export("onnx", tmp_path_factory.mktemp("onnx") / "bits.onnx", rows=_rows(60, seed=3))


def _fed(rows: pa.Table) -> dict[str, Any]:
    """Return what a client that has no penstock would send: its columns, and pixels that it made itself."""
    listed = rows.to_pylist()
    given: dict[str, Any] = {}
    for name, size, mode in (("photo_32x32_RGB", 32, "RGB"), ("photo_4x4_RGB", 4, "RGB"), ("photo_4x4_L", 4, "L")):
        there = [row["photo"] or three_bits.png(np.zeros((4, 4, 3))) for row in listed]
        given[name] = np.stack([decoded(image(each, size, size, mode, "contain")) for each in there])
        given[f"{name}__is_null"] = np.array([row["photo"] is None for row in listed])
    for name in ("review", "city"):
        given[name] = np.array([row[name] or "" for row in listed], dtype=object)
        given[f"{name}__is_null"] = np.array([row[name] is None for row in listed])
    for name in ("age", "price"):
        given[name] = np.array([np.nan if row[name] is None else row[name] for row in listed])
    given["weekday"] = np.array([row["weekday"] for row in listed])
    return given


def test_the_file_predicts_what_the_graph_predicts(graph: models.ModelGraph, file: Path) -> None:
    others = _rows(60, seed=5)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(file, options)
    names = ["predicted_label", "predicted_label_probs"]
    labels, probabilities = session.run(names, _fed(others))
    for row, label, found in zip(graph.predict(others).to_pylist(), labels, probabilities, strict=True):
        ours = {each["label"]: each["prob"] for each in row["predicted_label_probs"]}
        assert [ours[name] for name in sorted(ours)] == pytest.approx(found.tolist(), abs=1e-5)
        assert label == row["predicted_label"]


def test_its_report_says_how_close_it_is(file: Path) -> None:
    parity = parity_of(file)
    assert parity.rows == 60
    assert parity.edge_rows > 10
    assert parity.largest <= 1e-5
    assert parity.features == {}


def test_each_image_is_an_input_of_pixels_that_the_file_describes(file: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(file, options)
    shapes = {port.name: port.shape for port in session.get_inputs()}
    assert shapes["photo_32x32_RGB"] == ["rows", 32, 32, 3]
    assert shapes["photo_4x4_L"] == ["rows", 4, 4, 1]
    told = json.loads(session.get_modelmeta().custom_metadata_map["penstock.images"])
    assert told["photo_4x4_L"] == {
        "column": "photo",
        "expression": "PENSTOCK.IMAGE(photo, 4, 'L')",
        "height": 4,
        "width": 4,
        "channels": 1,
    }


@pytest.mark.parametrize("label", ["price", "lying"])
def test_a_number_and_two_classes_are_predicted_too(label: str, tmp_path: Path) -> None:
    rows = _rows(60).append_column("lying", pa.array([place % 2 == 0 for place in range(60)]))
    features = {"photo": PHOTO.image(8).conv(4, layers=1), "text": ps.col("review").embedding(dim=4)}
    type = "dnn_regressor" if label == "price" else "dnn_classifier"
    made = _fit(type, label, features, rows)
    assert parity_of(made.export("onnx", tmp_path / "one.onnx", rows=rows)).largest <= 1e-5


def test_without_rows_images_of_its_own_are_compared(graph: models.ModelGraph, tmp_path: Path) -> None:
    parity = parity_of(graph.export("onnx", tmp_path / "bits.onnx"))
    assert parity.rows == 0
    assert parity.edge_rows > 10


def test_images_that_come_in_one_size_need_none_said(tmp_path: Path) -> None:
    made = _fit(
        "dnn_classifier", "label", {"photo": PHOTO.conv(4, layers=1), "age": ps.col("age")}, three_bits.rows(40)
    )
    file = made.export("onnx", tmp_path / "one.onnx", rows=three_bits.rows(20, 1))
    shapes = {port.name: port.shape for port in ort.InferenceSession(file).get_inputs()}
    assert shapes["photo"] == ["rows", 32, 32, 3]


def test_what_reads_a_file_as_it_is_cannot_be_exported(tmp_path: Path) -> None:
    features = {"photo": PHOTO.image(8).conv(4, layers=1), "size": PHOTO.to_hex().length()}
    made = _fit("dnn_classifier", "label", features, three_bits.rows(40))
    with pytest.raises(ExpressionError, match=r"reads the files in column 'photo' as they are.*image\(64\)"):
        made.export("onnx", tmp_path / "one.onnx")


def test_sql_cannot_say_a_network_and_says_so(graph: models.ModelGraph, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"'bits'.*onnx"):
        graph.export("sql", tmp_path / "bits.sql")


def test_mlflow_has_the_graph_itself(graph: models.ModelGraph, tmp_path: Path) -> None:
    folder = graph.export("mlflow", tmp_path / "bits")
    needed = (folder / "requirements.txt").read_text()
    assert {"onnxruntime", "safetensors", "pillow"} <= {line.partition("==")[0] for line in needed.splitlines()}
    assert "torch" not in needed
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    rows = _rows(20, seed=7)
    found = pyfunc.load_model(str(folder)).predict(rows.to_pandas())
    assert found["predicted_label"].tolist() == graph.predict(rows)["predicted_label"].to_pylist()
