"""Finding feature sets: what one is, where words occur in them, what they come from and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.core.feature import FeatureVersion
from penstock.core.ports import MetadataStore
from penstock.core.run import ModelVersion
from penstock.features.declared.definition import Definition
from penstock.features.declared.services import SERVICE
from penstock.features.declared.versions import Registered, find_set, set_names

_PLACES = ("name", "feature", "tag", "owner", "description")
"""Where a word may occur, the place that says most first."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A feature set in which words were found, and where: `("name", "driver_rides")`, `("feature", "fare")`."""

    name: str
    version: int
    description: str
    owner: str
    found: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLineage:
    """What a feature set comes from, and what became of it. `source` is where ingest finds rows; `reads` are features
    of other sets that its own are worked out from. `sets` read it, `services` name its features, `models` learned from
    them, each with its version: `bicycle/3`."""

    source: str | None
    reads: tuple[str, ...]
    sets: tuple[str, ...]
    services: tuple[str, ...]
    models: tuple[str, ...]


def search_sets(metadata: MetadataStore, text: str) -> list[Hit]:
    """Return the feature sets whose newest version has every word of a text somewhere: in its name, its features'
    names, its tags, owner or description; whatever its letters' case. Those where it says most come first."""
    words = text.casefold().split()
    hits = []
    for name in set_names(metadata):
        registered = find_set(metadata, name)
        found = tuple(place for place in _texts(registered.definition) if _has(place[1], words))
        if words and all(any(_has(value, [word]) for _, value in found) for word in words):
            given = registered.definition.set
            hits.append(Hit(name, registered.record.version, given.description, given.owner, found))
    return sorted(hits, key=lambda hit: (min(_PLACES.index(place) for place, _ in hit.found), hit.name))


def set_lineage(metadata: MetadataStore, registered: Registered) -> SetLineage:
    """Return what a version of a feature set comes from, and what became of it."""
    name, version = registered.record.name, registered.record.version

    def uses(reference: str) -> bool:
        of, _, _ = reference.partition(":")
        other, _, number = of.partition("@")
        return other == name and number in ("", str(version))

    sets = [find_set(metadata, other) for other in set_names(metadata) if other != name]
    return SetLineage(
        source=registered.definition.set.source,
        reads=tuple(sorted(registered.definition.reads)),
        sets=tuple(each.name for each in sets if any(map(uses, each.definition.reads))),
        services=tuple(
            f"{service.name}@{service.version}"
            for service in metadata.find(FeatureVersion, kind=SERVICE)
            if any(map(uses, service.definition["pinned"]))
        ),
        models=tuple(
            f"{model.model}/{model.version}"
            for model in metadata.find(ModelVersion)
            if any(map(uses, model.lineage.get("features", ())))
        ),
    )


def _texts(definition: Definition) -> Iterator[tuple[str, str]]:
    given = definition.set
    yield "name", given.name
    yield from (("feature", name) for name in definition.features)
    yield from (("tag", f"{key}={value}") for key, value in given.tags.items())
    yield "owner", given.owner
    yield "description", given.description


def _has(text: str, words: list[str]) -> bool:
    folded = text.casefold()
    return any(word in folded for word in words)
