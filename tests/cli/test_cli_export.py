"""`penstock export`: a registered model as a file that others run."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "rides.csv").write_text("ride,km\n" + "".join(f"{ride},{3 * ride + 1}\n" for ride in range(50)))
    (tmp_path / "penstock.toml").write_text('[tables]\nrides = "rides.csv"\n')
    ps.open(tmp_path).sql(
        "CREATE MODEL distance OPTIONS(model_type = 'linear_reg', input_label_cols = ['km']) AS SELECT * FROM rides"
    )
    return tmp_path


def test_a_model_is_written_as_a_query_that_others_run(root: Path) -> None:
    target = root / "made" / "distance.sql"
    options = ["--format", "sql", "--out", str(target), "-o", "rows=rides"]
    done = CliRunner().invoke(main, ["-C", str(root), "export", "distance@champion", *options])
    assert (done.exit_code, done.output) == (0, f"wrote {target}\n")
    duckdb_rows = duckdb.sql(f"CREATE TABLE rides AS SELECT 10 AS ride; {target.read_text()}").fetchall()
    assert duckdb_rows == [(pytest.approx(31.0), 10)]


def test_an_onnx_file_is_compared_on_the_rows_that_the_model_learned_from(root: Path) -> None:
    pytest.importorskip("onnxruntime")
    target = root / "distance.onnx"
    done = CliRunner().invoke(main, ["-C", str(root), "export", "distance", "--format", "onnx", "--out", str(target)])
    assert done.exit_code == 0
    assert f"wrote {target} (" in done.output
    assert re.search(r"50 rows that it learned from and \d+ at the edges of types are predicted alike", done.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "pickle"], "no format named 'pickle'"),
        (["--format", "sql", "-o", "dialect=oracle"], "no dialect named 'oracle'"),
        (["--format", "sql", "-o", "dialect"], "an option is NAME=VALUE"),
    ],
)
def test_what_cannot_be_written_is_an_error_and_leaves_nothing(root: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["-C", str(root), "export", "distance", "--out", str(root / "m"), *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert not (root / "m").exists()
