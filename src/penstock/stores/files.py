"""How texts, bytes, arrays, files and folders become bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.stores.unpacking import pack, unpacked
from penstock.stores.writing import scratch_file

_PREVIEW_CHARACTERS = 500
_PREVIEW_FILES = 10
_PREVIEW_NUMBERS = 6


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
        """Store an array; facts are `shape`, `dtype`, `size_bytes` and the first numbers as `preview`."""
        with scratch_file(store) as path:
            with path.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(value).reshape(value.shape), allow_pickle=False)
            digest = store.put(path)
        facts = {"shape": list(value.shape), "dtype": str(value.dtype), "size_bytes": value.nbytes}
        facts["preview"] = [str(item) for item in value.reshape(-1)[:_PREVIEW_NUMBERS]]
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
        """Store the files of a folder; facts are `name`, `files`, `size_bytes` and the first names as `preview`."""
        digest, files, size = pack(value, store)
        names = sorted(path.relative_to(value).as_posix() for path in value.rglob("*") if path.is_file())
        facts = {"name": value.name, "files": files, "size_bytes": size, "preview": names[:_PREVIEW_FILES]}
        return _artifact(self.kind, digest, store, facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Path:
        """Return a folder with the files, shared and read-only: copy it to change it."""
        return unpacked(artifact.digest, store)


def _artifact(kind: str, digest: str, store: ArtifactStore, facts: dict[str, Any]) -> Artifact:
    return Artifact(digest=digest, kind=kind, uri=store.path(digest).as_uri(), facts=facts)
