"""A model as one ONNX file: ONNX Runtime, given raw columns, predicts what the graph predicts."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import penstock as ps
from penstock.errors import DataError, ExpressionError
from penstock.models.exporting.onnx_model import parity_of
from penstock.operations.tensors import forms
from penstock.operations.tensors.values import Result

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

START = datetime.datetime(2015, 1, 5, tzinfo=datetime.UTC)
STATIONS = ["Kings Cross", "Bank", "Hyde Park, Soho", "Waterloo"]


def made(rows: int, seed: int = 0) -> pa.Table:
    """Return rides with numbers, strings and instants of which some are missing, and labels of each kind."""
    random = np.random.default_rng(seed)
    moments = [START + datetime.timedelta(minutes=int(minutes)) for minutes in random.integers(0, 10**6, rows)]
    km = random.gamma(2.0, 2.0, rows)
    duration = 300 + 40 * km + 100 * np.sin([moment.hour / 4 for moment in moments]) + random.normal(0, 30, rows)
    missing = random.random((4, rows)) < 0.1
    return pa.table(
        {
            "station": pa.array(np.array(STATIONS, object)[random.integers(0, 4, rows)], pa.string(), mask=missing[0]),
            "at": pa.array(moments, pa.timestamp("us", "UTC")),
            "km": pa.array(km, mask=missing[1]),
            "bikes": pa.array(random.integers(0, 20, rows), mask=missing[2]),
            "member": pa.array(random.random(rows) < 0.5, mask=missing[3]),
            "duration": duration,
            "long": duration > 450,
            "kind": np.array(["short", "middle", "long"], object)[(duration > 400).astype(int) + (duration > 500)],
        }
    )


ROWS = made(600)
FEATURES = {
    "station": ps.col("station"),
    "day": ps.col("at").day_of_week().cast("string"),
    "hour": "EXTRACT(HOUR FROM at AT TIME ZONE 'Europe/London')",
    "tide": "SIN(ACOS(-1) * EXTRACT(HOUR FROM at) / 12)",
    "km": ps.col("km"),
    "bikes": ps.col("bikes"),
    "member": ps.col("member"),
    "bucket": "ML.QUANTILE_BUCKETIZE(km, 4) OVER()",
    "cross": "CONCAT(CAST(EXTRACT(DAYOFWEEK FROM at) AS STRING), '/', CAST(EXTRACT(HOUR FROM at) AS STRING))",
}
TYPES: list[tuple[str, str | None, dict[str, Any]]] = [
    ("linear_reg", "duration", {"l2_reg": 0.1}),
    ("logistic_reg", "long", {}),
    ("logistic_reg", "kind", {}),
    ("boosted_tree_regressor", "duration", {"num_threads": 1}),
    ("boosted_tree_classifier", "long", {"num_threads": 1}),
    ("boosted_tree_classifier", "kind", {"num_threads": 1}),
    ("random_forest_regressor", "duration", {"num_parallel_tree": 5, "num_threads": 1}),
    ("random_forest_classifier", "kind", {"num_parallel_tree": 5, "num_threads": 1}),
    ("kmeans", None, {"num_clusters": 3}),
    ("kmeans", None, {"num_clusters": 3, "distance_type": "COSINE"}),
    ("pca", None, {"num_principal_components": 2}),
    ("dnn_regressor", "duration", {"max_iterations": 1, "activation_fn": "SELU"}),
    ("dnn_classifier", "kind", {"max_iterations": 1, "activation_fn": "CRELU", "hidden_units": [8, 4]}),
    ("dnn_linear_combined_regressor", "duration", {"max_iterations": 1, "activation_fn": "ELU"}),
]


def fitted(type: str = "linear_reg", label: str | None = "duration", **more: Any) -> ps.ModelGraph:
    if type.startswith("dnn"):
        pytest.importorskip("torch")
    model = ps.model("rides", type=type, label=label, features=more.pop("features", FEATURES), **more)
    return ps.fit(model, ROWS)


READ = {
    "double": lambda values: np.array([np.nan if value is None else value for value in values]),
    "string": lambda values: np.array([value or "" for value in values], dtype=object),
    "bool": lambda values: np.array([bool(value) for value in values]),
    "int64": lambda values: np.array([value or 0 for value in values], dtype=np.int64),
    "timestamp[us, tz=UTC]": lambda values: np.array([int(value.timestamp()) * 1_000_000 for value in values]),
}


def run(path: Path, rows: pa.Table) -> dict[str, Any]:
    """Run a file as somebody would who has read its description, and nothing of ours."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tensors: dict[str, Any] = {}
    for name in [port.name for port in session.get_inputs()]:
        values = rows.column(name).to_pylist()
        tensors[name] = READ[str(rows.schema.field(name).type)](values)
    for port in session.get_overridable_initializers():
        raw = port.name.removesuffix("__is_null")
        tensors[port.name] = np.array([value is None for value in rows.column(raw).to_pylist()])
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, tensors), strict=True))


