"""How fresh a feature set is: how old its newest event, and since when that is older than the set allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.core.feature import FeatureVersion, IngestStatistics
from penstock.core.ports import MetadataStore

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How fresh a feature set is; all in seconds. `limit` is what it declares (None: nothing), `stale_from` when it
    became stale, or will if no newer event comes. An event of exactly the limit's age is fresh still."""

    feature_set: str
    version: int
    limit: float | None
    last_event: float | None
    last_ingest: float | None
    stale_from: float | None

    def is_stale(self, now: float) -> bool:
        """Tell whether the newest event is too old."""
        return self.stale_from is not None and now > self.stale_from

    def age(self, now: float) -> float | None:
        """Return how old the newest event is."""
        return None if self.last_event is None else now - self.last_event


def freshness_of(metadata: MetadataStore, name: str) -> Freshness | None:
    """Return how fresh a feature set is; None where none is called so."""
    versions = metadata.find(FeatureVersion, kind="set", name=name)
    if not versions:
        return None
    newest = max(versions, key=lambda each: each.version)
    ingests = metadata.find(IngestStatistics, history=newest.history)
    freshness = newest.definition["freshness"]
    limit = None if freshness is None else freshness / _MICROSECONDS
    applied = min(each.created for each in versions if each.history == newest.history)
    return Freshness(
        feature_set=name,
        version=newest.version,
        limit=limit,
        last_event=max((_event(each) for each in ingests if each.last_event is not None), default=None),
        last_ingest=max((each.created for each in ingests), default=None),
        stale_from=None if limit is None else _stale_from(ingests, limit, applied),
    )


def _stale_from(ingests: Sequence[IngestStatistics], limit: float, applied: float) -> float:
    """Return when the set became or becomes stale. What comes too late to make it fresh does not begin a new time."""
    events = [(_event(each), each.reached) for each in ingests if each.last_event is not None]
    if not events:
        return applied + limit
    # An event from the future says no more than that it came.
    fresh = [min(event, reached) + limit for event, reached in events if reached <= event + limit]
    return max(fresh, default=applied)


def _event(ingest: IngestStatistics) -> float:
    return (ingest.last_event or 0) / _MICROSECONDS
