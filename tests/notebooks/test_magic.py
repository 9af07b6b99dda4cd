"""`%%penstock` in a notebook: the rows are shown or go to a variable, and an error stops the cells below."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars
import pyarrow as pa
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from penstock.notebooks import Shown


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rides.csv").write_text("km,station\n" + "1.5,<Bank>\n" * 30)
    (tmp_path / "penstock.toml").write_text('[tables]\nrides = "rides.csv"\n')
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    shell.run_line_magic("load_ext", "penstock")
    yield shell
    shell.run_line_magic("unload_ext", "penstock")


def test_a_cell_shows_the_first_rows_as_html(shell: InteractiveShell) -> None:
    shown = shell.run_cell_magic("penstock", "--limit 2", "SELECT *, NULL AS nothing FROM rides\n-- all of them\n")
    assert isinstance(shown, Shown)
    text = shown._repr_html_()
    assert text.count("<tr>") == 3
    assert "&lt;Bank&gt;" in text
    assert "<i>NULL</i>" in text
    assert "30 rows, 2 of them here" in text
    assert len(polars.from_arrow(shown)) == 30


def test_a_cell_with_a_variable_puts_the_rows_there(shell: InteractiveShell) -> None:
    assert shell.run_cell_magic("penstock", "rows", "SELECT sum(km) AS km FROM rides") is None
    assert shell.user_ns["rows"].equals(pa.table({"km": [45.0]}))


def test_one_line_is_a_statement(shell: InteractiveShell) -> None:
    assert shell.run_line_magic("penstock", "SELECT 6 * 7 AS answer").table.to_pylist() == [{"answer": 42}]


def test_another_project_is_named(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "penstock.toml").write_text('[tables]\nstops = "../rides.csv"\n')
    shown = shell.run_cell_magic("penstock", f"-C {tmp_path / 'other'}", "SELECT count(*) AS stops FROM stops")
    assert shown.table.to_pylist() == [{"stops": 30}]


@pytest.mark.parametrize(
    ("line", "message"),
    [("class", "no name of a variable"), ("--limit many", "takes"), ('"open', "takes"), ("a b", "takes")],
)
def test_options_that_make_no_sense_are_named(shell: InteractiveShell, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shell.run_cell_magic("penstock", line, "SELECT 1")


def test_an_error_stops_the_cell_in_one_line(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    done = shell.run_cell("%%penstock\nSELECT kilometers FROM rides")
    assert not done.success
    said = capsys.readouterr()
    assert "no column named 'kilometers'" in said.out + said.err
    assert "Traceback" not in said.out + said.err
