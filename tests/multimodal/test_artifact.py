"""What goes out with a model: no row that it learned from, and nothing that is run where it is opened."""

from __future__ import annotations

import base64
import io
import pickletools
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.errors import DataError
from penstock.operations.pictures import decoded

SECRET = "quizzaciously vivisected zyzzyva 4111111111111111"
FEATURES = {
    **three_bits.IMAGE,
    **three_bits.TEXT,
    **three_bits.COLUMNS,
    "pixels": ps.col("photo").image(4).pixels(),
    "length": ps.col("review").length(),
    "words": ps.col("review").text_analyze().bag_of_words(500, 2),
}
COUNTED = {name: FEATURES[name] for name in ("words", "length", "city", "age")}


def _learned_from() -> pa.Table:
    """Return rows, one of which has a text and an image that no other has."""
    rows = three_bits.rows(80).to_pylist()
    rows[40] |= {"review": f"{SECRET} {rows[40]['review']}", "photo": _marked()}
    return pa.Table.from_pylist(rows)


def _marked() -> bytes:
    return three_bits.png(np.random.default_rng(99).integers(0, 256, (three_bits.SIDE, three_bits.SIDE, 3)))


@pytest.fixture(scope="module")
def graph() -> models.ModelGraph:
    declared = ps.model("bits", type="dnn_classifier", label="label", features=FEATURES, options={"max_iterations": 1})
    return models.fit(declared, _learned_from())