@pytest.mark.parametrize(("type", "label", "options"), TYPES, ids=[f"{type}-{label}" for type, label, _ in TYPES])
def test_the_file_predicts_what_the_graph_predicts(
    type: str, label: str | None, options: dict[str, Any], tmp_path: Path
) -> None:
    graph = fitted(type, label, options=options)
    path = graph.export("onnx", tmp_path / "rides.onnx", rows=ROWS)
    others = made(500, seed=7)
    found, expected = run(path, others), graph.predict(others)
    for field in graph.signature.outputs:
        ours = expected.column(field.name).to_pylist()
        if field.type.startswith("array<"):
            key = "label" if label else "CENTROID_ID"
            ours = [
                [pair[name] for pair in sorted(each, key=lambda p: p[key]) for name in pair if name != key]
                for each in ours
            ]
        if field.type in ("float64",) or field.type.startswith("array<"):
            assert found[field.name] == pytest.approx(np.array(ours), rel=1e-9, abs=1e-9)
        else:
            assert found[field.name].tolist() == ours
    parity = parity_of(path)
    assert parity.rows == len(ROWS)
    assert parity.edge_rows > 10
    assert parity.largest < 1e-9


def test_trees_split_at_values_of_periodic_features_and_no_row_differs(tmp_path: Path) -> None:
    features = {"sin": FEATURES["tide"], "cos": "COS(ACOS(-1) * EXTRACT(HOUR FROM at) / 12)"}
    graph = fitted("boosted_tree_regressor", features=features, options={"min_data_in_leaf": 1, "num_threads": 1})
    path = graph.export("onnx", tmp_path / "rides.onnx", rows=ROWS)
    assert not {"Sin", "Cos"} & {node.op_type for node in onnx.load(path).graph.node}
    others = made(3000, seed=1)
    assert run(path, others)["predicted_duration"] == pytest.approx(
        graph.predict(others).column("predicted_duration").to_numpy(), rel=1e-14
    )


def test_the_file_holds_core_operators_and_says_what_it_takes(tmp_path: Path) -> None:
    graph = fitted("logistic_reg", "kind")
    path = graph.export("onnx", tmp_path / "made" / "rides.onnx", rows=ROWS)
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    assert {node.domain for node in file.graph.node} <= {"", "ai.onnx.ml"}
    told = {each.key: json.loads(each.value) for each in file.metadata_props}
    assert told["penstock.inputs"]["at"] == "timestamp: microseconds since 1970-01-01 00:00 UTC"
    assert told["penstock.inputs"]["station__is_null"] == "true where station is NULL; left out, it never is"
    assert told["penstock.classes"] == ["long", "middle", "short"]
    assert path.read_bytes() == graph.export("onnx", tmp_path / "again.onnx", rows=ROWS).read_bytes()


