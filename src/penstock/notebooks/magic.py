"""`%%penstock`: a cell of SQL, run in a project; `%penstock` the same for one line."""

from __future__ import annotations

import keyword
import shlex
from typing import TYPE_CHECKING

import click
from IPython.core.error import UsageError

from penstock.errors import PenstockError
from penstock.notebooks.shown import Shown
from penstock.remote import open as open_project

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_NAME = "penstock"


@click.command(name=f"%%{_NAME}", add_help_option=False)
@click.argument("variable", required=False)
@click.option("-C", "--project", "where", default=".", help="The project's folder, or a server's address.")
@click.option("--limit", default=20, type=click.IntRange(0), help="How many rows to show.")
def _options(variable: str | None, where: str, limit: int) -> tuple[str | None, str, int]:
    return variable, where, limit


def load(shell: InteractiveShell) -> None:
    """Bring the magics to a shell."""

    def magic(line: str, cell: str | None = None) -> Shown | None:
        return run_cell(shell, line, cell)

    magic.__doc__ = run_cell.__doc__  # what `%%penstock?` shows
    shell.register_magic_function(magic, "line_cell", _NAME)  # type: ignore[arg-type]  # typed as a function of a shell


def unload(shell: InteractiveShell) -> None:
    """Take the magics away."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(_NAME, None)


def run_cell(shell: InteractiveShell, line: str, cell: str | None = None) -> Shown | None:
    """Run SQL: `%%penstock [VARIABLE] [-C PROJECT] [--limit ROWS]` with statements below, or `%penstock STATEMENT`.

    The rows of the last statement are shown; with a VARIABLE they go there, as a pyarrow.Table, and nothing is shown.
    """
    variable, where, limit = (None, ".", 20) if cell is None else _read_options(line)
    try:
        table = open_project(where).sql(line if cell is None else cell)
    except PenstockError as error:
        raise UsageError(str(error)) from error  # one line instead of our own stack; the cells below do not run
    if variable is None:
        return Shown(table, limit=limit)
    shell.user_ns[variable] = table
    return None


def _read_options(line: str) -> tuple[str | None, str, int]:
    try:
        variable, where, limit = _options.main(shlex.split(line), standalone_mode=False)
    except (click.ClickException, ValueError) as error:
        said = error.format_message() if isinstance(error, click.ClickException) else str(error)
        raise UsageError(f"%%{_NAME} {line}: {said}; it takes [VARIABLE] [-C PROJECT] [--limit ROWS]") from None
    if variable is not None and (not variable.isidentifier() or keyword.iskeyword(variable)):
        raise UsageError(f"%%{_NAME} {variable}: that is no name of a variable; the rows cannot go there")
    return variable, where, limit
