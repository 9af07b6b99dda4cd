"""Which projects use an artifact store: each says where its records are, so that nobody takes away what it needs."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import sqlalchemy as sa
from blake3 import blake3

from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.errors import DeclarationError, StorageError, UnknownNameError
from penstock.secrets import without_password
from penstock.stores.blobs import LocalArtifactStore
from penstock.stores.metadata import SqlMetadata
from penstock.stores.writing import disk_errors

_AGAIN_SECONDS = 3600.0  # how old a project's word may get before its next run renews it


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A project that keeps its artifacts in a store: its name, the address of its records (relative to the store's
    folder where they lie beside it, so that both can be moved together; never with a password, for every project of
    the store reads it), and when it last ran something."""

    project: str
    metadata: str
    seen: float


class Members:
    """The projects of a store: a small file for each in its folder `projects/`."""

    def __init__(self, root: Path) -> None:
        self._root, self._folder = root, root / "projects"

    def join(self, project: str, metadata: str) -> None:
        """Say that a project keeps its artifacts here; cheap when it said so a short while ago."""
        if metadata == "sqlite://":
            return  # records in the memory of one process: nobody else could ask them
        address = self._relative(metadata)
        path = self._folder / f"{blake3(address.encode()).hexdigest()[:16]}.json"
        with disk_errors(self._root):
            try:
                if path.stat().st_mtime > time.time() - _AGAIN_SECONDS:
                    return
            except FileNotFoundError:
                self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
            temporary.write_bytes(msgspec.json.encode(Member(project=project, metadata=address, seen=time.time())))
            temporary.replace(path)

    def others(self, metadata: str) -> Iterator[tuple[Member, MetadataStore]]:
        """Yield the other projects, with their records opened; raises `StorageError` naming one that cannot be read."""
        own = self._relative(metadata)
        for member in self.all():
            if member.metadata != own:
                yield member, self._opened(member)

    def all(self) -> list[Member]:
        """Return every project that said that it keeps its artifacts here."""
        found = []
        with disk_errors(self._root):
            for path in sorted(self._folder.glob("*.json")):
                try:
                    found.append(msgspec.json.decode(path.read_bytes(), type=Member))
                except FileNotFoundError:
                    continue
                except msgspec.DecodeError as error:
                    raise StorageError(f"{path}, which names a project of the store, is damaged: {error}") from error
        return found

    def leave(self, project: str) -> Member:
        """Forget a project that is gone for good, by its name or the address of its records."""
        for member in self.all():
            if project in (member.project, member.metadata):
                with disk_errors(self._root):
                    (self._folder / f"{blake3(member.metadata.encode()).hexdigest()[:16]}.json").unlink(missing_ok=True)
                return member
        raise UnknownNameError("project", project, [member.project for member in self.all()], within=str(self._root))

    def _opened(self, member: Member) -> MetadataStore:
        url = self._absolute(member.metadata)
        try:
            if (path := _file(url)) is not None and not path.is_file():
                raise StorageError(f"there is no file {path}")
            return SqlMetadata(url)
        except StorageError as error:
            shown = without_password(member.metadata)
            day = time.strftime("%Y-%m-%d", time.localtime(member.seen))
            raise StorageError(
                f"project '{member.project}' keeps artifacts in this store too (seen {day}), but its records at "
                f"{shown} cannot be read: {error}. Nothing was deleted, as what it needs is not known. Make "
                f"them readable, or if the project is gone for good: penstock gc --forget '{member.project}'"
            ) from error

    def _relative(self, url: str) -> str:
        path = _file(url)
        home = self._root.parent
        if path is None or not path.is_relative_to(home):
            return without_password(url)
        return f"sqlite:///{Path('..') / path.relative_to(home)}"

    def _absolute(self, address: str) -> str:
        scheme, slashes, path = address.partition(":///")
        return f"{scheme}:///{os.path.normpath(self._root / path)}" if slashes and scheme == "sqlite" else address


def members_of(store: ArtifactStore) -> Members:
    """Return the projects of an opened artifact store."""
    if not isinstance(store, LocalArtifactStore):
        raise DeclarationError(f"{store!r} does not know its projects; today a store in a folder does")
    return Members(store.root)


def _file(url: str) -> Path | None:
    """Return the file of a database that is one."""
    parsed = sa.make_url(url)
    return Path(parsed.database).absolute() if parsed.get_backend_name() == "sqlite" and parsed.database else None
