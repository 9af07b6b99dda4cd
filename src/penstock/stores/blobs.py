"""Blobs by the digest of their bytes, in a folder of the local disk."""

from __future__ import annotations

import contextlib
import errno
import io
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
_SEAL_SECONDS, _SEAL_MODULUS = 946_684_800, 536_870_909  # 2000-01-01; the greatest prime below 2**29: 17 years
_THREADS = min(os.cpu_count() or 1, 8)  # a pool of the hasher's own: blake3's shared one does not survive a fork


class LocalArtifactStore:
    """An `ArtifactStore` in a folder.

    - `cas/ab/cdef...`: the blob of digest `abcdef...`, read-only. It gets there by a rename within one file system, so
      it is there whole or not at all, and any number of processes may store the same bytes at once.
    - Every blob's time of change is its seal: 2000-01-01 and as many seconds as it has bytes (see `_seal`). One that
      has another time has been written to, copied or cut off (a power cut): it is read through once, and removed if its
      bytes are not those of its digest.
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
        self._blobs, self._temporary = str(self.root / "cas"), str(self.root / "tmp")

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
        return self.place(digest)

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there with its full size, and untouched since it was written; then it is in use."""
        return self._found(digest) is not None

    def _found(self, digest: str) -> bool | None:
        """Return whether a blob that is there could be marked as in use; None where it is not there."""
        blob = self._place(digest)  # a text: this is asked a thousand times where nothing is to be run
        with disk_errors(self.root), self.lock.together():
            try:
                status = os.stat(blob)
                if status.st_mtime_ns != _seal(status.st_size) and not self._sealed_again(Path(blob), digest):
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
        return Path(self._scratch())

    def _scratch(self) -> str:
        with disk_errors(self.root):
            try:
                os.mkdir(self._temporary)
            except FileExistsError:
                pass
            except FileNotFoundError:
                os.makedirs(self._temporary, exist_ok=True)
        return f"{self._temporary}/{os.getpid()}-{secrets.token_hex(8)}"

    def _put_bytes(self, content: bytes) -> str:
        digest = _hasher(len(content)).update(content).hexdigest()
        if self._is_wanted(digest):
            temporary = self._scratch()
            try:
                with disk_errors(self.root):
                    with open(temporary, "xb", buffering=0) as file:
                        _write_all(file, content)
                    self._publish(temporary, len(content), digest)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        return digest

    def _take(self, temporary: Path, digest: str) -> str:
        """Make a temporary file the blob of `digest`, or drop it where that blob is there already."""
        try:
            if self._is_wanted(digest):
                with disk_errors(self.root):
                    self._publish(str(temporary), temporary.stat().st_size, digest)
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def _is_wanted(self, digest: str) -> bool:
        """Tell whether a blob is to be written: it is not there, or is another user's, so that it cannot be marked as
        in use, and may be replaced by its equal."""
        found = self._found(digest)
        return found is None or (not found and os.access(self.place(digest).parent, os.W_OK))

    def _publish(self, temporary: str, size_bytes: int, digest: str) -> None:
        os.chmod(temporary, 0o444)
        _set_seal(temporary, size_bytes)
        blob = self._place(digest)
        with self.lock.together():
            try:
                os.replace(temporary, blob)
            except FileNotFoundError:  # the first blob that begins so
                os.makedirs(os.path.dirname(blob), exist_ok=True)
                os.replace(temporary, blob)

    def _sealed_again(self, blob: Path, digest: str) -> bool:
        """Read a blob that was touched; seal it if its bytes are right, else remove it."""
        if hash_file(blob) != digest:
            blob.unlink(missing_ok=True)
            return False
        with contextlib.suppress(PermissionError):  # another user's store: it is read through each time
            _set_seal(blob, blob.stat().st_size)
        return True

    def place(self, digest: str) -> Path:
        """Return where a blob lies, or would lie."""
        return Path(self._place(digest))

    def _place(self, digest: str) -> str:
        return f"{self._blobs}/{digest[:2]}/{digest[2:]}"

    def _what_is_wrong(self, digest: str) -> str:
        return (
            f"blob {digest[:12]} is not in the store {self.root}, or was cut off or changed there and removed; "
            "run again: the step that made it will make it anew"
        )


def _seal(size_bytes: int) -> int:
    """Return the time of change, in nanoseconds, of a blob of that size which nobody has touched.

    Whole seconds, because some file systems, and archives, keep nothing finer; less than 17 years, because some end in
    2038; by a prime, because what is cut off is mostly a multiple of a power of two.
    """
    return (_SEAL_SECONDS + size_bytes % _SEAL_MODULUS) * 10**9


def _set_seal(blob: str | Path, size_bytes: int) -> None:
    os.utime(blob, ns=(_seal(size_bytes), _seal(size_bytes)))


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


def _write_all(file: io.FileIO, content: bytes) -> None:
    rest = memoryview(content)
    while rest:  # a disk that gets full takes a part first
        rest = rest[file.write(rest) :]


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
