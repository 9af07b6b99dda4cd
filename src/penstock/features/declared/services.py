"""Feature services: named lists of features, versioned, for whoever uses them: a model, a team, a page.

A service names features; each of its versions has pinned the versions of the sets that they are of. So who asks for
`pricing@2` gets the same features for ever, and who asks for `pricing` those of the newest version.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import blake3
import msgspec

from penstock.core.feature import FeatureVersion
from penstock.core.mapping import FrozenMap
from penstock.core.ports import MetadataStore
from penstock.errors import DeclarationError, UnknownNameError
from penstock.features.declared.definition import needs_of
from penstock.features.declared.naming import parse_reference, parse_version
from penstock.features.declared.references import Wanted, resolve_references
from penstock.features.declared.versions import apply_version, find_version, names_of

SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureService:
    """A named list of features: references such as `driver_rides:fare`, `driver_rides@2:fare`, `driver_rides:*`."""

    name: str
    features: tuple[str, ...]
    description: str = ""
    owner: str = ""
    tags: FrozenMap[str] = field(default_factory=FrozenMap)


Features: TypeAlias = Sequence[str] | str | FeatureService
"""What is asked for: a list of references, or a service: itself, `"pricing"`, `"pricing@2"`."""


def feature_service(
    name: str,
    features: Sequence[str],
    *,
    description: str = "",
    owner: str = "",
    tags: Mapping[str, str] | None = None,
) -> FeatureService:
    """Declare a feature service. Nothing is stored until `project.features.apply`.

    `features` are references: `driver_rides:fare`, of a certain version `driver_rides@2:fare`, all `driver_rides:*`.
    Raises `DeclarationError` for what cannot be.
    """
    where = f"feature service '{name}'"
    if not name.isidentifier():
        raise DeclarationError(f"feature service name {name!r}: use letters, digits and '_', a letter first")
    if isinstance(features, str) or not features:
        raise DeclarationError(f"{where}: features={features!r}: give a list of references such as ['rides:fare']")
    for reference in features:
        parse_reference(reference)
    return FeatureService(
        name=name,
        features=tuple(features),
        description=description,
        owner=owner,
        tags=FrozenMap({key: str(value) for key, value in (tags or {}).items()}),
    )


@dataclass(frozen=True, slots=True)
class RegisteredService:
    """A version of a feature service. `features` are its references with the versions that it has pinned."""

    record: FeatureVersion
    service: FeatureService
    features: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return what it is, as JSON."""
        return {
            "name": self.service.name,
            "version": self.record.version,
            "features": list(self.service.features),
            "pinned": list(self.features),
            "description": self.service.description,
            "owner": self.service.owner,
            "tags": dict(self.service.tags),
            "created": self.record.created,
            "changes": list(self.record.changes),
            "breaks": list(self.record.breaks),
        }


def apply_service(metadata: MetadataStore, service: FeatureService) -> tuple[RegisteredService, list[Wanted], bool]:
    """Record a service as its next version, and tell whether it is a new one; the one that holds already, with the same
    versions of its sets, is not recorded again. What it names comes back with it."""
    try:
        wanted = resolve_references(metadata, service.features, full_feature_names=True)
    except UnknownNameError as error:
        raise DeclarationError(f"feature service '{service.name}': {error}; apply the set first") from error
    definition = {
        "name": service.name,
        "features": list(service.features),
        "pinned": [f"{each.registered.name}:{each.feature}" for each in wanted],
        "types": [each.registered.definition.types[each.feature] for each in wanted],
        "needs": sorted({need for each in wanted for need in _needs(each)}),
        "description": service.description,
        "owner": service.owner,
        "tags": dict(service.tags),
    }
    digest = blake3.blake3(msgspec.json.encode(definition, order="deterministic")).hexdigest()
    record, is_new = apply_version(metadata, SERVICE, service.name, digest, partial(_next, definition, digest))
    return _registered(record), wanted, is_new


def find_service(metadata: MetadataStore, reference: str) -> RegisteredService:
    """Return the version that `pricing@2` names, the newest of `pricing`; raises `UnknownNameError`."""
    name, version = parse_version(reference)
    return _registered(find_version(metadata, SERVICE, name, version))


def references_of(metadata: MetadataStore, features: Features) -> Sequence[str]:
    """Return the references that are asked for; those of a service are of its pinned versions."""
    if isinstance(features, FeatureService):
        found = find_service(metadata, features.name)
        if found.service != features:
            raise DeclarationError(
                f"feature service '{features.name}' is declared otherwise than it was applied; apply it first: "
                f"project.features.apply({features.name})"
            )
        return found.features
    if isinstance(features, str) and ":" not in features:
        return find_service(metadata, features).features
    if isinstance(features, str) or not features:
        raise DeclarationError(
            f"features={features!r}: give a list of references such as ['driver_rides:trips_7d'], or a feature service"
        )
    return features


class Services(Mapping[str, RegisteredService]):
    """The feature services of a project by name, each by its newest version; `services["pricing@2"]` is a certain
    one."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata

    def __getitem__(self, name: str) -> RegisteredService:
        return find_service(self._metadata, name)

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        return names_of(self._metadata, SERVICE)


def _needs(wanted: Wanted) -> list[str]:
    needs = needs_of(wanted.registered.definition, wanted.feature)
    return [*needs.entities, *needs.requests]


def _registered(record: FeatureVersion) -> RegisteredService:
    said = record.definition
    service = FeatureService(
        name=said["name"],
        features=tuple(said["features"]),
        description=said["description"],
        owner=said["owner"],
        tags=FrozenMap(said["tags"]),
    )
    return RegisteredService(record, service, tuple(said["pinned"]))


def _next(definition: dict[str, Any], digest: str, last: FeatureVersion | None) -> FeatureVersion:
    return FeatureVersion(
        kind=SERVICE,
        name=definition["name"],
        version=1 if last is None else last.version + 1,
        digest=digest,
        definition=definition,
        changes=() if last is None else tuple(_changes(last.definition, definition)),
        breaks=() if last is None else tuple(_breaks(last.definition, definition)),
        created=time.time(),
    )


def _by_feature(definition: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return references and types of features by their sets and names."""
    pairs = zip(definition["pinned"], definition["types"], strict=True)
    return {(parse_reference(each)[0], parse_reference(each)[2]): (each, type) for each, type in pairs}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _by_feature(old), _by_feature(new)
    for key, (reference, _) in after.items():
        if key not in before:
            yield f"'{reference}' is new"
        elif before[key][0] != reference:
            yield f"'{before[key][0]}' is '{reference}'"
    yield from (f"'{reference}' is gone" for key, (reference, _) in before.items() if key not in after)
    for part in ("description", "owner", "tags"):
        if old[part] != new[part]:
            yield f"{part} was {old[part]!r}, is {new[part]!r}"
    if set(before.values()) == set(after.values()) and old["features"] != new["features"]:
        yield f"features were {', '.join(old['features'])}, are {', '.join(new['features'])}"


def _breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what somebody who uses the old version would miss in the new one."""
    after = _by_feature(new)
    for key, (reference, type) in _by_feature(old).items():
        found = after.get(key, ("", "gone"))[1]
        if found != type:
            yield f"'{reference}' ({type}) is {found}"
    more = [need for need in new["needs"] if need not in old["needs"]]
    if more:
        yield f"it needs {', '.join(map(repr, more))} too"
