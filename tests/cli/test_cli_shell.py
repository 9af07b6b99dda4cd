"""`penstock sql` at a terminal: what is typed runs when it is whole, is completed, kept, and shown."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import penstock as ps
from penstock.cli.completing import SqlCompleter, Vocabulary
from penstock.cli.shell import converse

RIDES = "ride,km,station\n" + "".join(f"{number},{number / 2},Bank\n" for number in range(50))
CREATE = (
    "CREATE OR REPLACE MODEL distance OPTIONS(model_type = 'linear_reg', input_label_cols = ['km']) "
    "AS SELECT ride, km FROM rides;"
)


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    (tmp_path / "rides.csv").write_text(RIDES)
    (tmp_path / "penstock.toml").write_text('[tables]\nrides = "rides.csv"\n"city.public.stops" = "rides.csv"\n')
    return ps.open(tmp_path)


class Session:
    """Types into a session and returns what it showed."""

    def __init__(self, project: ps.Project, capsys: pytest.CaptureFixture[str], history: Path) -> None:
        self.project, self.history, self._capsys = project, history, capsys

    def type(self, *keys: str) -> str:
        with create_pipe_input() as pipe:
            pipe.send_text("".join(keys) + "\x04")  # Ctrl-D leaves
            converse(self.project, limit=20, history=self.history, input=pipe, output=DummyOutput())
        shown = self._capsys.readouterr()
        return shown.out + shown.err


@pytest.fixture
def session(project: ps.Project, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Session:
    return Session(project, capsys, tmp_path / "state" / "history")


def completions(project: ps.Project, text: str) -> list[str]:
    completer = SqlCompleter(Vocabulary(project))
    return [found.text for found in completer.get_completions(Document(text), CompleteEvent(text_inserted=True))]


def test_a_statement_runs_at_its_semicolon_over_any_number_of_lines(session: Session) -> None:
    shown = session.type("SELECT count(*) AS rides,\n", "';' AS mark -- not here;\n", "FROM rides;\n")
    assert "rides" in shown
    assert "50" in shown
    assert "(1 row, " in shown


def test_an_error_is_shown_and_the_session_goes_on(session: Session) -> None:
    shown = session.type("SELECT kilometers FROM rides;\n", "SELECT 7 * 6 AS answer;\n")
    assert "no column named 'kilometers'" in shown
    assert "42" in shown


def test_what_was_typed_is_kept_for_the_next_session_and_no_one_else(session: Session) -> None:
    session.type("SELECT 1 AS one;\n")
    assert "42" in session.type("\x1b[A", "\n", "SELECT 42 AS again;\n")  # arrow up, and run it
    assert session.history.read_text().count("+SELECT 1 AS one;") == 1
    assert session.history.stat().st_mode & 0o777 == 0o600


def test_tables_and_models_are_listed_and_described(session: Session) -> None:
    shown = session.type(f"{CREATE}\n", "\\d\n", "\\d rides\n", "\\d distance\n", "\\d nothing\n")
    assert "city.public.stops" in shown
    assert "station" in shown
    assert "linear_reg" in shown
    assert "no table or model named 'nothing'" in shown


def test_results_stand_upright_on_request_and_are_written_to_a_file(session: Session, tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    shown = session.type(
        "\\x\n", "SELECT 1 AS one, 'x' AS letter;\n", f"\\w {target}\n", "\\limit two\n", "\\limit 3\n"
    )
    assert "upright is on" in shown
    assert "letter  x" in shown
    assert pa.parquet.read_table(target).to_pylist() == [{"one": 1, "letter": "x"}]
    assert "\\limit takes a number of rows, not two" in shown


def test_statements_are_read_from_a_file(session: Session, tmp_path: Path) -> None:
    (tmp_path / "query.sql").write_text("SELECT 6 * 7 AS answer")
    assert "42" in session.type(f"\\i {tmp_path / 'query.sql'}\n")
    assert "cannot be read: No such file" in session.type("\\i nowhere.sql\n")


def test_an_unknown_command_names_the_nearest(session: Session) -> None:
    assert "no command named '\\timings'" in session.type("\\timings\n")
    assert "list tables and models" in session.type("\\?\n")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("SELECT * FROM ri", "rides"),
        ("SELECT * FROM sto", "city.public.stops"),
        ("SELECT * FROM `city", "`city.public.stops`"),
        ("SELECT regexp_c", "REGEXP_CONTAINS("),
        ("SELECT * FROM ml.pre", "ML.PREDICT("),
        ("SELECT ML.STANDARD_SC", "ML.STANDARD_SCALER("),
        ("sel", "SELECT"),
        ("\\d ri", "rides"),
    ],
)
def test_the_word_at_the_cursor_is_completed(project: ps.Project, typed: str, expected: str) -> None:
    found = completions(project, typed)
    assert expected in found


def test_columns_of_the_tables_in_the_text_are_completed(project: ps.Project) -> None:
    assert completions(project, "SELECT * FROM rides WHERE stat")[0] == "station"
    assert "station" not in completions(project, "SELECT stat")


def test_a_table_that_cannot_be_read_spoils_no_completion(project: ps.Project) -> None:
    (project.root / "rides.csv").unlink()
    assert "STRUCT" in completions(project, "SELECT * FROM rides WHERE str")