@pytest.fixture(scope="module")
def trees() -> models.ModelGraph:
    options = {"max_iterations": 2}
    kind = "boosted_tree_classifier"
    return models.fit(ps.model("trees", type=kind, label="label", features=COUNTED, options=options), _learned_from())


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file at a path, and what is packed in it."""
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not each.is_file():
            continue
        content = each.read_bytes()
        yield each.name, content
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                yield from ((f"{each.name}/{name}", packed.read(name)) for name in packed.namelist())


def _forms(piece: bytes) -> set[bytes]:
    """Return what a piece of a row may look like in a file."""
    coded = base64.b64encode(piece[: len(piece) // 3 * 3])
    return {piece, coded, piece.hex().encode(), str(piece)[2:-1].encode(), str(list(piece))[1:-1].encode()}


def _pieces() -> dict[str, list[bytes]]:
    """Return what tells the marked row from all others: each of its own words, and stretches of its image."""
    picture = _marked()
    raw = decoded(picture).tobytes()
    chance = random.Random(0)
    stretches = [content[at : at + 24] for content in (picture, raw) for at in chance.sample(range(len(content)), 150)]
    scaled = [(np.frombuffer(raw, np.uint8)[:6] / 255).astype(kind).tobytes() for kind in (np.float32, np.float64)]
    return {
        "text": [word.encode() for word in SECRET.split()],
        "image": [*filter(lambda p: len(p) == 24, stretches)],
    } | {"numbers": scaled}


@pytest.mark.parametrize("form", ["saved", "mlflow", "onnx"])
def test_no_row_that_it_learned_from_is_in_a_network(graph: models.ModelGraph, form: str, tmp_path: Path) -> None:
    where = graph.save(tmp_path / "model") if form == "saved" else graph.export(form, tmp_path / "model")
    _check(where)


@pytest.mark.parametrize("form", ["saved", "mlflow", "onnx"])
def test_no_row_that_it_learned_from_is_in_trees_over_counted_words(
    trees: models.ModelGraph, form: str, tmp_path: Path
) -> None:
    where = trees.save(tmp_path / "model") if form == "saved" else trees.export(form, tmp_path / "model")
    _check(where)


def _check(where: Path) -> None:
    files = dict(_files(where))
    assert sum(map(len, files.values())) > 1000
    for name, content in files.items():
        for kind, pieces in _pieces().items():
            for piece in pieces:
                assert not any(each in content for each in _forms(piece)), f"{name} holds some of the marked {kind}"


def test_the_search_finds_a_row_that_is_there(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("rows", base64.b64encode(_marked()[3:] + b"."))
    (tmp_path / "words.json").write_text(f'["{SECRET}"]')
    for name in ("packed.zip", "words.json"):
        with pytest.raises(AssertionError, match="holds some of the marked"):
            _check(_padded(tmp_path / name))


def _padded(path: Path) -> Path:
    if path.suffix == ".json":
        path.write_text(path.read_text() + " " * 1000)
    return path


def test_what_is_kept_of_texts_and_images_is_how_long_they_are(graph: models.ModelGraph) -> None:
    kept: dict[str, Any] = {column["name"]: column for column in graph.facts["statistics"]}
    assert kept["photo"]["categories"] == 80
    assert kept["photo"]["distribution"] == {"kind": "categories", "counts": [], "others": 80}
    assert 0 < kept["photo"]["lengths"]["min"] < kept["photo"]["lengths"]["max"]
    assert kept["review"]["distribution"]["counts"] == []
    assert kept["city"]["distribution"]["counts"][0][1] > 1


def test_a_saved_network_has_nothing_that_opening_it_would_run(graph: models.ModelGraph, tmp_path: Path) -> None:
    files = dict(_files(graph.save(tmp_path / "model")))
    assert set(files) == {
        "model.json", "network.json", "network.onnx", "network.safetensors", "transform.sql"
    }  # fmt: skip
    for content in files.values():
        with pytest.raises(ValueError, match=r"opcode|pickle|EOF|not enough|no newline|expected"):
            list(pickletools.genops(content))


HEAVY = {"torch", "onnx", "matplotlib", "pandas", "pyarrow", "duckdb", "sqlglot", "sqlalchemy", "scipy", "sklearn"}
"""What a process that predicts rows has no use for."""


def _loaded_by(code: str) -> set[str]:
    code += "; import sys; print('@', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("@")[2].split())


def test_a_process_that_predicts_a_row_loads_what_that_takes_alone(graph: models.ModelGraph, tmp_path: Path) -> None:
    (tmp_path / "row.json").write_bytes(msgspec.json.encode({"instances": [_row(graph)]}))
    saved = graph.save(tmp_path / "model")
    loaded = _loaded_by(
        "import penstock as ps, pathlib; from penstock.models import row_predictor; "
        f"predictor = row_predictor(ps.load_model({str(saved)!r})); "
        f"predictor.answer(pathlib.Path({str(tmp_path / 'row.json')!r}).read_bytes())"
    )
    assert {"onnxruntime", "PIL", "numpy"} <= loaded
    assert loaded & HEAVY == set()


def test_a_server_of_images_loads_nothing_that_trains_or_draws(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    project, options = ps.open(tmp_path), {"max_iterations": 1}
    features = {**three_bits.IMAGE, "text": ps.col("review").embedding(4)}
    made = project.fit(ps.model("b", type="dnn_classifier", label="label", features=features, options=options),
        three_bits.rows(30))  # fmt: skip
    (tmp_path / "row.json").write_bytes(msgspec.json.encode({"instances": [_row(made)]}))
    loaded = _loaded_by(
        "import penstock as ps, pathlib; from starlette.testclient import TestClient; "
        "from penstock.serving.application import application; "
        "from penstock.project.looking_up import row_predictor; "
        f"project = ps.open({str(tmp_path)!r}); "
        "client = TestClient(application(project, lambda graph: row_predictor(graph, project.features))); "
        "client.__enter__(); "
        f"body = pathlib.Path({str(tmp_path / 'row.json')!r}).read_bytes(); "
        "assert client.post('/v1/models/b:predict', content=body).status_code == 200; "
        "client.__exit__(None, None, None)"
    )
    assert {"onnxruntime", "PIL", "starlette"} <= loaded
    assert loaded & {"torch", "onnx", "matplotlib", "pandas", "scipy", "sklearn"} == set()


def _row(graph: models.ModelGraph) -> dict[str, Any]:
    row = three_bits.rows(1, seed=5).to_pylist()[0]
    return {name: row[name] for name in graph.signature.inputs.names}


def test_images_are_no_categories() -> None:
    declared = ps.model("bits", type="logistic_reg", label="label", features={"photo": ps.col("photo")})
    with pytest.raises(DataError, match=r"feature 'photo' .* bytes.*image\(64\)"):
        models.fit(declared, three_bits.rows(20))
