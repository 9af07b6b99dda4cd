"""One feature set as a person looks at it: `project.features["driver_rides"]`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from penstock.core.feature import IngestStatistics
from penstock.core.ports import MetadataStore
from penstock.features.declared.definition import kind_of
from penstock.features.declared.discovery import SetLineage, set_lineage
from penstock.features.declared.json_schema import json_schema
from penstock.features.declared.versions import Differences, Registered, differences, find_set, set_versions
from penstock.features.quality.counting import merged
from penstock.features.quality.statistics import Statistics, plain_statistics, statistics_of, total_statistics
from penstock.monitor import Freshness, freshness_of


class FeatureSetView:
    """A version of a feature set: what it is, what its rows are like, what it comes from and what uses it."""

    def __init__(
        self, metadata: MetadataStore, registered: Registered, counted: Callable[[], list[IngestStatistics]]
    ) -> None:
        given = registered.definition.set
        self._metadata, self._counted = metadata, counted
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
    def freshness(self) -> Freshness | None:
        """How old the newest event of the set is, and whether that is older than the set's `freshness` allows."""
        return freshness_of(self._metadata, self.name)

    @property
    def statistics(self) -> Statistics | None:
        """What the rows are like, all together; None while there are none. What was counted when they came is put
        together; rows of which that is not known (another version took them in) are counted once, now."""
        return total_statistics(self._counted())

    @property
    def ingests(self) -> list[Statistics]:
        """What the rows of each ingest are like, the newest first. Of very many the oldest are told as one."""
        return [statistics_of(record) for record in reversed(self._counted())]

    @property
    def lineage(self) -> SetLineage:
        """What it comes from, and what became of it."""
        return set_lineage(self._metadata, self.registered)

    def diff(self, other: int) -> Differences:
        """Say what differs between version `other` and this one, and what users of `other` would miss."""
        return differences(find_set(self._metadata, self.name, other).definition, self.registered.definition)

    def describe(self) -> dict[str, Any]:
        """Return all of it as plain JSON values; a feature's `drift` is that of the newest ingest from all before."""
        definition, lineage, counted = self.registered.definition, self.lineage, self._counted()
        total, drift = total_statistics(counted), {}
        if len(counted) > 1:
            drift = statistics_of(counted[-1]).drift(statistics_of(merged(counted[:-1])))
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
            "freshness": _plain_freshness(self.freshness, time.time()),
            "statistics": None if total is None else plain_statistics(total, drift=drift),
            "lineage": {
                "source": lineage.source,
                "reads": list(lineage.reads),
                "sets": list(lineage.sets),
                "services": list(lineage.services),
                "models": list(lineage.models),
            },
        }

    @property
    def counted(self) -> list[IngestStatistics]:
        """What is recorded of the rows of each ingest, the oldest first."""
        return self._counted()

    def __repr__(self) -> str:
        return f"<feature set {self.registered.name}: {', '.join(self.features)}>"


def _plain_freshness(found: Freshness | None, now: float) -> dict[str, Any]:
    if found is None:
        return {}
    return {
        "freshness_seconds": found.limit,
        "last_event": found.last_event,
        "last_ingest": found.last_ingest,
        "age_seconds": found.age(now),
        "stale": found.is_stale(now),
        "stale_since": found.stale_from if found.is_stale(now) else None,
    }
