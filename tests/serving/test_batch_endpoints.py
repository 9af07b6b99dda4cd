"""Models on many rows, fits, uploads and records over REST."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet
import pytest

from penstock.core.run import NamedVersion, Run

ARROW = "application/vnd.apache.arrow.stream"


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


ROWS = stream(pa.table({"km": [1.0, 2.0]}))


def test_rows_that_are_sent_are_predicted_in_the_form_that_is_accepted(client):
    answer = client.post(
        "/v1/models/km:batchPredict",
        content=ROWS,
        headers={"content-type": ARROW, "accept": "application/vnd.apache.parquet"},
    )
    assert pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pydict() == {"predicted_y": [2.0, 2.0]}


@pytest.mark.parametrize("rows", ["hire", "SELECT 1 AS km"])
def test_rows_that_the_server_has_are_named(client, rows):
    answer = client.post("/v1/models/km:batchPredict", json={"rows": rows}, headers={"accept": "application/json"})
    assert answer.json() == [{"predicted_y": 2.0}] * 3


@pytest.mark.parametrize("rows", ["/etc/passwd", "hire/july.parquet", "hier"])
def test_files_of_the_server_cannot_be_named(client, rows):
    answer = client.post("/v1/models/km:evaluate", json={"rows": rows})
    assert (answer.status_code, answer.json()["error"]["known"]) == (422, ["hire"])


def test_a_version_is_judged_by_number(client):
    for path, score in (("km", 0.5), ("km/versions/2", 1.0)):
        answer = client.post(f"/v1/models/{path}:evaluate", content=ROWS, headers={"content-type": ARROW})
        assert answer.json() == {"metrics": {"r2_score": score}}


def test_a_model_is_fitted_on_rows_that_were_sent_before(client, project):
    kept = client.post("/v1/artifacts", content=ROWS, headers={"content-type": ARROW})
    assert kept.status_code == 201
    model = {
        "name": "new", "type": "linear_reg", "label": "y",
        "features": {"km": "LN(km)", "twice": ["multiply", ["column", "km"], ["literal", "float64", 2.0]]},
    }  # fmt: skip
    answer = client.post("/v1/models:fit", json={"model": model, "rows": f"artifact:{kept.json()['digest']}"})
    assert (answer.status_code, answer.json()["version"]) == (201, 1)


@pytest.mark.parametrize(
    ("media", "body", "kind"),
    [
        (ARROW, ROWS, "table"),
        ("application/json", b'{"a": 1}', "json"),
        ("text/plain", b"x", "text"),
        ("application/octet-stream", b"\0", "bytes"),
    ],
)
def test_what_is_uploaded_is_an_artifact_and_equal_bytes_are_one(client, media, body, kind):
    first = client.post("/v1/artifacts", content=body, headers={"content-type": media})
    again = client.post("/v1/artifacts", content=body, headers={"content-type": media})
    assert (first.status_code, first.json()["kind"]) == (201, kind)
    assert again.json() == first.json()
    assert client.get(first.headers["location"]).json() == first.json()


def test_records_are_found_as_the_store_finds_them(client, project):
    project.metadata.write(*(Run(id=f"r{n}", pipeline="rides", state="failed", created=float(n)) for n in range(4)))
    asked = {
        "equal": {"state": ["failed"]},
        "limit": 2,
        "newest_first": True,
        "after": {"id": "r3", "pipeline": "", "state": "failed", "created": 3.0},
    }
    found = client.post("/v1/records/runs:find", json=asked).json()["records"]
    assert [run["id"] for run in found] == ["r2", "r1"]


def test_names_are_the_only_records_that_are_inserted(client, project):
    record = {"name": "prices", "version": 1, "digest": "ab"}
    assert client.post("/v1/records/named_versions:insert", json={"records": [record]}).status_code == 201
    assert client.post("/v1/records/named_versions:insert", json={"records": [record]}).status_code == 409
    assert project.metadata.find(NamedVersion)[0].name == "prices"
    assert client.post("/v1/records/runs:insert", json={"records": []}).status_code == 403


def test_a_run_gets_other_tags_and_a_note(client, project):
    project.metadata.write(Run(id="r1", pipeline="rides", state="failed", tags={"a": "1", "b": "2"}))
    changed = client.patch("/v1/runs/r1", json={"tags": {"a": None, "c": 3}, "notes": "seen"}).json()
    assert (changed["tags"], changed["notes"]) == ({"b": "2", "c": "3"}, "seen")


def test_garbage_is_only_looked_for_unless_asked(client, project):
    answer = client.post("/v1/gc", json={})
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
