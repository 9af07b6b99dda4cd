"""Blobs by the digest of their bytes, in a folder of the local disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

from blake3 import blake3

from penstock.core.ports import ArtifactStore
from penstock.errors import CorruptArtifactError, DataError, DeclarationError
from penstock.stores.locking import StoreLock
from penstock.stores.writing import disk_errors

_CHUNK_BYTES = 1 << 20
_SEAL_NS = 946_684_800 * 10**9  # 2000-01-01
_THREADS = min(os.cpu_count() or 1, 8)  # a pool of the hasher's own: blake3's shared one does not survive a fork


class LocalArtifactStore:
    """An `ArtifactStore` in a folder.

    - `cas/ab/cdef...`: the blob of digest `abcdef...`, read-only. It gets there by a rename within one file system, so
      it is there whole or not at all, and any number of processes may store the same bytes at once.
    - `sizes/ab/cdef...`: how long that blob is, written before it. A blob of another length (a copy that was cut off,
      a power cut) does not count as there and is replaced by the next `put` of its bytes.
    - Every blob's time of change is set to 2000-01-01. One that has another time has been written to, or copied: it
      is read through once, and removed if its bytes are not those of its digest.
    - `lock`: held together by all who put or find blobs, alone by who takes some away. Each time that a blob is put or
      found to be there its time of status change becomes now, so that what is in use is not taken away.
    - `tmp/`: files on their way, and folders unpacked from a blob (`unpacked-<digest>`, shared; made again if deleted).
      What a killed process leaves there is garbage that nothing reads.

    Bytes go to the operating system, not through to the platter (no fsync): after a power cut `has` notices what was
    cut off, and `verify` what was changed.
    """

    def __init__(self, root: Path, *, looks_only: bool = False) -> None:
        """Open the store; with `looks_only` what it is asked for is not in use by that."""
        self._looks_only = looks_only
        self.root = Path(root).absolute()
        self.lock = StoreLock(self.root)
        self._blobs, self._sizes = str(self.root / "cas"), str(self.root / "sizes")

    def put(self, source: Path | bytes) -> str:
        """Store a file (moved, not copied, if it lies under `scratch()`) or bytes; return the digest."""
        if isinstance(source, bytes):
            return self._put_bytes(source)
        if not source.is_file():
            raise DataError(f"no file at {source}; a blob is stored from bytes or from a file that exists")
        if source.parent == self.root / "tmp":
            return self._take(source, hash_file(source))
        copy = self.scratch()
        try:
            return self._take(copy, _copy(source, copy))
        finally:
            copy.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Return a local read-only file of these bytes; raises `CorruptArtifactError` if missing or cut off."""
        if not self.has(digest):
            raise CorruptArtifactError(self._what_is_wrong(digest), digest=digest)
        return self.places(digest)[0]

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there with its full size, and untouched since it was written; then it is in use."""
        return self._found(digest) is not None

    def _found(self, digest: str) -> bool | None:
        """Return whether a blob that is there could be marked as in use; None where it is not there."""
        name = f"{digest[:2]}/{digest[2:]}"  # texts: this is asked a thousand times where nothing is to be run
        blob = f"{self._blobs}/{name}"
        with disk_errors(self.root), self.lock.together():
            try:
                status = os.stat(blob)
                if status.st_size != _number(f"{self._sizes}/{name}"):
                    return None
                if status.st_mtime_ns != _SEAL_NS and not self._sealed_again(Path(blob), digest):
                    return None
                return not self._looks_only and _use(blob)
            except FileNotFoundError:
                return None

    def verify(self, digest: str) -> None:
        """Read every byte; bytes that are not what was written are removed, and `CorruptArtifactError` raised."""
        path = self.path(digest)
        if (found := hash_file(path)) != digest:
            path.unlink()
            raise CorruptArtifactError(
                f"blob {digest[:12]} had other bytes than were written (they hash to {found[:12]}) and was removed; "
                "run again: the step that made it will make it anew",
                digest=digest,
            )

    def scratch(self) -> Path:
        """Return a fresh path for a temporary file from which `put` is a rename."""
        folder = self.root / "tmp"
        with disk_errors(self.root):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{secrets.token_hex(8)}"

    def _put_bytes(self, content: bytes) -> str:
        digest = _hasher(len(content)).update(content).hexdigest()
        if self._is_wanted(digest):
            temporary = self.scratch()
            try:
                with disk_errors(self.root):
                    temporary.write_bytes(content)
                self._take(temporary, digest)
            finally:
                temporary.unlink(missing_ok=True)
        return digest

    def _take(self, temporary: Path, digest: str) -> str:
        """Make a temporary file the blob of `digest`, or drop it where that blob is there already."""
        try:
            if self._is_wanted(digest):
                with disk_errors(self.root):
                    self._publish(temporary, digest)
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def _is_wanted(self, digest: str) -> bool:
        """Tell whether a blob is to be written: it is not there, or is another user's, so that it cannot be marked as
        in use, and may be replaced by its equal."""
        found = self._found(digest)
        return found is None or (not found and all(os.access(place.parent, os.W_OK) for place in self.places(digest)))

    def _publish(self, temporary: Path, digest: str) -> None:
        blob, size = self.places(digest)
        for place in (blob, size):
            place.parent.mkdir(parents=True, exist_ok=True)
        size_on_its_way = self.scratch()
        try:
            size_on_its_way.write_text(str(temporary.stat().st_size))
            temporary.chmod(0o444)
            os.utime(temporary, ns=(_SEAL_NS, _SEAL_NS))
            with self.lock.together():
                os.replace(size_on_its_way, size)
                os.replace(temporary, blob)
        finally:
            size_on_its_way.unlink(missing_ok=True)

    def _sealed_again(self, blob: Path, digest: str) -> bool:
        """Read a blob that was touched; seal it if its bytes are right, else remove it."""
        if hash_file(blob) != digest:
            blob.unlink(missing_ok=True)
            return False
        with contextlib.suppress(PermissionError):  # another user's store: it is read through each time
            os.utime(blob, ns=(_SEAL_NS, _SEAL_NS))
        return True

    def places(self, digest: str) -> tuple[Path, Path]:
        """Return where a blob lies, or would lie, and the file that says how long it is."""
        return Path(self._blobs, digest[:2], digest[2:]), Path(self._sizes, digest[:2], digest[2:])

    def _what_is_wrong(self, digest: str) -> str:
        blob, size = self.places(digest)
        again = "run again: the step that made it will make it anew"
        if blob.exists() and size.exists():
            found = blob.stat().st_size
            return f"blob {digest[:12]} is cut off: {blob} has {found:,} of {size.read_text()} bytes; {again}"
        return f"blob {digest[:12]} is not in the store {self.root}, or was changed there and removed; {again}"


def hash_file(path: Path) -> str:
    """Return the blake3 digest, in hex, of a file's bytes (read through a memory map where the file is large)."""
    size = path.stat().st_size
    if size < _CHUNK_BYTES:
        return _hasher(size).update(path.read_bytes()).hexdigest()
    return _hasher(size).update_mmap(path).hexdigest()


