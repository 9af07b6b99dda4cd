"""Layers of an image: files by their place in it. Equal files give equal bytes, whatever their dates and owners."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass(slots=True)
class Layer:
    """One layer. `files` maps places ("usr/bin/env") to the file there or its bytes, `links` to what a symbolic link
    there says; `folders` are those with a mode of their own. Parents of everything are made."""

    made_by: str
    files: dict[str, Path | bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)


def write_layer(layer: Layer, file: BinaryIO) -> str:
    """Write a layer as a tar archive, and return the sha256 of its bytes."""
    hashed = _Hashed(file)
    with tarfile.open(fileobj=hashed, mode="w", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]  # writes only
        for place in sorted({*_parents(layer), *layer.folders, *layer.files, *layer.links}):
            _add(tar, layer, place)
    return hashed.digest.hexdigest()


def folder_files(
    folder: Path, place: str, *, without: tuple[str, ...] = ("__pycache__",)
) -> Iterator[tuple[str, Path]]:
    """Yield every file below a folder with its place below `place`; folders of the names `without` are left out."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - set(without))
        for name in names:
            path = Path(where, name)
            yield f"{place}/{path.relative_to(folder).as_posix()}", path


def _parents(layer: Layer) -> set[str]:
    found: set[str] = set()
    for place in (*layer.files, *layer.links, *layer.folders):
        parts = place.split("/")[:-1]
        found |= {"/".join(parts[: count + 1]) for count in range(len(parts))}
    return found


def _add(tar: tarfile.TarFile, layer: Layer, place: str) -> None:
    entry = tarfile.TarInfo(place)
    if place in layer.links:
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, layer.links[place], 0o777
        tar.addfile(entry)
    elif place not in layer.files:
        entry.type, entry.mode = tarfile.DIRTYPE, layer.folders.get(place, 0o755)
        tar.addfile(entry)
    elif isinstance(content := layer.files[place], bytes):
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, io.BytesIO(content))
    else:
        status = content.stat()
        entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
        with content.open("rb") as opened:
            tar.addfile(entry, opened)


class _Hashed:
    """Passes on what is written, and hashes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self._file.write(content)

    def tell(self) -> int:
        return 0
