"""The one CSV file inside a zip archive, taken out once into a cache folder under the name of its content."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

from penstock.errors import DataError, StorageError


def unzipped(archive: Path, digest: str, cache: Path) -> Path:
    """Return the archive's CSV file in `cache`: whole, or an error.

    `digest` is the archive's. Raises `DataError` if the archive is broken or does not hold exactly one CSV file,
    `StorageError` if the cache cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            member = _only_table(opened, archive)
            target = cache / f"{digest}.csv"
            if not (target.exists() and target.stat().st_size == member.file_size):
                _extract(opened, member, target)
            return target
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"cannot unzip '{archive}': {error}; make the archive again, or unzip it by hand") from error


def _only_table(opened: zipfile.ZipFile, archive: Path) -> zipfile.ZipInfo:
    members = [info for info in opened.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    tables = [info for info in members if info.filename.lower().endswith(".csv")]
    if len(tables) != 1:
        names = ", ".join(info.filename for info in members[:5]) or "nothing"
        raise DataError(f"'{archive}' must hold exactly one CSV file; it holds {names}")
    return tables[0]


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as partial, opened.open(member) as content:
            shutil.copyfileobj(content, partial, 1 << 20)
        os.chmod(partial.name, 0o644)  # a step in a container reads it as another user
        os.replace(partial.name, target)
    except OSError as error:
        raise StorageError(f"cannot unzip into '{target.parent}': {error}") from error
    finally:
        if partial is not None:
            Path(partial.name).unlink(missing_ok=True)
