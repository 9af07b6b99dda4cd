"""Images, texts and columns in SQL: a column of images is learned from, predicted, judged, exported and shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main
from penstock.core.model import Model
from penstock.errors import SqlError
from penstock.operations import parse, python, text
from penstock.operations.encoders import ENCODERS

sys.path.append(str(Path(__file__).parent.parent / "multimodal"))
import three_bits

CREATE = """
CREATE OR REPLACE MODEL shop.bits
TRANSFORM(
  PENSTOCK.CONV(PENSTOCK.IMAGE(photo, 16), 4, 2) AS photo,
  PENSTOCK.PIXELS(PENSTOCK.IMAGE(photo, 2, 'L')) AS shades,
  PENSTOCK.EMBEDDING(review, 8) AS review,
  ML.BAG_OF_WORDS(TEXT_ANALYZE(review)) OVER () AS words,
  LENGTH(review) AS review_len,
  PENSTOCK.EMBEDDING(city, 4) AS city,
  price, label
)
OPTIONS(model_type = 'dnn_classifier', input_label_cols = ['label'], max_iterations = 2, data_split_method = 'no_split')
AS SELECT photo, review, city, price, label FROM shop.items
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    root = tmp_path_factory.mktemp("shop")
    pq.write_table(three_bits.rows(80), root / "rows.parquet")
    toml = '[tables]\n"shop.items" = "rows.parquet"\n[engine]\ndefault = "inline"\n'
    (root / "penstock.toml").write_text(toml)
    made = ps.open(root)
    made.sql(CREATE)
    return made


def test_a_model_of_images_is_made_and_predicts(project: ps.Project) -> None:
    found = project.sql(
        "SELECT predicted_label, photo FROM ML.PREDICT(MODEL shop.bits, (SELECT * FROM shop.items LIMIT 3))"
    )
    graph = project.models["shop.bits"].load()
    rows = three_bits.rows(80).slice(0, 3)
    assert found.column("photo").to_pylist() == rows.column("photo").to_pylist()
    assert found.column("predicted_label").to_pylist() == graph.predict(rows).column("predicted_label").to_pylist()
    [judged] = project.sql("SELECT * FROM ML.EVALUATE(MODEL shop.bits, (SELECT * FROM shop.items))").to_pylist()
    assert 0 <= judged["accuracy"] <= 1


def test_it_is_exported(project: ps.Project) -> None:
    pytest.importorskip("onnxruntime")
    project.sql("EXPORT MODEL shop.bits OPTIONS(URI = 'bits.onnx')")
    assert (project.root / "bits.onnx").stat().st_size > 1000


def test_both_fronts_declare_the_same(project: ps.Project) -> None:
    declared = project.models["shop.bits"].load().declaration()
    again: Model = eval(declared.python(), {"ps": ps})
    assert again == declared
    assert "PENSTOCK.CONV(PENSTOCK.IMAGE(photo, 16), 4, 2) AS photo" in declared.sql()


_USES = {
    "embedding": ["PENSTOCK.EMBEDDING(review)", "PENSTOCK.EMBEDDING(review, 8, 'max', 'words', 100, 3, 20)"],
    "conv": ["PENSTOCK.CONV(photo)", "PENSTOCK.CONV(PENSTOCK.IMAGE(photo, [16, 8], 'L', 'cover'), 4, 2, 8)"],
    "dense": ["PENSTOCK.DENSE(PENSTOCK.PIXELS(photo), 4)"],
    "gru": ["PENSTOCK.GRU(review, 4)"],
    "module": [
        "PENSTOCK.MODULE(PENSTOCK.IMAGE(photo, 64), 'towers:Seen')",
        """PENSTOCK.MODULE(PENSTOCK.PIXELS(photo), 'a.b:Seen', 32, '{"deep": true, "width": 8}')""",
    ],
    "conv1d": ["PENSTOCK.CONV1D(review, 4)"],
}


@pytest.mark.parametrize("use", [use for uses in _USES.values() for use in uses])
def test_an_encoder_is_written_as_it_was_read(use: str) -> None:
    read = parse(use)
    assert text(read) == use
    assert eval(python(read), {"ps": ps}) == read


def test_every_encoder_is_written_so() -> None:
    for name, encoder in ENCODERS.items():
        if name not in _USES:
            given = "photo" if encoder.parameters[0].types == ("bytes",) else "review"
            use = f"PENSTOCK.{name.upper()}({given})"
            assert text(parse(use)) == use


def test_bigquerys_own_functions_of_images_are_refused_with_the_way_out(project: ps.Project) -> None:
    for name in ("DECODE_IMAGE", "RESIZE_IMAGE", "CONVERT_COLOR_SPACE", "CONVERT_IMAGE_TYPE"):
        with pytest.raises(SqlError, match=rf"ML\.{name} is not here: .*PENSTOCK\.IMAGE"):
            project.sql(f"SELECT ML.{name}(photo) FROM shop.items")


def test_images_do_not_flood_the_terminal(project: ps.Project) -> None:
    shown = CliRunner().invoke(
        main, ["-C", str(project.root), "sql", "SELECT photo, [photo] AS many FROM shop.items LIMIT 2"]
    )
    assert shown.exit_code == 0, shown.output
    assert "<PNG 32x32, 2.9 kB>" in shown.output
    assert len(shown.output) < 1000
