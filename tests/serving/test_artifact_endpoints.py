"""The endpoints of artifacts and blobs."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from blake3 import blake3

from penstock.project.codecs import CODECS

TABLE = pa.table({"km": [1.5, None, 3.0], "city": ["Zürich", "Bern", 'a "b"']})


def kept(project, value):
    codec = next(codec for codec in CODECS if codec.accepts(value))
    artifact = codec.save(value, project.artifacts)
    project.metadata.write(artifact)
    return artifact


def content(client, artifact, **headers):
    return client.get(f"/v1/artifacts/{artifact.digest}/content", headers=headers)


def test_an_artifact_is_shown_with_its_schema_and_facts(client, project):
    table = kept(project, TABLE)
    shown = client.get(f"/v1/artifacts/{table.digest}").json()
    assert (shown["kind"], shown["facts"]["rows"], shown["schema"][0]) == ("table", 3, ["km", "float64"])
    assert client.get(shown["uri"]).status_code == 200


@pytest.mark.parametrize(
    ("accept", "media", "read"),
    [
        ("*/*", "application/vnd.apache.arrow.stream", lambda body: pa.ipc.open_stream(body).read_all()),
        ("application/vnd.apache.parquet", None, lambda body: pyarrow.parquet.read_table(io.BytesIO(body))),
        ("text/csv;q=0.9, image/*", "text/csv; charset=utf-8", lambda body: pyarrow.csv.read_csv(io.BytesIO(body))),
        ("application/json, */*;q=0.1", "application/json", lambda body: pa.Table.from_pylist(json.loads(body))),
    ],
)
def test_a_table_comes_in_the_form_that_is_accepted(client, project, accept, media, read):
    answer = content(client, kept(project, TABLE), accept=accept)
    assert answer.headers["content-type"] == (media or accept)
    assert read(answer.content).to_pylist() == TABLE.to_pylist()


def test_a_form_that_a_table_has_not_is_a_bad_request_that_names_those_it_has(client, project):
    answer = content(client, kept(project, TABLE), accept="image/png")
    assert answer.status_code == 400
    assert "text/csv" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("value", "media", "body"),
    [
        ({"a": [1, None]}, "application/json", b'{"a":[1,null]}\n'),
        ("Zürich", "text/plain; charset=utf-8", "Zürich".encode()),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
    ],
)
def test_other_artifacts_come_as_they_are_stored(client, project, value, media, body):
    answer = content(client, kept(project, value))
    assert (answer.headers["content-type"], answer.content) == (media, body)


def test_a_blob_is_what_its_digest_says_also_in_parts(client, project):
    table = kept(project, TABLE)
    whole = client.get(f"/v1/blobs/{table.digest}")
    assert blake3(whole.content).hexdigest() == table.digest
    assert "immutable" in whole.headers["cache-control"]
    part = client.get(f"/v1/blobs/{table.digest}", headers={"range": "bytes=6-9"})
    assert (part.status_code, part.content) == (206, whole.content[6:10])


@pytest.mark.parametrize("digest", ["d1", "0" * 64, "..%2f..%2fetc", "Z" * 64])
def test_what_is_not_there_is_not_found(client, digest):
    assert client.get(f"/v1/blobs/{digest}").status_code == 404
    assert client.get(f"/v1/artifacts/{digest}").status_code == 404
    assert client.get(f"/v1/artifacts/{digest}/content").status_code == 404


def test_artifacts_are_listed_by_kind_page_after_page(client, project):
    texts = {kept(project, f"text {number}").digest for number in range(5)}
    kept(project, TABLE)
    found, after = [], {}
    while True:
        answer = client.get("/v1/artifacts", params={"kind": "text", "limit": 2, **after}).json()
        found += [artifact["digest"] for artifact in answer["artifacts"]]
        if answer["next"] is None:
            break
        after = {"after": answer["next"]}
    assert len(found) == 5
    assert set(found) == texts
