"""Images in requests for predictions: base64 in JSON, and files in forms; what is none, or too large, and whom it keeps
waiting."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image
from serving_fakes import FakeModel, FakeProject, TestClient

import penstock as ps
from penstock import models
from penstock.core.graph import ModelGraph
from penstock.models import row_predictor
from penstock.serving.application import application
from penstock.serving.multipart import parts_of
from penstock.serving.state import Limits

PREDICT = "/v1/models/dots:predict"
ROWS = [
    {"photo": bytes(photo), "title": title, "size": size, "seen": seen, "bright": bright}
    for photo, title, size, seen, bright in (
        (b"P5\n1 1\n255\n\x00", "dark", 1, True, 0.0),
        (b"P5\n1 1\n255\n\xff", "light", 2, None, 1.0),
        (b"P5\n1 1\n255\n\x80", "grey", 3, False, 0.5),
    )
    * 4
]


def png(shade: int, side: int = 4) -> bytes:
    written = io.BytesIO()
    Image.new("L", (side, side), shade).save(written, "PNG")
    return written.getvalue()


def bomb(side: int) -> bytes:
    """Return a PNG of a few bytes that says it has so many pixels a side."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def graph() -> models.ModelGraph:
    """A model that reads an image, a text, a number and a truth value."""
    features = {
        "shade": ps.col("photo").image(1, mode="L").pixels(),
        "length": ps.col("title").length(),
        "size": ps.col("size"),
        "seen": ps.col("seen"),
    }
    declared = ps.model("dots", type="linear_reg", label="bright", features=features, options={"l2_reg": 1e-6})
    return models.fit(declared, ROWS)


class _Model(FakeModel):
    def __init__(self, graph: ModelGraph) -> None:
        super().__init__(graph.name)
        self.graph = graph

    def load(self, version: int) -> ModelGraph:
        return self.graph


@pytest.fixture
def client(graph: models.ModelGraph, tmp_path: Path) -> Iterator[TestClient]:
    project = FakeProject(tmp_path)
    project.push("dots", 1)
    project.models["dots"] = _Model(graph)
    limits = Limits(body_bytes=50_000, image_pixels=5_000_000)
    with TestClient(application(project, row_predictor, limits=limits)) as client:
        yield client
    project.metadata.close()


def shades(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.text
    return [round(each["predicted_bright"], 2) for each in answer.json()["predictions"]]


def refused(answer: Any, status: int = 422) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def row(photo: Any) -> dict[str, Any]:
    return {"photo": photo, "title": "dark", "size": 1, "seen": True}


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_an_image_is_base64_in_json(client: TestClient, graph: models.ModelGraph) -> None:
    sent = [row(coded(png(shade))) for shade in (0, 255)]
    ours = [graph.predict_row(row(png(shade)))["predicted_bright"] for shade in (0, 255)]
    assert shades(client.post(PREDICT, json={"instances": sent})) == [round(each, 2) for each in ours]


@pytest.mark.parametrize("text", ["iVBOR-_=", "data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgo", "no image"])
def test_what_is_no_base64_is_422_naming_the_field(client: TestClient, text: str) -> None:
    error = refused(client.post(PREDICT, json={"instances": [row(text)]}))
    assert error["field"] == "photo"
    assert "base64 of the standard alphabet" in error["message"]


def test_a_row_is_a_form_whose_files_are_bytes(client: TestClient, graph: models.ModelGraph) -> None:
    fields = {"title": "dark", "size": "1", "seen": "true"}
    answer = client.post(PREDICT, data=fields, files={"photo": ("cat.png", png(200), "image/png")})
    assert shades(answer) == [round(graph.predict_row(row(png(200)))["predicted_bright"], 2)]
    assert shades(client.post(PREDICT, json={"instances": [row(coded(png(200)))]})) == shades(answer)


def test_an_empty_part_is_null(client: TestClient) -> None:
    fields = {"title": "dark", "size": "1", "seen": ""}
    answer = client.post(PREDICT, data=fields, files={"photo": ("", b"")})
    nothing = client.post(PREDICT, json={"instances": [{"title": "dark", "size": 1, "seen": None, "photo": None}]})
    assert (answer.status_code, answer.json()) == (nothing.status_code, nothing.json())


def test_several_rows_name_the_parts_that_hold_their_files(client: TestClient) -> None:
    instances = json.dumps([row("a"), row("b"), row("a")])
    files = {"a": ("a.png", png(0)), "b": ("b.png", png(255))}
    some = shades(client.post(PREDICT, data={"instances": instances}, files=files))
    assert some == shades(client.post(PREDICT, json={"instances": [row(coded(png(shade))) for shade in (0, 255, 0)]}))
    assert len(set(some)) == 2


@pytest.mark.parametrize(
    ("fields", "files", "status", "field", "message"),
    [
        ({"size": "two"}, {}, 422, "size", "int64 as JSON writes it"),
        ({"size": "1.5"}, {}, 422, "size", "not int64"),
        ({"sise": "1"}, {}, 422, "sise", "Did you mean 'size'"),
        ({"instances": "[{}"}, {}, 400, None, "no JSON list of objects"),
        ({"instances": json.dumps([row("b")])}, {"a": b"x"}, 422, "photo", "row 0, .* the part 'b', .*there are: a"),
        ({"instances": json.dumps([row("instances")])}, {"a": b"x"}, 422, "photo", "there are: a"),
        ({"instances": json.dumps([row(None)])}, {"a": b"x"}, 400, None, "no row names the part 'a'"),
        ({"instances": json.dumps([row(7)])}, {"a": b"x"}, 422, "photo", "row 0, .* not the name of a part"),
    ],
)
def test_what_is_wrong_in_a_form_is_named(
    client: TestClient, fields: dict, files: dict, status: int, field: str | None, message: str
) -> None:
    sent = {name: (f"{name}.png", content) for name, content in (files or {"photo": png(0)}).items()}
    error = refused(client.post(PREDICT, data=fields, files=sent), status)
    assert error.get("field") == field
    assert re.search(message, error["message"]), error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x\r\n\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb',
        b"--x\r\nno header\r\n--x--",
    ],
)
def test_half_a_form_is_refused(client: TestClient, body: bytes) -> None:
    assert (
        client.post(PREDICT, content=body, headers={"content-type": "multipart/form-data; boundary=x"}).status_code
        == 400
    )


