"""A model of a server in a form that others run: made there, and written here, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from penstock.errors import ConflictError, StorageError
from penstock.project.registered import COMPARED, Export, RegisteredModel
from penstock.remote.connection import Server, encoded
from penstock.remote.models import model_path
from penstock.remote.rows import rows_or_name
from penstock.remote.stores import upload

_ZIP = b"PK\x03\x04"
"""How a zip begins, and neither an ONNX file nor a text does."""


def exporter(server: Server) -> Export:
    """Return what exports the models of a server. Learners and ONNX are needed there, and not here."""
    return partial(_export, server)


def _export(
    server: Server,
    model: RegisteredModel,
    format: str,
    path: Path,
    version: int | str | None,
    options: Mapping[str, Any],
) -> Path:
    reference = {int: f"{model.name}/{version}", str: f"{model.name}@{version}"}.get(type(version), model.name)
    address = f"{model_path(reference)}:export"
    body = encoded({"format": format, **_sent(server, format, options)}, address)
    how = {"body": body, "headers": {"content-type": "application/json"}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            made = Path(scratch, "made")
            with made.open("wb") as file:
                file.writelines(server.pieces(address, "POST", **how))
            _place(_unpacked(made), path)
    except OSError as error:
        raise StorageError(f"cannot write the model to {path}: {error.strerror or error}") from error
    return path


def _sent(server: Server, format: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as JSON says them: rows to compare on that are here are sent before."""
    if format not in COMPARED or options.get("rows") is None:
        return dict(options)
    rows = rows_or_name(options["rows"])
    return {**options, "rows": rows if isinstance(rows, str) else f"artifact:{upload(server, rows).digest}"}


def _unpacked(made: Path) -> Path:
    """Return the folder that came as a zip, or the file that it is."""
    with made.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return made
    folder = made.with_name("folder")
    with zipfile.ZipFile(made) as packed:
        packed.extractall(folder)
    return folder


def _place(made: Path, path: Path) -> None:
    """Put a file or a folder where it is wanted; a folder replaces only one that has the same files at its top."""
    if made.is_dir() and path.exists():
        if not path.is_dir() or not all((path / each.name).exists() for each in made.iterdir()):
            raise ConflictError(f"{path} is there already and is something else; give another folder")
        shutil.rmtree(path)
    os.replace(made, path)
