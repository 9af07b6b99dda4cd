"""README.md as a newcomer reads it: every block is taken from the page and run as it is printed."""

from __future__ import annotations

import datetime
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main

pytestmark = pytest.mark.usefixtures("warm_workers")

README = Path(__file__).parents[2] / "README.md"
PORT = "8000"  # as the page has it; the test's server is on another


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def commands(first: str) -> list[tuple[list[str], str]]:
    """Return the command lines that begin with a word, as arguments and the comment behind."""
    text = "\n".join(blocks("sh"))
    found = re.findall(rf"^{first} (?:'[^']*'|[^\n'#])*(?:#[^\n]*)?$", text, re.MULTILINE)
    return [(shlex.split(line, comments=True), line.partition("  # ")[2]) for line in found]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project that the page makes, and its folder the current one."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("readme"))
    (init,) = [arguments for arguments, _ in commands("penstock init")]
    made = CliRunner().invoke(main, init[1:])
    assert made.exit_code == 0, made.output
    root = Path.cwd() / init[2]
    os.chdir(root)
    yield root
    os.chdir(before)
    sys.modules.pop("pipelines", None)
    sys.path[:] = [path for path in sys.path if path != str(root)]


@pytest.fixture(scope="module")
def ran(root: Path) -> Path:
    """The project after every Python block, in order, as one program."""
    program = "\n".join(["import penstock as ps", *blocks("python")[1:]])
    exec(compile(program, "README.md", "exec"), {})
    return root


def test_the_pipeline_of_the_page_is_the_one_that_init_writes(root: Path) -> None:
    assert blocks("python")[0] == (root / "pipelines.py").read_text()


def test_the_commands_of_the_page_run_and_say_what_it_says(root: Path) -> None:
    for arguments, comment in commands("penstock"):
        if arguments[1] in ("init", "serve", "verify"):
            continue
        result = CliRunner().invoke(main, arguments[1:])
        assert result.exit_code == 0, (arguments, result.output)
        if arguments[1] == "why":
            assert result.stdout.strip() == comment.strip()


def test_the_python_of_the_page_runs_as_one_program(ran: Path) -> None:
    assert (ran / "trips" / "model.json").is_file()
    (run,) = ps.open(ran).runs(experiment="shorter")
    assert run.state == "succeeded"
    assert f'"{run.steps["clean"].log().strip()}' in README.read_text()


def test_both_fronts_of_the_page_predict_the_same(ran: Path) -> None:
    from_python = ps.load_model(ran / "trips")
    predicted = ps.open(ran).sql(blocks("sql")[0]).to_pylist()[0]
    given = {"station": "Museum", "km": 3.2, "started": datetime.datetime(2026, 4, 1, 8, tzinfo=datetime.UTC)}
    assert set(from_python.signature.inputs.names) == set(given)
    # The statement holds rows out to evaluate with, as BigQuery does by default: about the same constants.
    again = from_python.predict([given]).to_pylist()[0]["predicted_minutes"]
    assert again == pytest.approx(predicted["predicted_minutes"], abs=1.0)


def test_the_requests_of_the_page_are_answered(ran: Path) -> None:
    server = [sys.executable, "-m", "penstock", "serve", "--port", "0"]
    with subprocess.Popen(server, cwd=ran, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout or () if "http://" in line)
            port = line.partition("http://127.0.0.1:")[2].partition(" ")[0]
            asked = [arguments for arguments, _ in commands("curl")]
            assert len(asked) >= 4
            for arguments in asked:
                body = arguments[arguments.index("-d") + 1].encode() if "-d" in arguments else None
                with urllib.request.urlopen("http://" + arguments[1].replace(PORT, port), body) as response:
                    assert response.status in (200, 201)
                    assert json.load(response)
            for arguments, _ in commands("penstock verify"):
                url = arguments[-1].replace(PORT, port)
                result = CliRunner().invoke(main, [*arguments[1:-1], url])
                assert result.exit_code == 0, result.output
        finally:
            process.terminate()