def test_flags_may_be_left_out_where_nothing_is_null(tmp_path: Path) -> None:
    graph = fitted()
    path = graph.export("onnx", tmp_path / "rides.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {port.name for port in session.get_inputs()} == {"station", "at", "km", "bikes", "member"}
    row = {"station": "never seen", "at": START, "km": None, "bikes": 3, "member": True}
    tensors = {
        "station": np.array(["never seen"], dtype=object),
        "at": np.array([int(START.timestamp() * 1_000_000)]),
        "km": np.array([np.nan]),
        "bikes": np.array([3]),
        "member": np.array([True]),
    }
    [found] = session.run(["predicted_duration"], tensors)
    assert found[0] == pytest.approx(graph.predict_row(row)["predicted_duration"], rel=1e-12)


def test_a_row_that_is_refused_has_no_number(tmp_path: Path) -> None:
    rows = pa.table({"km": [1.0, 2.0, 4.0, 8.0], "y": [1.0, 2.0, 3.0, 4.5]})
    graph = ps.fit(ps.model("logs", type="linear_reg", label="y", features={"x": "LN(km)"}), rows)
    path = graph.export("onnx", tmp_path / "logs.onnx", rows=rows)
    found = run(path, pa.table({"km": [2.0, 0.0, None]}))
    assert found["refused"].tolist() == [False, True, False]
    assert np.isnan(found["predicted_y"]).tolist() == [False, True, False]


def test_transforms_alone_are_columns(tmp_path: Path) -> None:
    features = {"day": ps.col("at").day_of_week().cast("string"), "km": ps.col("km").log1p(), "bikes": ps.col("bikes")}
    graph = fitted("transform_only", None, features=features)
    found = run(graph.export("onnx", tmp_path / "rides.onnx", rows=ROWS), ROWS)
    expected = graph.predict(ROWS)
    assert found["day"].tolist() == expected.column("day").to_pylist()
    missing = np.array([value is None for value in expected.column("km").to_pylist()])
    assert (found["km__output__is_null"] == missing).all()
    assert found["km__output"][~missing] == pytest.approx(expected.column("km").drop_null().to_numpy(), rel=1e-14)


def test_a_feature_that_has_no_form_is_named(tmp_path: Path) -> None:
    graph = fitted(features={"km": ps.col("km"), "hash": ps.col("station").farm_fingerprint()})
    with pytest.raises(
        ExpressionError, match=r"feature 'hash' cannot be exported to ONNX: farm_fingerprint has no form.*FARM.*\(st"
    ):
        graph.export("onnx", tmp_path / "rides.onnx", rows=ROWS)
    assert list(tmp_path.iterdir()) == []


def test_a_feature_that_differs_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = fitted(features={"km": ps.col("km").sqrt(), "bikes": ps.col("bikes")})
    monkeypatch.setitem(forms.STRICT, "sqrt", lambda t, types, x: Result(data=t.node("Add", x.data, t.number(0.001))))
    with pytest.raises(DataError, match="feature 'km__feature__scaled' differs there") as raised:
        graph.export("onnx", tmp_path / "rides.onnx", rows=ROWS)
    assert raised.value.field == "km__feature__scaled"
    assert list(tmp_path.iterdir()) == []


def test_a_training_row_that_the_file_would_refuse_is_an_error(tmp_path: Path) -> None:
    rows = ROWS.append_column("name", pa.array(["Zoë"] * len(ROWS)))
    model = ps.model("rides", type="linear_reg", label="duration", features={"name": ps.col("name").lower()})
    with pytest.raises(DataError, match="cannot tell the value of feature name__feature__index"):
        ps.fit(model, rows).export("onnx", tmp_path / "rides.onnx", rows=rows)


_TEXTS = [
    "ML.BAG_OF_WORDS(TEXT_ANALYZE(station), 9, 1) OVER()", "ML.MULTI_HOT_ENCODER(SPLIT(station, ' '), 9, 1) OVER()",
    "ML.TF_IDF(ML.NGRAMS(SPLIT(station, ' '), [1, 2]), 9, 1) OVER()", "SPLIT(station, ' ')[SAFE_OFFSET(1)]",
    "ML.FEATURE_CROSS(STRUCT(station, CAST(member AS STRING) AS member))", "FORMAT_TIMESTAMP('%a %H', at)",
    "ML.POLYNOMIAL_EXPAND(STRUCT(km, bikes))", "LENGTH(station)", "SUBSTR(station, 1, 2)", "REPLACE(station, ' ', '')",
    "ML.ONE_HOT_ENCODER(CAST(EXTRACT(DAYOFWEEK FROM at) AS STRING)) OVER()", "TRIM(station)",
    "ST_DISTANCE(ST_GEOGPOINT(km, 50.0), ST_GEOGPOINT(0.0, 51.5))", "LPAD(CAST(bikes AS STRING), 3, '0')",
    "km * 2 - bikes", "IF(member, km, 0.0)", "COALESCE(km, 1.5) / (1 + bikes)", "LN(1 + km)", "bikes > 5 AND km < 3",
    "EXTRACT(MONTH FROM at)", "CAST(EXTRACT(ISOWEEK FROM at) AS STRING)", "DATE(at)", "UPPER(station)", "station",
    "station IN ('Bank', 'Waterloo')", "STARTS_WITH(station, 'K')", "CONCAT(station, '-', CAST(bikes AS STRING))",
    "ML.STANDARD_SCALER(km) OVER()", "ML.MIN_MAX_SCALER(bikes) OVER()", "ML.IMPUTER(km, 'median') OVER()", "at",
    "ML.LABEL_ENCODER(station) OVER()", "ML.ONE_HOT_ENCODER(station) OVER()", "ML.BUCKETIZE(km, [1, 2, 5])",
    "TIMESTAMP_DIFF(at, TIMESTAMP '2015-01-01', HOUR)", "MOD(bikes, 3)", "ROUND(km, 1)", "DATETIME(at)", "TIME(at)",
    "RANGE_BUCKET(km, [0.0, 1.0, 4.0])", "SAFE_DIVIDE(bikes, km)", "CASE WHEN km > 5 THEN 'far' ELSE station END",
]  # fmt: skip
_KINDS = [("linear_reg", "duration"), ("boosted_tree_classifier", "kind"), ("kmeans", None)]


@settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(st.sampled_from(_TEXTS), min_size=1, max_size=6, unique=True),
    kind=st.sampled_from(_KINDS),
    seed=st.integers(0, 99),
)
def test_random_models_are_the_same_in_onnx(
    texts: list[str], kind: tuple[str, str | None], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows, (type, label) = made(200, seed=seed), kind
    features = {f"f{place}": text for place, text in enumerate(texts)}
    options = {"num_clusters": 2} if type == "kmeans" else {"num_threads": 1} if "tree" in type else {}
    graph = ps.fit(ps.model("rides", type=type, label=label, features=features, options=options), rows)
    path = graph.export("onnx", tmp_path_factory.mktemp("onnx") / "rides.onnx", rows=rows)
    assert parity_of(path).largest < 1e-9
