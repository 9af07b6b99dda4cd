"""How texts, bytes, arrays, files and folders become bytes."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.errors import DataError
from penstock.stores.writing import scratch_file

_PREVIEW_CHARACTERS = 500


class TextCodec:
    """A text, as UTF-8."""

    kind = "text"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a text."""
        return isinstance(value, str)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a text; facts are `size_bytes` and its beginning as `preview`."""
        content = value.encode()
        facts = {"size_bytes": len(content), "preview": value[:_PREVIEW_CHARACTERS]}
        return _artifact(self.kind, store.put(content), store, facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> str:
        """Return the text."""
        return store.path(artifact.digest).read_bytes().decode()


class BytesCodec:
    """Bytes, as they are."""

    kind = "bytes"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is bytes."""
        return isinstance(value, bytes | bytearray)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store bytes; the fact is `size_bytes`."""
        return _artifact(self.kind, store.put(bytes(value)), store, {"size_bytes": len(value)})

    def load(self, artifact: Artifact, store: ArtifactStore) -> bytes:
        """Return the bytes."""
        return store.path(artifact.digest).read_bytes()


class ArrayCodec:
    """A NumPy array of numbers, as a .npy file without pickle."""

    kind = "array"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is an array of numbers, texts of fixed width, or times; arrays of objects are not."""
        return isinstance(value, np.ndarray) and not value.dtype.hasobject

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store an array; facts are `shape`, `dtype` and `size_bytes`."""
        with scratch_file(store) as path:
            with path.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(value).reshape(value.shape), allow_pickle=False)
            digest = store.put(path)
        facts = {"shape": list(value.shape), "dtype": str(value.dtype), "size_bytes": value.nbytes}
        return _artifact(self.kind, digest, store, facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> np.ndarray[Any, Any]:
        """Return the array, memory-mapped and read-only."""
        mode: Literal["r"] | None = "r" if artifact.facts["size_bytes"] else None  # nothing cannot be mapped
        array: np.ndarray[Any, Any] = np.load(store.path(artifact.digest), mmap_mode=mode, allow_pickle=False)
        return array


class FileCodec:
    """A file, by a `pathlib.Path` to it. Its name is not part of its bytes: two equal files are one artifact."""

    kind = "file"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is the path of a file that exists."""
        return isinstance(value, Path) and value.is_file()

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a copy of a file (of a folder: see `FolderCodec`); facts are `name` and `size_bytes`."""
        path = Path(value)
        if path.is_dir():
            return FolderCodec().save(path, store)
        facts = {"name": path.name, "size_bytes": path.stat().st_size if path.exists() else 0}
        return _artifact(self.kind, store.put(path), store, facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Path:
        """Return the path of a read-only file with the bytes."""
        return store.path(artifact.digest)


class FolderCodec:
    """A folder of files, as one tar file: equal names and bytes give equal bytes, whatever the dates and owners.

    One blob and not a list of blobs: then `has` says whether all of it is there.
    """

    kind = "folder"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is the path of a folder that exists."""
        return isinstance(value, Path) and value.is_dir()

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store the files of a folder; facts are `name`, `files` and `size_bytes`."""
        files = sorted(path for path in value.rglob("*") if not path.is_dir())
        for path in files:
            if path.is_symlink() or not path.is_file():
                raise DataError(f"{path} is not a plain file; a folder is kept as the plain files in it")
        with scratch_file(store) as archive:
            with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
                for path in files:
                    _add(tar, path, str(path.relative_to(value)))
            digest = store.put(archive)
        size = sum(path.stat().st_size for path in files)
        return _artifact(self.kind, digest, store, {"name": value.name, "files": len(files), "size_bytes": size})

    def load(self, artifact: Artifact, store: ArtifactStore) -> Path:
        """Return a fresh folder with a copy of the files."""
        folder = store.scratch()
        with tarfile.open(store.path(artifact.digest)) as tar:
            tar.extractall(folder, filter="data")
        return folder


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    with path.open("rb") as content:
        tar.addfile(entry, content)


def _artifact(kind: str, digest: str, store: ArtifactStore, facts: dict[str, Any]) -> Artifact:
    return Artifact(digest=digest, kind=kind, uri=store.path(digest).as_uri(), facts=facts)
