"""`ps.open`: a project in a folder of this machine, or one that is served at an address."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from penstock import project
from penstock.errors import DeclarationError
from penstock.project import Project
from penstock.remote.project import RemoteProject


@overload
def open(where: Path = ...) -> Project: ...
@overload
def open(where: str | Path, token: str | None = ...) -> Project | RemoteProject: ...
def open(where: str | Path = ".", token: str | None = None) -> Project | RemoteProject:
    """Open the project in a folder (it reads `penstock.toml` if it is there; state lives in `.penstock/`), or the one
    that is served at an address, `http://host:8000`, which is used in the same way. The `token` is that of the server;
    without one, PENSTOCK_SERVER_TOKEN of the environment is brought."""
    if isinstance(where, str) and is_address(where):
        return RemoteProject(where, token)
    if token is not None:
        raise DeclarationError(f"'{where}' is a folder; a token is a server's: ps.open('http://host:8000', token=...)")
    return project.open(where)


def is_address(text: str) -> bool:
    """Tell whether a text is the address of a server, and not a folder."""
    return text.startswith(("http://", "https://"))