def open_artifacts(uri: str) -> ArtifactStore:
    """Open the store of blobs at `uri`: a path, or a `file://` address; it is made by the first `put`."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return LocalArtifactStore(Path(unquote(parts.path)))
    if "://" in uri or not uri:
        raise DeclarationError(
            f"artifacts cannot be kept at '{uri}'; today a folder can: a path (\".penstock/artifacts\") or file:///path"
        )
    return LocalArtifactStore(Path(uri))


def _number(file: str) -> int:
    with open(file, "rb") as opened:
        return int(opened.read())


def _use(blob: str) -> bool:
    """Make the time of a blob's status change now; False where it is another user's, or in a store to read only. (Not
    by `utime`: a write that came just before would be sealed.)"""
    try:
        os.chmod(blob, 0o444)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EROFS):
            raise
        return False
    return True


def _hasher(size_bytes: int) -> blake3:
    return blake3(max_threads=_THREADS if size_bytes >= _CHUNK_BYTES else 1)


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the digest of what was copied, in one pass."""
    hasher = _hasher(0)
    try:
        reader = source.open("rb")
    except PermissionError as error:
        raise DataError(f"file {source} may not be read: {error.strerror}") from error
    with reader, disk_errors(target.parent), target.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            hasher.update(chunk)
            writer.write(chunk)
    return hasher.hexdigest()
