"""One feature set as a person looks at it: `project.features["driver_rides"]`."""

from __future__ import annotations

from typing import Any

from penstock.core.ports import MetadataStore
from penstock.features.definition import kind_of
from penstock.features.discovery import SetLineage, set_lineage
from penstock.features.json_schema import json_schema
from penstock.features.versions import Differences, Registered, differences, find_set, set_versions


class FeatureSetView:
    """A version of a feature set: what it is, what its rows are like, what it comes from and what uses it."""

    def __init__(self, metadata: MetadataStore, registered: Registered) -> None:
        given = registered.definition.set
        self._metadata = metadata
        self.registered = registered
        self.name, self.version, self.created = given.name, registered.record.version, registered.record.created
        self.description, self.owner, self.tags = given.description, given.owner, dict(given.tags)
        self.entities, self.timestamp, self.ttl = dict(given.entities), given.timestamp, given.ttl

    @property
    def features(self) -> dict[str, str]:
        """The features' types, by name."""
        return dict(self.registered.definition.types)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of its rows."""
        return json_schema(self.registered.definition, self.version)

    @property
    def versions(self) -> list[Registered]:
        """Every version of the set, the oldest first, each with what it changed."""
        return set_versions(self._metadata, self.name)

    @property
    def lineage(self) -> SetLineage:
        """What it comes from, and what became of it."""
        return set_lineage(self._metadata, self.registered)

    def diff(self, other: int) -> Differences:
        """Say what differs between version `other` and this one, and what users of `other` would miss."""
        return differences(find_set(self._metadata, self.name, other).definition, self.registered.definition)

    def describe(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        definition, lineage = self.registered.definition, self.lineage
        return {
            "name": self.name,
            "version": self.version,
            "created": self.created,
            "description": self.description,
            "owner": self.owner,
            "tags": self.tags,
            "entities": self.entities,
            "timestamp": self.timestamp,
            "ttl_seconds": None if self.ttl is None else self.ttl / 1_000_000,
            "features": [
                {"name": name, "type": type, "kind": kind_of(definition.features[name])}
                for name, type in self.features.items()
            ],
            "lineage": {
                "source": lineage.source,
                "reads": list(lineage.reads),
                "sets": list(lineage.sets),
                "services": list(lineage.services),
                "models": list(lineage.models),
            },
        }

    def __repr__(self) -> str:
        return f"<feature set {self.registered.name}: {', '.join(self.features)}>"
