"""The component that makes an artifact of something that lies outside: import_artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from penstock import tables
from penstock.errors import DataError, UnknownNameError
from penstock.models import load_model
from penstock.models.graphs.package import MANIFEST
from penstock.pipelines import step

_TABLES = (".parquet", ".csv", ".arrow", ".feather", ".tsv")
_TEXTS = (".txt", ".md", ".sql", ".html", ".yaml", ".yml", ".toml")
Kind = Literal["auto", "table", "model", "json", "text", "file"]


@step
def import_artifact(path: Path, kind: Kind = "auto") -> Any:
    """Make an artifact of a file or a folder outside: a table, a model graph, plain values, a text, or a file as it is.

        old = ps.import_artifact("handed_over/flights_model")  # what graph.save(...) wrote
        blessing = ps.bless(graph, test, baseline=old, thresholds={"mean_absolute_error": ps.bound(better_by=0.0)})

    `kind` says what it is; `auto` goes by what lies there: a folder of a model graph, or the suffix of a file. Its
    content is in the key of the step, so a file that changed is imported again, and lineage leads back to it. Nothing
    in it is ever run: a model graph has every byte checked, and pickles are files as any other.
    """
    path = Path(path)
    if kind not in get_args(Kind):
        raise UnknownNameError("kind", kind, get_args(Kind), within="import_artifact")
    if not path.exists():
        raise DataError(f"import_artifact: there is nothing at {path}; a path starts at the project's folder")
    match _kind_of(path) if kind == "auto" else kind:
        case "model":
            if not (path / MANIFEST).is_file():
                raise DataError(f"import_artifact: {path} is no folder of a model graph, as graph.save(...) writes it")
            return load_model(path)
        case "table":
            return tables.read(tables.resolve(str(path.absolute()), root=Path.cwd(), declared={}))
        case "json":
            return _decoded(path)
        case "text":
            return _text(path)
    return path


def _kind_of(path: Path) -> str:
    if path.is_dir():
        return "model" if (path / MANIFEST).is_file() else "file"
    if path.suffix.lower() in _TABLES:
        return "table"
    return {".json": "json", **dict.fromkeys(_TEXTS, "text")}.get(path.suffix.lower(), "file")


def _decoded(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise DataError(f"import_artifact: {path} is not JSON: {error}; kind='file' takes it as it is") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"import_artifact: {path} is no text in UTF-8: {error}; kind='file' takes it as it is"
        ) from error
