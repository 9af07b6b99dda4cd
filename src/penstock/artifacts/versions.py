"""Numbered versions of a name, and aliases that point at them: what models and named artifacts have in common."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penstock.core.ports import MetadataStore
from penstock.core.run import AliasChange, ModelVersion, NameChange, NamedVersion
from penstock.errors import ConflictError, DeclarationError, UnknownNameError

V = TypeVar("V", ModelVersion, NamedVersion)
C = TypeVar("C", AliasChange, NameChange)

_ATTEMPTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Generic[V, C]):
    """One sort of names: the records that hold their versions and the changes of their aliases, the field of both that
    is the name, and the alias that a bare name stands for once it is set. `what` is for errors."""

    what: str
    field: str
    version: type[V]
    change: type[C]
    standing: str

    def equal(self, name: str) -> dict[str, Any]:
        """Return what the records about a name have in common, as `find` takes it."""
        return {self.field: name}

    def of(self, record: V | C) -> str:
        """Return the name that a record is about."""
        name: str = getattr(record, self.field)
        return name


MODELS = Register(what="model", field="model", version=ModelVersion, change=AliasChange, standing="champion")
NAMES = Register(what="artifact", field="name", version=NamedVersion, change=NameChange, standing="latest")


def add_version(metadata: MetadataStore, register: Register[V, C], name: str, digest: str, **facts: Any) -> V:
    """Record a digest as the next version of a name; the same digest again is the version it has already."""
    if not name or any(character in name for character in "@/"):
        raise DeclarationError(f"{register.what} name {name!r}: a name is not empty and has no '@' or '/'")
    for _ in range(_ATTEMPTS):
        there = metadata.find(register.version, **register.equal(name))
        for version in there:
            if version.digest == digest:
                return version
        number = max((version.version for version in there), default=0) + 1
        made = register.version(version=number, digest=digest, created=time.time(), **register.equal(name), **facts)
        try:
            metadata.insert(made)
        except ConflictError:
            continue  # another process took that number: look again
        return made
    raise ConflictError(f"{register.what} '{name}': {_ATTEMPTS} other registrations came first; try again")


def point(
    metadata: MetadataStore,
    register: Register[V, C],
    name: str,
    alias: str,
    version: int,
    *,
    reason: str = "",
    after: int | None = None,
) -> C:
    """Point an alias at a version; the history keeps every change. Pointing it where it points already changes nothing.

    With `after` it is moved only if its newest change has that number (0: it was never set). Raises `ConflictError`
    where it was moved since, `UnknownNameError` for a version that is not there.
    """
    if not alias or any(character in alias for character in "@/") or alias.isdigit():
        raise DeclarationError(f"alias {alias!r}: an alias is a word, without '@' and '/', and no number")
    numbered(metadata, register, name, str(version))
    for _ in range(_ATTEMPTS):
        history = changes(metadata, register, name, alias)
        if history and history[-1].version == version:
            return history[-1]
        newest = history[-1].sequence if history else 0
        if after not in (None, newest):
            now = f"at version {history[-1].version}: {history[-1].reason}" if history else "nowhere"
            raise ConflictError(f"{register.what} '{name}@{alias}' was moved just now, and points {now}; try again")
        made = register.change(
            alias=alias,
            sequence=newest + 1,
            version=version,
            reason=reason,
            created=time.time(),
            **register.equal(name),
        )
        try:
            metadata.insert(made)
        except ConflictError:
            continue  # another process moved it in the meantime: look again
        return made
    raise ConflictError(f"alias '{name}@{alias}': {_ATTEMPTS} other changes came first; try again")


def resolve(metadata: MetadataStore, register: Register[V, C], reference: str) -> V:
    """Return the version that a reference names: `prices/3`, `prices@latest`, or `prices`, which is the register's
    standing alias if it is set and the newest version otherwise.

    Raises `UnknownNameError` listing the names, aliases or versions that there are.
    """
    name, separator, rest = parted(reference)
    if separator == "/":
        return numbered(metadata, register, name, rest)
    pointing = pointers(metadata, register, name)
    if separator == "@":
        if rest not in pointing:
            raise UnknownNameError("alias", rest, sorted(pointing), within=f"{register.what} '{name}'")
        return numbered(metadata, register, name, str(pointing[rest]))
    if register.standing in pointing:
        return numbered(metadata, register, name, str(pointing[register.standing]))
    return versions(metadata, register, name)[-1]


def versions(metadata: MetadataStore, register: Register[V, C], name: str) -> list[V]:
    """Return the versions of a name, the oldest first; raises `UnknownNameError` if nothing is named so."""
    found = metadata.find(register.version, **register.equal(name))
    if not found:
        raise UnknownNameError(register.what, name, names(metadata, register))
    return sorted(found, key=lambda version: version.version)


def numbered(metadata: MetadataStore, register: Register[V, C], name: str, number: str) -> V:
    """Return the version of a name that has a number."""
    there = versions(metadata, register, name)
    for version in there:
        if str(version.version) == number:
            return version
    known = [str(version.version) for version in there]
    raise UnknownNameError("version", number, known, within=f"{register.what} '{name}'")


def names(metadata: MetadataStore, register: Register[V, C]) -> list[str]:
    """Return the names that have a version."""
    return sorted({register.of(version) for version in metadata.find(register.version)})


def pointers(metadata: MetadataStore, register: Register[V, C], name: str) -> dict[str, int]:
    """Return where each alias of a name points now; raises `UnknownNameError` if nothing is named so."""
    versions(metadata, register, name)
    found = metadata.find(register.change, **register.equal(name))
    return {change.alias: change.version for change in sorted(found, key=lambda change: change.sequence)}


def changes(metadata: MetadataStore, register: Register[V, C], name: str, alias: str | None = None) -> list[C]:
    """Return every change of a name's aliases (or of one alias), the oldest first."""
    equal = register.equal(name) | ({} if alias is None else {"alias": alias})
    found = metadata.find(register.change, **equal)
    return sorted(
        found, key=lambda change: (change.created, change.sequence) if alias is None else (0.0, change.sequence)
    )


def parted(reference: str) -> tuple[str, str, str]:
    """Return the name, the separator and the rest of a reference: `prices@latest`, `prices/3`, `prices`."""
    for separator in "@/":
        if separator in reference:
            name, _, rest = reference.partition(separator)
            return name, separator, rest
    return reference, "", ""
