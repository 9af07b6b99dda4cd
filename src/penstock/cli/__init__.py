"""The command line: `penstock`. Each command is loaded when it is called."""

from penstock.cli.group import main

__all__ = ["main"]
