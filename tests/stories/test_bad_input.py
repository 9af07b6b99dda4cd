"""The stories of what goes wrong: each ends in one clear line, the right exit code, a recorded state."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import penstock as ps
from penstock.cli import main
from penstock.errors import CorruptArtifactError, DeclarationError, RunError

FORM = """
import penstock as ps
@ps.step{settings}
def given() -> {type}:
    {body}
@ps.pipeline
def flights():
    {call}
"""


def penstock(root: Path, *arguments: str) -> Result:
    """Call the command as a user does; whatever it gives, it gives no traceback of its own."""
    result = CliRunner().invoke(main, ["-C", str(root), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def module(body: str = "return 1", *, type: str = "int", call: str = "given()", settings: str = "") -> str:
    """Return a module of one step and one pipeline."""
    return FORM.format(body=body, type=type, call=call, settings=settings)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "flihgts"], 2, "no pipeline named 'flihgts'; there are: flights. Did you mean 'flights'?"),
        (["run", "flights", "-p", "dept=3"], 2, "no parameter named 'dept' in pipeline 'flights'"),
        (["run", "flights", "-p", "depth=deep"], 2, "parameter 'depth' of pipeline 'flights' is 'deep', a str"),
        (["run", "flights", "--only", "fti"], 2, "Did you mean 'fit'?"),
        (["run", "flights", "--engine", "lcoal"], 2, "no engine named 'lcoal'; there are: inline, local"),
        (["run", "flights", "--cause", "me"], 2, "--cause is not a JSON object"),
        (["show", "2099"], 2, "no run named '2099'"),
        (["models", "late"], 2, "no model named 'late'"),
        (["predict", "late@champion", "flights"], 2, "no model named 'late'"),
        (["runs", "--limit", "-1"], 2, "-1 is not in the range"),
        (["rnu"], 2, "Did you mean 'run'?"),
    ],
)
def test_a_wrong_name_or_value_is_answered_with_what_there_is(
    root: Path, arguments: list[str], code: int, words: str
) -> None:
    result = penstock(root, *arguments)
    assert (result.exit_code, words in result.output) == (code, True), result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def x(:\n", "SyntaxError: invalid syntax, at {root}/flights_story.py:1"),
        ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found', at {root}/flights_story.py:1"),
        ("raise ValueError('boom')\n", "module 'flights_story' cannot be imported: ValueError: boom, at {root}"),
        ("raise SystemExit(0)\n", "module 'flights_story' cannot be imported: SystemExit: 0"),
        ("import penstock as ps\nps.setp\n", "has no attribute 'setp', at {root}/flights_story.py:2"),
        (
            "import penstock as ps\n@ps.pipeline\ndef flights(): ...\n@ps.pipeline(name='flights')\ndef again(): ...\n",
            "two pipelines are named 'flights': flights of flights_story and again of flights_story; name one apart",
        ),
        (module(settings="(retries=-1)"), "retries of step 'given' is -1"),
        (module(settings="(modes='trian')"), "Did you mean 'train'?"),
        (module(settings="(name='../x')"), "'../x' cannot be the name"),
        (module(call="1 / 0"), "ZeroDivisionError: division by zero, at"),
        (module(call="given().x"), "no attribute 'x', at {root}"),
        (module(call="given(depht=1)"), "no parameter named 'depht'"),
    ],
)
def test_a_module_that_cannot_be_used_is_named_with_its_line(root: Path, text: str, words: str) -> None:
    (root / "flights_story.py").write_text(text)
    result = penstock(root, "run", "flights")
    assert (result.exit_code, result.output.count("\n")) == (2, 1), result.output
    assert words.format(root=root) in result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[project\n", "is not valid TOML"),
        ("[proejct]\n", "no section named 'proejct'"),
        ("project = 1\n", "'project' in {root}/penstock.toml is 1; it is a section: write [project]"),
        ("tables = 1\n", "write [tables]"),
        ("[tables]\nflights = 3\n", "table 'flights' in {root}/penstock.toml is 3; give a path"),
        ("[tables]\nflights = { path = 3 }\n", "table 'flights' in {root}/penstock.toml has path = 3; give a path"),
        ("[engine]\nslots = -1\n", "Expected `int` >= 0 - at `$.slots`"),
        ("[server]\nport = 99999\n", "Expected `int` <= 65535 - at `$.port`"),
        ("[stores]\nmetadata = 'postgres://x'\n", "records cannot be kept at 'postgres://x'"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(root: Path, text: str, words: str) -> None:
    (root / "penstock.toml").write_text(text)
    result = penstock(root, "run", "flights")
    assert result.exit_code == 2
    assert words.format(root=root) in result.output


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.parquet", b"PAR1 and no more", "cannot read 'flights'"),
        ("rows.parquet", b"", "too small to be a Parquet file"),
        ("rows.csv", b"\xff\xfe\x00", "cannot read the first line of"),
        ("rows.csv", b"", "has no first line"),
        ("rows.csv", b"a,a\n1,2\n", "names a column twice"),
        ("rows.csv", b"a,b\n1,2\n1\n", "line 3: Expected Number of Columns: 2 Found: 1"),
        ("rows.csv.gz", b"no gzip", "Not a gzipped file"),
        ("rows.zip", b"no zip", "cannot unzip"),
        ("rows.arrow", b"no arrow at all, but of some length", "Not an Arrow file"),
        ("rows.xlsx", b"PK", "has no ending that says how to read it"),
    ],
)
def test_a_file_that_cannot_be_read_fails_its_step_in_one_line(
    root: Path, name: str, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "data" / name).write_bytes(content)
    config = (root / "penstock.toml").read_text().replace("data/*.parquet", f"data/{name}")
    (root / "penstock.toml").write_text(config)
    result = penstock(root, "run", "flights")
    assert result.exit_code == 1
    [run] = ps.open(root).runs()
    error = run.steps["read"].record.error
    assert (run.state, words in error, "\n" in error) == ("failed", True, False), error
    assert error in capfd.readouterr().err  # the display


@pytest.mark.parametrize(
    ("body", "type", "first_line"),
    [
        ("raise ValueError('first\\nsecond')", "int", "ValueError: first"),
        ("raise ValueError('\\udce4')", "int", "ValueError: \\udce4"),
        ("raise SystemExit(4)", "int", "SystemExit: 4"),
        ("return 5", "ps.Table", "step 'given' declares that 'result' is a table, but gave an int"),
        ("return object()", "object", "step 'given' gave an object as 'result', which no codec can keep"),
        ("return float('nan')", "float", "the value is nan, which JSON has no number for"),
        ("return __import__('pathlib').Path('gone.txt')", "object", "step 'given' gave the path 'gone.txt' (there is"),
    ],
)
def test_a_step_that_fails_is_shown_and_recorded_with_its_message_first(
    root: Path, body: str, type: str, first_line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "flights_story.py").write_text(module(body, type=type))
    result = penstock(root, "run", "flights")
    assert result.exit_code == 1
    [run] = ps.open(root).runs()
    assert run.steps["given"].state == "failed"
    shown = run.steps["given"].record.error.partition("\n")[0]
    assert shown.startswith(first_line)
    assert not shown.startswith("penstock.")
    assert shown in capfd.readouterr().err  # the display
    assert not [path for path in (root / ".penstock").rglob("*") if path.parent.name == "tmp"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("SELCT 1", 2, "SELCT at 1:1 is not a statement"),
        ("SELECT * FROM flihgts", 2, "Did you mean 'flights'?"),
        ("SELECT dep_dealy FROM flights", 2, "Did you mean 'dep_delay'?"),
        ("SELECT LNN(distance) FROM flights", 2, "there is no function LNN"),
        ("SELECT * FROM flights WHERE", 2, "Where is not complete"),
        ("CREATE MODEL", 2, "the end of the text"),
        (f"SELECT {'(' * 3000}1{')' * 3000}", 2, "nested too deeply"),
        ("SELECT 1 / 0", 3, "division by zero"),
        (
            "CREATE MODEL m OPTIONS(model_type='liner_reg', input_label_cols=['arr_delay']) AS SELECT * FROM flights",
            2,
            "no model type named 'liner_reg'",
        ),
        (
            "CREATE MODEL m OPTIONS(model_type='linear_reg', input_label_cols=['arr_delay']) AS "
            "SELECT * REPLACE (CAST(NULL AS FLOAT64) AS arr_delay) FROM flights",
            1,
            "failed: model 'm' has nothing to learn from: no row has a label 'arr_delay'",
        ),
    ],
)
def test_a_statement_that_cannot_be_run_says_why_in_one_line(root: Path, text: str, code: int, words: str) -> None:
    result = penstock(root, "sql", text)
    assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
    assert words in result.output
    assert "sqlglot" not in result.output
    assert not list(ps.open(root).models)


def test_a_failed_fit_registers_nothing_and_the_next_run_goes_on(root: Path) -> None:
    project = ps.open(root)
    failed = project.run("flights", depth=-3)
    assert failed.state == "failed"
    assert {name: step.state for name, step in failed.steps.items() if step.state not in ("succeeded", "skipped")} == {
        "fit": "failed"
    }
    assert not list(project.models)
    again = project.run("flights")
    assert (again.state, again.steps["clean"].state) == ("succeeded", "up_to_date")
    with pytest.raises(RunError, match=r"failed: model 'late' \(boosted_tree_regressor\): option max_tree_depth=-3"):
        failed.result("fit")


def test_a_model_whose_bytes_changed_is_never_loaded(root: Path, tmp_path: Path) -> None:
    project = ps.open(root)
    graph = project.run("flights").artifact("fit").load()
    graph.save(tmp_path / "model")
    names = [path.name for path in (tmp_path / "model").iterdir()]
    for name in names:
        path = graph.save(tmp_path / f"copy of {name}") / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(CorruptArtifactError, match=name):
            ps.load_model(path.parent)
        path.unlink()
        with pytest.raises(CorruptArtifactError, match=name):
            ps.load_model(path.parent)
    digest = project.models["late"].alias("champion").digest
    blob = project.artifacts.path(digest)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:10])
    assert penstock(root, "predict", "late", "flights").exit_code == 4
    assert project.run("flights").state == "succeeded"
    assert penstock(root, "predict", "late", "flights").exit_code == 0


def test_outside_of_a_project_a_run_says_how_to_begin(tmp_path: Path) -> None:
    result = penstock(tmp_path, "run", "flights")
    assert (result.exit_code, "penstock init" in result.output) == (2, True)
    with pytest.raises(DeclarationError, match="there is no folder"):
        ps.open(tmp_path / "nowhere")
