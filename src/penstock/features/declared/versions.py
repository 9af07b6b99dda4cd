"""Applying feature sets: each changed definition is a version, which says what changed and whether users must care."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from penstock.core.feature import FeatureVersion
from penstock.core.ports import MetadataStore
from penstock.errors import ConflictError, DeclarationError, UnknownNameError
from penstock.features.declared.declare import FeatureSet
from penstock.features.declared.definition import Definition, define, definition_from_json, definition_to_json, needs_of
from penstock.features.declared.naming import parse_reference
from penstock.features.declared.on_demand import FindRead, Read

SET = "set"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a feature set, with its definition."""

    record: FeatureVersion
    definition: Definition

    @property
    def name(self) -> str:
        """`driver_rides@2`."""
        return f"{self.record.name}@{self.record.version}"


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two definitions, and what whoever uses the first would miss in the second."""

    changes: tuple[str, ...]
    breaks: tuple[str, ...]


def apply_set(metadata: MetadataStore, definition: Definition) -> tuple[Registered, bool]:
    """Record a definition as the next version of its feature set, and tell whether it is a new one: the definition that
    holds already is not recorded again."""
    record, is_new = apply_version(metadata, SET, definition.name, definition.digest, partial(_next, definition))
    return Registered(record, definition), is_new


def apply_version(
    metadata: MetadataStore,
    kind: str,
    name: str,
    digest: str,
    make: Callable[[FeatureVersion | None], FeatureVersion],
) -> tuple[FeatureVersion, bool]:
    """Record what `make` makes of the newest version, unless that has this digest already, and tell whether it was."""
    while True:
        before = _records(metadata, kind, name)
        last = before[-1] if before else None
        if last is not None and last.digest == digest:
            return last, False
        record = make(last)
        try:
            metadata.insert(record)
        except ConflictError:  # another process was faster: look again
            continue
        return record, True


def find_set(metadata: MetadataStore, name: str, version: int | None = None) -> Registered:
    """Return a version of a feature set, the newest without `version`; raises `UnknownNameError`."""
    return _registered(find_version(metadata, SET, name, version))


def find_version(metadata: MetadataStore, kind: str, name: str, version: int | None = None) -> FeatureVersion:
    """Return a version of a set or a service, the newest without `version`; raises `UnknownNameError`."""
    records = _records(metadata, kind, name)
    if not records:
        raise UnknownNameError(f"feature {kind}", name, names_of(metadata, kind))
    if version is None:
        return records[-1]
    for record in records:
        if record.version == version:
            return record
    numbers = [str(record.version) for record in records]
    raise UnknownNameError("version", str(version), numbers, within=f"feature {kind} '{name}'")


def find_read(metadata: MetadataStore, reference: str) -> tuple[str, Read]:
    """Return what a reference names: the reference with the version in it, and the feature."""
    name, version, feature = parse_reference(reference)
    found = find_set(metadata, name, version)
    definition = found.definition
    if feature not in definition.features:
        raise UnknownNameError("feature", feature, definition.features, within=f"feature set '{found.name}'")
    return f"{found.name}:{feature}", Read(definition.types[feature], needs_of(definition, feature))


def as_pinned(definition: Definition, otherwise: FindRead) -> FindRead:
    """Return what finds references as a definition has pinned them, however many versions there are since."""

    def find(reference: str) -> tuple[str, Read]:
        name, version, feature = parse_reference(reference)
        there = [(parse_reference(each), each) for each in definition.reads]
        same = [
            (number or 0, each)
            for (of, number, what), each in there
            if (of, what) == (name, feature) and version in (None, number)
        ]
        if not same:
            return otherwise(reference)
        newest = max(same)[1]
        return newest, definition.reads[newest]

    return find


def find_declared(metadata: MetadataStore, feature_set: FeatureSet | str) -> Registered:
    """Return the newest version of a set that is named, or declared; raises `DeclarationError` for one that is declared
    otherwise than it was applied."""
    if isinstance(feature_set, str):
        return find_set(metadata, feature_set)
    found = find_set(metadata, feature_set.name)
    types = {field.name: field.type for field in found.definition.columns}
    find = as_pinned(found.definition, partial(find_read, metadata))
    if define(feature_set, types, find).digest != found.definition.digest:
        raise DeclarationError(
            f"feature set '{feature_set.name}' is declared otherwise than it was applied; apply it first: "
            f"project.features.apply({feature_set.name})"
        )
    return found


def set_versions(metadata: MetadataStore, name: str) -> list[Registered]:
    """Return every version of a feature set, the oldest first; raises `UnknownNameError`."""
    find_set(metadata, name)
    return [_registered(record) for record in _records(metadata, SET, name)]


def set_names(metadata: MetadataStore) -> list[str]:
    """Return the names of all feature sets."""
    return names_of(metadata, SET)


def names_of(metadata: MetadataStore, kind: str) -> list[str]:
    """Return the names of all sets, or of all services."""
    return sorted({record.name for record in metadata.find(FeatureVersion, kind=kind)})


def differences(old: Definition, new: Definition) -> Differences:
    """Return in words what differs between two definitions."""
    return Differences(tuple(_changes(old, new)), tuple(_breaks(old, new)))


def _records(metadata: MetadataStore, kind: str, name: str) -> list[FeatureVersion]:
    return sorted(metadata.find(FeatureVersion, kind=kind, name=name), key=lambda record: record.version)


def _registered(record: FeatureVersion) -> Registered:
    return Registered(record, definition_from_json(record.definition))


def _next(definition: Definition, last: FeatureVersion | None) -> FeatureVersion:
    version = 1 if last is None else last.version + 1
    changes: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    history = definition.name
    if last is not None:
        old = definition_from_json(last.definition)
        found = differences(old, definition)
        changes, breaks = found.changes, found.breaks
        history = last.history if _same_rows(old, definition) else f"{definition.name}@{version}"
    return FeatureVersion(
        kind=SET,
        name=definition.name,
        version=version,
        digest=definition.digest,
        definition=definition_to_json(definition),
        changes=changes,
        breaks=breaks,
        history=history,
        created=time.time(),
    )


def _changes(old: Definition, new: Definition) -> Iterator[str]:
    """Yield in words what differs."""
    for name in new.features:
        if name not in old.features:
            yield f"feature '{name}' is new ({new.types[name]})"
        elif new.features[name] != old.features[name]:
            yield f"feature '{name}' was {old.features[name]!r}, is {new.features[name]!r}"
        elif new.types[name] != old.types[name]:
            yield f"feature '{name}' was {old.types[name]}, is {new.types[name]}"
    yield from (f"feature '{name}' is gone" for name in old.features if name not in new.features)
    before, after = definition_to_json(old), definition_to_json(new)
    for part in ("entities", "timestamp", "created", "ttl", "freshness", "source", "description", "owner", "tags"):
        if before[part] != after[part]:
            yield f"{part} was {before[part]!r}, is {after[part]!r}"
    yield from (
        f"column '{field.name}' is read too: rows of before have none"
        for field in new.columns
        if field.name not in old.columns
    )


def _breaks(old: Definition, new: Definition) -> Iterator[str]:
    """Yield what somebody who uses the old definition would miss in the new one."""
    for name, type in old.types.items():
        if new.types.get(name) != type:
            yield f"feature '{name}' ({type}) is {new.types.get(name, 'gone')}"
    for name in old.on_demand:
        before, after = needs_of(old, name), needs_of(new if name in new.features else old, name)
        given = {**before.entities, **before.requests}
        more = [each for each in (*after.entities, *after.requests) if each not in given]
        if more:
            yield f"feature '{name}' needs {', '.join(map(repr, more))} too"
    if new.set.entities != old.set.entities:
        yield f"an entity is told by {', '.join(new.set.entities)}, no more by {', '.join(old.set.entities)}"


def _same_rows(old: Definition, new: Definition) -> bool:
    """Tell whether rows stored for one are rows of the other: the same keys and times, no column of another type."""
    same = all(getattr(old.set, part) == getattr(new.set, part) for part in ("entities", "timestamp", "created"))
    return same and all(
        field.type == old.columns[field.name].type for field in new.columns if field.name in old.columns
    )
