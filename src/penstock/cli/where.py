"""Where the project is that a command is about: a folder of this machine, or a server's address."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import click

from penstock.errors import DeclarationError

Where: TypeAlias = Path | str
"""A folder, or `http://host:8000`: what `penstock.open` takes. The token of a server is PENSTOCK_SERVER_TOKEN."""


class Place(click.Path):
    """The type of an option that is a folder or an address."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a folder as a path, an address as it is."""
        return value if str(value).startswith(("http://", "https://")) else super().convert(value, param, ctx)


def here(where: Where, what: str) -> Path:
    """Return the folder of a project; raises `DeclarationError` for an address: `what` is done where the project is."""
    if isinstance(where, str):
        raise DeclarationError(f"{what} is done where the project is, not over {where}; go to its folder there")
    return where