def test_two_parts_of_one_name_are_refused(client: TestClient) -> None:
    files = [("photo", ("a.png", png(0))), ("photo", ("b.png", png(1)))]
    assert "two parts 'photo'" in refused(client.post(PREDICT, files=files), 400)["message"]


def test_a_form_is_read_by_its_parts_whatever_bytes_they_hold() -> None:
    content = bytes(range(256)) * 3 + b"\r\n--x\r--x\n\r\n-"
    body = (
        b'--xyz\r\ncontent-disposition: form-data; name="a b"; filename="a.png"\r\n\r\n' + content + b"\r\n--xyz--\r\n"
    )
    assert parts_of(body, b"xyz") == {"a b": content}


@pytest.mark.parametrize("content", [b"no image", png(9)[:40], b"\xff\xd8\xff\xe0" + bytes(60)])
def test_a_bad_image_is_422_naming_the_field_and_the_row_and_not_its_content(
    client: TestClient, content: bytes
) -> None:
    error = refused(client.post(PREDICT, json={"instances": [row(coded(png(0))), row(coded(content))]}))
    assert error["field"] == "photo"
    assert error["message"].startswith("row 1: ")
    assert len(error["message"]) < 600


def test_a_body_above_the_limit_is_413(client: TestClient) -> None:
    large = base64.b64encode(bytes(60_000)).decode()
    refused(client.post(PREDICT, json={"instances": [row(large)]}), 413)
    refused(client.post(PREDICT, files={"photo": ("a.png", bytes(60_000))}), 413)


def test_a_bomb_is_refused_before_it_is_decoded(client: TestClient) -> None:
    started = time.perf_counter()
    error = refused(client.post(PREDICT, json={"instances": [row(coded(bomb(60_000)))]}))
    assert error["field"] == "photo"
    assert "60,000 x 60,000 pixels" in error["message"]
    assert time.perf_counter() - started < 1.0


def test_many_images_count_together(client: TestClient) -> None:
    some = [row(coded(bomb(1_500))) for _ in range(3)]
    error = refused(client.post(PREDICT, json={"instances": some}))
    assert error["message"].startswith("row 2, field 'photo'")


def test_limits_come_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[server]\nbody_max_bytes = "64MiB"\nimage_pixels = 1000\n')
    section = ps.open(tmp_path).config.server
    assert (section.body_size_bytes, section.image_pixels) == (64 << 20, 1000)


def test_an_image_that_takes_long_keeps_no_other_model_waiting(graph: models.ModelGraph, tmp_path: Path) -> None:
    """The predictor of the slow model waits until the other has answered, which it only can beside it."""
    project = FakeProject(tmp_path)
    for name in ("dots", "km"):
        project.push(name, 1)
    project.models["dots"] = _Model(graph)
    begun, answered = threading.Event(), threading.Event()

    class Waiting:
        def __init__(self, graph: ModelGraph) -> None:
            self.own = row_predictor(graph) if graph.name == "dots" else None
            self.decode = self.own.decode if self.own else lambda body: msgspec.json.decode(body)["instances"]
            self.files = self.own.files if self.own else None

        def predict_decoded(self, row: Any) -> dict[str, Any]:
            begun.set()
            return {"waited": answered.wait(10)} if self.own else {"y": row["km"]}

    with TestClient(application(project, Waiting)) as client:
        found: list[Any] = []
        body = {"instances": [row(coded(png(0)))]}
        slow = threading.Thread(target=lambda: found.append(client.post(PREDICT, json=body)))
        slow.start()
        assert begun.wait(10)
        quick = client.post("/v1/models/km:predict", json={"instances": [{"km": 2}]})
        answered.set()
        slow.join()
    project.metadata.close()
    assert quick.json() == {"predictions": [{"y": 2}]}
    assert found[0].json() == {"predictions": [{"waited": True}]}


def test_the_description_has_both_forms(client: TestClient) -> None:
    content = client.get("/openapi.json").json()["paths"][PREDICT]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"]["properties"]["instances"]
    one, several = content["multipart/form-data"]["schema"]["oneOf"]
    assert one["properties"]["photo"]["contentMediaType"] == "application/octet-stream"
    assert several["properties"]["instances"]["items"]["properties"]["photo"]["type"] == "string"
