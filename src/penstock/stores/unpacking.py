"""Folders as one blob, and out of it again: unpacked once for all processes that use the store."""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
from pathlib import Path

from penstock.core.ports import ArtifactStore
from penstock.errors import DataError
from penstock.stores.writing import disk_errors, scratch_file

_SEAL_NS = 946_684_800 * 10**9  # 2000-01-01
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


def pack(folder: Path, store: ArtifactStore) -> tuple[str, int, int]:
    """Store the files of a folder as one tar file; return its digest, how many files there are, and their size.

    Equal names and bytes give equal blobs, whatever the dates and owners. Raises `DataError` naming a link in it.
    """
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    for path in files:
        if path.is_symlink() or not path.is_file():
            raise DataError(f"{path} is not a plain file; a folder is kept as the plain files in it")
    with scratch_file(store) as archive:
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            for path in files:
                _add(tar, path, path.relative_to(folder).as_posix())
        digest = store.put(archive)
    return digest, len(files), sum(path.stat().st_size for path in files)


def unpacked(digest: str, store: ArtifactStore) -> Path:
    """Return a folder with the files of a packed one, shared by every process: not to be written to.

    It is `unpacked-<digest>` among the store's temporary files, made whole or not at all. Its time of change is when it
    was last asked for; one that nobody asked for in a while may be deleted at any time (`penstock gc` does), and is
    made again when it is needed. One in which somebody has written does not count: it is set aside and made anew.
    """
    blob = store.path(digest)
    home = store.scratch().parent / f"unpacked-{digest}"
    with disk_errors(home.parent):
        while not _is_untouched(home):
            made = _unpack(blob, store.scratch())
            try:
                os.rename(made, home)
            except OSError as error:
                shutil.rmtree(made, ignore_errors=True)
                if error.errno not in _TAKEN:
                    raise
                if not _is_untouched(home):
                    os.rename(home, store.scratch())  # garbage from now on; a step may be reading it still
        os.utime(home)
    return home / "files"


def _unpack(blob: Path, made: Path) -> Path:
    files = made / "files"
    files.mkdir(parents=True)
    with tarfile.open(blob) as tar:
        tar.extractall(files, filter="data")
    for path in files.rglob("*"):
        if path.is_file():
            path.chmod(0o555 if path.stat().st_mode & 0o100 else 0o444)
            os.utime(path, ns=(_SEAL_NS, _SEAL_NS))
    (made / "names").write_text("\0".join(_names(files)))
    return made


def _is_untouched(home: Path) -> bool:
    """Tell whether exactly the files that were unpacked are there, none written to since."""
    try:
        names = (home / "names").read_text()
        files = home / "files"
        return names == "\0".join(_names(files)) and all(
            (files / name).stat().st_mtime_ns == _SEAL_NS for name in names.split("\0") if name
        )
    except FileNotFoundError:
        return False


def _names(files: Path) -> list[str]:
    return sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if not path.is_dir())


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    with path.open("rb") as content:
        tar.addfile(entry, content)
