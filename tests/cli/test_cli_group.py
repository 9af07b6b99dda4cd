"""`penstock` itself: help, unknown commands, exit codes."""

from __future__ import annotations

import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from penstock import errors
from penstock.cli import main
from penstock.cli.exits import EXIT_CODES, exit_code, reported
from penstock.cli.group import COMMANDS, Command


def test_help_lists_every_command():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert name in result.output
        assert line in " ".join(result.output.split())
    parts = [line for line in result.output.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert parts[parts.index("Start and run:") :][:2] == ["Start and run:", "See what a run did:"]


def test_help_loads_no_library_and_is_quick():
    code = (
        "import sys; from penstock.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'duckdb', 'pyarrow', 'numpy', 'rich', 'starlette', 'uvicorn', 'sqlalchemy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert time.monotonic() - started < 2  # 0.05 s on an idle machine


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


def test_an_unknown_command_names_the_near_one():
    result = CliRunner().invoke(main, ["prdict"])
    assert result.exit_code == 2
    assert "Did you mean 'predict'?" in result.output


def test_an_unknown_option_is_wrong_use():
    result = CliRunner().invoke(main, ["runs", "--experment", "a"])
    assert result.exit_code == 2
    assert "--experiment" in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RunError("x"), 1),
        (errors.StepError("x"), 1),
        (errors.UnknownNameError("step", "x", ()), 2),
        (errors.DeclarationError("x"), 2),
        (errors.ExpressionError("x"), 2),
        (errors.SqlError("x"), 2),
        (errors.ConflictError("x"), 2),
        (errors.MissingExtraError("x", extra="y", purpose="z"), 2),
        (errors.DataError("x"), 3),
        (errors.CorruptArtifactError("x"), 4),
        (errors.StorageError("x"), 4),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code(error) == code


def test_the_exit_codes_are_the_documented_ones():
    assert set(EXIT_CODES.values()) == {1, 2, 3, 4}


def failing(error):
    @click.command(cls=Command)
    @click.option("--json", "as_json", is_flag=True)
    def command(as_json):
        raise error

    return command


def test_an_error_is_one_clear_line():
    result = CliRunner().invoke(failing(errors.DataError("km is missing", field="km")))
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", "error: km is missing\n")


def test_an_error_is_an_object_for_machines():
    result = CliRunner().invoke(failing(errors.DataError("km is missing", field="km")), ["--json"])
    assert result.exit_code == 3
    assert result.stdout == '{"error":{"code":"data","message":"km is missing","field":"km"}}\n'


def test_an_interrupt_has_its_own_exit_code():
    result = CliRunner().invoke(failing(KeyboardInterrupt()))
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_traceback_is_shown_on_request(monkeypatch):
    monkeypatch.setenv("PENSTOCK_DEBUG", "1")
    with pytest.raises(errors.DataError), reported(as_json=False):
        raise errors.DataError("x")


def test_a_fault_of_ours_is_not_hidden():
    result = CliRunner().invoke(failing(ZeroDivisionError()))
    assert isinstance(result.exception, ZeroDivisionError)
