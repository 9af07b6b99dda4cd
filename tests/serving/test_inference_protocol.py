"""The Open Inference Protocol: tensors in, tensors out, and the same said as by /v1."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings
from serving_fakes import FakeModel, FakeProject, TestClient

import penstock as ps
from penstock.models import row_predictor
from penstock.production.reading import read_requests
from penstock.project.config import MonitoringSection
from penstock.serving.application import application

INFER = "/v2/models/late/infer"
CITIES = ("Bergen", "Lima", "Oslo")


@pytest.fixture(scope="module")
def graph() -> ps.ModelGraph:
    rows = pa.table(
        {
            "km": [float(number % 17) for number in range(120)],
            "stops": [number % 5 for number in range(120)],
            "city": [CITIES[number % 3] for number in range(120)],
            "wet": [number % 2 == 0 for number in range(120)],
            "at": [dt.datetime(2026, 3, 1, number % 24, tzinfo=dt.UTC) for number in range(120)],
            "tags": [["a"] if number % 3 else ["b", "c"] for number in range(120)],
            "late": [number % 17 > 8 for number in range(120)],
        }
    )
    features = {
        "km": ps.col("km"),
        "stops": ps.col("stops"),
        "city": ps.col("city"),
        "wet": ps.col("wet").cast("int64"),
        "hour": "EXTRACT(HOUR FROM at)",
        "tags": ps.col("tags").array_length(),
    }
    return ps.fit(ps.model("late", type="logistic_reg", label="late", features=features), rows)


@pytest.fixture(scope="module")
def served(graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    class Late(FakeModel):
        def load(self, version: int) -> ps.ModelGraph:
            return graph

    project = FakeProject(tmp_path_factory.mktemp("served"))
    project.push("late", 3)
    project.models["late"] = Late("late")
    with TestClient(application(project, row_predictor)) as client:
        yield client
    project.metadata.close()


def tensor(name: str, datatype: str, data: list, *dimensions: int) -> dict:
    return {"name": name, "datatype": datatype, "shape": list(dimensions or [len(data)]), "data": data}


def request(count: int = 2) -> dict:
    return {
        "inputs": [
            tensor("km", "FP32", [1.5, 12.0, 3.0][:count]),
            tensor("stops", "INT32", [1, 2, 3][:count], count, 1),
            tensor("city", "BYTES", ["Lima", "unheard of", None][:count]),
            tensor("wet", "BOOL", [True, False, None][:count]),
            tensor("at", "BYTES", ["2026-03-01T08:00:00Z"] * count),
            tensor("tags", "BYTES", [["a", "b"]] * count, count, 2),
        ]
    }


def wrong(client: TestClient, status: int, **changed: dict) -> str:
    body = request()
    body["inputs"] = [changed.get(each["name"], each) for each in body["inputs"]] + changed.get("more", [])
    answer = client.post(INFER, json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    return answer.json()["error"]


def test_the_server_says_what_it_is_and_that_it_answers(served):
    assert served.get("/v2").json() == {"name": "penstock", "version": ps.__version__, "extensions": []}
    assert served.get("/v2/health/live").json() == {"live": True}
    assert served.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", ["/v2/models/late", "/v2/models/late/versions/3"])
def test_a_model_says_which_tensors_it_takes_and_gives(served, path):
    assert served.get(f"{path}/ready").json() == {"name": "late", "ready": True}
    told = served.get(path).json()
    assert told["versions"] == ["3"]
    assert {each["name"]: (each["datatype"], each["shape"]) for each in told["inputs"]} == {
        "km": ("FP64", [-1]), "stops": ("INT64", [-1]), "city": ("BYTES", [-1]), "wet": ("BOOL", [-1]),
        "at": ("BYTES", [-1]), "tags": ("BYTES", [-1, -1]),
    }  # fmt: skip
    assert {each["name"]: (each["datatype"], each["shape"]) for each in told["outputs"]} == {
        "predicted_late": ("BOOL", [-1]),
        "predicted_late_probs.label": ("BOOL", [-1, -1]),
        "predicted_late_probs.prob": ("FP64", [-1, -1]),
    }


@pytest.mark.parametrize("path", [INFER, "/v2/models/late/versions/3/infer"])
def test_tensors_are_predicted_as_the_rows_that_they_hold(served, path):
    answer = served.post(path, json={**request(), "id": "order 17"}).json()
    assert {name: answer[name] for name in ("model_name", "model_version", "id")} == {
        "model_name": "late", "model_version": "3", "id": "order 17",
    }  # fmt: skip
    rows = [
        {"km": 1.5, "stops": 1, "city": "Lima", "wet": True, "at": "2026-03-01T08:00:00Z", "tags": ["a", "b"]},
        {"km": 12.0, "stops": 2, "city": "unheard of", "wet": False, "at": "2026-03-01T08:00:00Z", "tags": ["a", "b"]},
    ]
    said = served.post("/v1/models/late:predict", json={"instances": rows}).json()["predictions"]
    probs = [each["predicted_late_probs"] for each in said]
    assert answer["outputs"] == [
        tensor("predicted_late", "BOOL", [each["predicted_late"] for each in said]),
        tensor("predicted_late_probs.label", "BOOL", [one["label"] for each in probs for one in each], 2, 2),
        tensor("predicted_late_probs.prob", "FP64", [one["prob"] for each in probs for one in each], 2, 2),
    ]


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "km": st.none() | st.floats(-1e6, 1e6),
                "stops": st.none() | st.integers(-(2**40), 2**40),
                "city": st.none() | st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace").decode()),
                "wet": st.none() | st.booleans(),
                "at": st.none() | st.datetimes(dt.datetime(1970, 1, 1), timezones=st.just(dt.UTC)).map(str),
                "tags": st.lists(st.sampled_from("abc"), min_size=2, max_size=2),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_the_rows_both_protocols_say_the_same(served, rows):
    inputs = [
        tensor("km", "FP64", [row["km"] for row in rows]),
        tensor("stops", "INT64", [row["stops"] for row in rows]),
        tensor("city", "BYTES", [row["city"] for row in rows]),
        tensor("wet", "BOOL", [row["wet"] for row in rows]),
        tensor("at", "BYTES", [row["at"] for row in rows]),
        tensor("tags", "BYTES", [tag for row in rows for tag in row["tags"]], len(rows), 2),
    ]
    body = {"inputs": inputs, "outputs": [{"name": "predicted_late_probs.prob"}]}
    [probs] = served.post(INFER, json=body).json()["outputs"]
    said = served.post("/v1/models/late:predict", json={"instances": rows}).json()["predictions"]
    assert probs["data"] == [one["prob"] for each in said for one in each["predicted_late_probs"]]


def test_a_null_is_a_missing_value_and_an_input_without_a_tensor_is_an_error(served):
    rows = [{"km": 3.0, "stops": 3, "city": None, "wet": None, "at": "2026-03-01T08:00:00Z", "tags": ["a", "b"]}]
    [said] = served.post("/v1/models/late:predict", json={"instances": rows}).json()["predictions"]
    nulls = served.post(INFER, json=request(3)).json()["outputs"][2]["data"]
    assert nulls[4:] == [each["prob"] for each in said["predicted_late_probs"]]  # of the third row
    without = [each for each in request()["inputs"] if each["name"] != "city"]
    refused = served.post(INFER, json={"inputs": without})
    assert refused.status_code == 422
    assert "city" in refused.json()["error"]


def test_only_the_outputs_that_are_wanted_are_given(served):
    outputs = [{"name": "predicted_late"}]
    answer = served.post(INFER, json={**request(), "outputs": outputs}).json()
    assert [each["name"] for each in answer["outputs"]] == ["predicted_late"]
    refused = served.post(INFER, json={**request(), "outputs": [{"name": "predicted_lte"}]})
    assert refused.status_code == 422
    assert "predicted_late" in refused.json()["error"]


def test_what_is_wrong_with_a_tensor_is_told_by_its_name(served):
    assert "tensor 'km' is float64 and takes" in wrong(served, 422, km=tensor("km", "BYTES", ["a", "b"]))
    assert "shape has to be [rows]" in wrong(served, 422, km=tensor("km", "FP64", [1.0, 2.0], 1, 2))
    assert "shape has to be [rows, length]" in wrong(served, 422, tags=tensor("tags", "BYTES", ["a", "b"]))
    assert "has 2 values, and its shape [3] says 3" in wrong(served, 422, km=tensor("km", "FP64", [1.0, 2.0], 3))
    assert "has 1 rows, and the tensors before it have 2" in wrong(served, 422, stops=tensor("stops", "INT64", [1]))
    assert "is there twice" in wrong(served, 422, more=[tensor("km", "FP64", [1.0, 2.0])])
    assert "did you mean 'km'" in wrong(served, 422, km=tensor("kmm", "FP64", [1.0, 2.0])).lower()
    assert "row 1" in wrong(served, 422, at=tensor("at", "BYTES", ["2026-03-01T08:00:00Z", "yesterday"]))
    assert served.post(INFER, json={"instances": []}).status_code == 400
    assert served.get("/v2/models/lte").status_code == 404
    assert served.post("/v2/models/late/versions/9/infer", json=request()).status_code == 404


def test_what_is_inferred_is_in_the_log_under_its_id(graph, tmp_path):
    class Late(FakeModel):
        def load(self, version: int) -> ps.ModelGraph:
            return graph

    project = FakeProject(tmp_path)
    project.config = dataclasses.replace(project.config, monitoring=MonitoringSection(log_requests=1.0))
    project.push("late", 3)
    project.models["late"] = Late("late")
    with TestClient(application(project, row_predictor)) as client:
        named = client.post(INFER, json={**request(1), "id": "order-17"})
        other = client.post(INFER, json={**request(1), "id": "no\r\nheader"})
    assert named.headers["x-request-id"] == "order-17"
    assert other.json()["id"] == "no\r\nheader"
    logged = read_requests(project.config.requests).to_pylist()
    assert sorted(row["request"] for row in logged) == sorted(["order-17", other.headers["x-request-id"]])
    [row] = [row for row in logged if row["request"] == "order-17"]
    assert json.loads(row["instance"])["city"] == "Lima"
    project.metadata.close()


def test_lists_of_lengths_that_differ_are_no_tensor():
    from penstock.core.schema import Schema
    from penstock.errors import DataError
    from penstock.serving.tensors import outputs

    schema = Schema.of(words="array<string>")
    with pytest.raises(DataError, match="different lengths"):
        outputs([{"words": ["a"]}, {"words": []}], schema, None)
    assert outputs([], schema, None)[0]["shape"] == [0, 0]
