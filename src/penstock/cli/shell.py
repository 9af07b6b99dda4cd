"""`penstock sql` at a terminal: statements over several lines, completion, history, commands after a backslash."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from penstock.cli.completing import SqlCompleter, Vocabulary
from penstock.cli.output import duration, print_table
from penstock.cli.rows import write_rows
from penstock.errors import DeclarationError, PenstockError, StorageError, UnknownNameError
from penstock.sql import is_whole

if TYPE_CHECKING:
    import pyarrow as pa
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from penstock.project import Project
    from penstock.remote import RemoteProject

HISTORY = Path(click.get_app_dir("penstock")) / "sql_history"
"""Where what was typed is kept, unless told otherwise: with the user, over all projects."""
_GREETING = "penstock's SQL is BigQuery's. A statement ends with ';'.  \\? for help, \\q to leave."


@dataclass(slots=True, kw_only=True)
class Shell:
    """What one session knows: how results are shown, and the last of them."""

    project: Project | RemoteProject
    vocabulary: Vocabulary
    limit: int = 20
    upright: bool = False
    timing: bool = True
    last: pa.Table | None = None

    def run(self, text: str) -> None:
        """Run statements or one backslash command, and show what comes; an error is shown and the session goes on."""
        try:
            if text.lstrip().startswith("\\"):
                _command(self, text.strip())
            elif text.strip().rstrip(";").strip():
                _statements(self, text)
        except PenstockError as error:
            click.secho(f"error: {error}", fg="red", err=True)
        except KeyboardInterrupt:
            click.secho("interrupted", fg="yellow", err=True)


def converse(
    project: Project | RemoteProject,
    *,
    limit: int,
    history: Path | None,
    input: Input | None = None,
    output: Output | None = None,
) -> None:
    """Read, run and show until the user leaves. `history` is the file that keeps what was typed, over sessions."""
    vocabulary = Vocabulary(project)
    shell = Shell(project=project, vocabulary=vocabulary, limit=limit)
    session: PromptSession[str] = PromptSession(
        history=_history(history),
        completer=SqlCompleter(vocabulary),
        complete_in_thread=True,  # the columns of a table on a server may take a moment
        lexer=PygmentsLexer(SqlLexer),
        auto_suggest=AutoSuggestFromHistory(),
        multiline=Condition(lambda: not _is_ready(session.default_buffer.text)),
        key_bindings=_keys(),
        prompt_continuation=lambda width, number, wrapped: "... ".rjust(width),
        input=input,
        output=output,
    )
    click.echo(_GREETING)
    while True:
        try:
            text = session.prompt("penstock> ")
        except KeyboardInterrupt:
            continue  # as in a shell: what was typed is dropped
        except EOFError:
            return
        if text.strip() in ("\\q", "exit", "exit;", "quit", "quit;"):
            return
        shell.run(text)


def _is_ready(text: str) -> bool:
    """Tell whether Enter runs what was typed; until then it begins a new line."""
    plain = text.strip()
    return plain.startswith("\\") or plain in ("", "exit", "quit") or is_whole(text)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _run_anyway(event: KeyPressEvent) -> None:
        """Run what was typed without a closing semicolon."""
        event.current_buffer.validate_and_handle()

    return keys


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))  # statements may hold what others shall not read
    except OSError as error:
        raise StorageError(f"the history {path} cannot be written: {error.strerror or error}") from error
    return FileHistory(str(path))


def _statements(shell: Shell, text: str) -> None:
    started = time.perf_counter()
    table = shell.project.sql(text)
    took = time.perf_counter() - started
    shell.last = table
    shell.vocabulary.forget()  # a statement may have made a table or a model
    print_table(table, limit=shell.limit, upright=shell.upright)
    rows = f"{table.num_rows:,} row{'' if table.num_rows == 1 else 's'}"
    click.secho(f"({rows}, {duration(took)})" if shell.timing else f"({rows})", dim=True)


def _command(shell: Shell, text: str) -> None:
    try:
        word, *arguments = shlex.split(text.replace("\\", "\\\\", 1))
    except ValueError as error:
        raise DeclarationError(f"{text}: {error}; close the quote") from None
    if word not in COMMANDS:
        raise UnknownNameError("command", word, COMMANDS)
    takes, _, action = COMMANDS[word]
    least = sum(not name.startswith("[") for name in takes.split())
    if not least <= len(arguments) <= len(takes.split()):
        raise DeclarationError(f"{word} takes {takes or 'nothing'}, not {' '.join(arguments) or 'nothing'}")
    action(shell, *arguments)


def _describe(shell: Shell, name: str | None = None) -> None:
    if name is None:
        _list(shell, "TABLES")
        _list(shell, "MODELS")
    elif name in shell.vocabulary.tables:
        columns = [{"column": column, "type": type} for column, type in shell.vocabulary.columns(name).items()]
        print_table(columns, limit=len(columns))
    elif name in shell.vocabulary.models:
        print_table(shell.project.sql(f"DESCRIBE MODEL `{name}`"), limit=10_000)
    else:
        raise UnknownNameError("table or model", name, [*shell.vocabulary.tables, *shell.vocabulary.models])


def _list(shell: Shell, what: str) -> None:
    found = shell.project.sql(f"SHOW {what}")
    if found.num_rows:
        print_table(found, limit=10_000)
    else:
        click.echo(f"no {what.lower()}")


def _file(shell: Shell, path: str) -> None:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    _statements(shell, text)


def _write(shell: Shell, path: str) -> None:
    if shell.last is None:
        raise DeclarationError("there is no result to write; run a query first")
    write_rows(shell.last, Path(path))
    click.echo(f"wrote {shell.last.num_rows:,} rows to {path}")


def _limit(shell: Shell, number: str) -> None:
    if not number.isdecimal():
        raise DeclarationError(f"\\limit takes a number of rows, not {number}")
    shell.limit = int(number)


def _switch(name: str) -> Callable[[Shell], None]:
    def switch(shell: Shell) -> None:
        setattr(shell, name, not getattr(shell, name))
        click.echo(f"{name} is {'on' if getattr(shell, name) else 'off'}")

    return switch


def _help(shell: Shell) -> None:
    width = max(len(f"{word} {takes}") for word, (takes, _, _) in COMMANDS.items())
    for word, (takes, meaning, _) in COMMANDS.items():
        click.echo(f"{f'{word} {takes}':<{width}}  {meaning}")
    click.echo(f"{'Esc Enter':<{width}}  run without a closing semicolon")


COMMANDS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "\\d": ("[name]", "list tables and models, or describe one", _describe),
    "\\dt": ("", "list tables", lambda shell: _list(shell, "TABLES")),
    "\\dm": ("", "list models", lambda shell: _list(shell, "MODELS")),
    "\\i": ("file", "run the statements in a file", _file),
    "\\w": ("file", "write the last result to a .parquet, .csv, .arrow or .json file", _write),
    "\\limit": ("rows", "show so many rows of a result", _limit),
    "\\x": ("", "show each row upright, a line for each column, or no longer", _switch("upright")),
    "\\timing": ("", "show how long statements take, or no longer", _switch("timing")),
    "\\?": ("", "show this", _help),
    "\\q": ("", "leave", lambda shell: None),
}
"""Word -> what it takes ([what may be left out]), what it does, and the function that does it."""
