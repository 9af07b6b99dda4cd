"""How a command ends: its exit code, and what it says of an error.

0    done
1    the run failed, the model did not verify
2    used wrongly, or declared wrongly: an unknown name, a bad option, an expression without meaning
3    the data is not what was declared
4    the store cannot be written, or what it holds is damaged
5    the run waits for a person to approve it
130  interrupted (Ctrl-C)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from penstock.errors import (
    CorruptArtifactError,
    DataError,
    PenstockError,
    RunError,
    StepError,
    StorageError,
    describe,
)

FAILED = 1
USAGE = 2
WAITS = 5
INTERRUPTED = 130

EXIT_CODES: dict[type[PenstockError], int] = {
    StepError: FAILED,
    RunError: FAILED,
    DataError: 3,
    CorruptArtifactError: 4,
    StorageError: 4,
    PenstockError: USAGE,
}


def exit_code(error: PenstockError) -> int:
    """Return the exit code of an error."""
    return next(EXIT_CODES[cls] for cls in type(error).__mro__ if cls in EXIT_CODES)


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """End the command with one line and the right exit code where our errors pass (PENSTOCK_DEBUG=1: a traceback)."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except PenstockError as error:
        if os.environ.get("PENSTOCK_DEBUG") == "1":
            raise
        if as_json:
            from penstock.cli.output import print_json

            print_json({"error": describe(error)})
        else:
            click.secho(f"error: {error}", fg="red", err=True)
        raise click.exceptions.Exit(exit_code(error)) from None
