"""Rows joined with features in columns named by references: for models, and as a step whose key tells what it read.

As a source of a pipeline, features are the text `features: driver_rides@2:fare, ...`; its digest is of the versions of
the histories, so a step that reads it is stale exactly when rows have come or gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import blake3
import msgspec
import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.mapping import FrozenMap
from penstock.core.ports import MetadataStore
from penstock.errors import DeclarationError
from penstock.features.declared.naming import parse_version
from penstock.features.declared.references import Wanted
from penstock.features.declared.services import Features, FeatureService, references_of
from penstock.features.declared.versions import Registered, find_set
from penstock.features.history.histories import Histories
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.reading import OnlineReader
from penstock.features.online.retrieval import FeatureReader, Retrieval, plan_retrieval
from penstock.features.past.historical import EVENT_TIMESTAMP, get_historical_features
from penstock.features.places import Past

FEATURES = "features: "
"""How a text begins that stands for features."""

_FORMAT = "features"


def features_text(features: Features) -> str:
    """Return the text by which a pipeline names features; `feature_source` reads it."""
    if isinstance(features, FeatureService):
        return f"{FEATURES}{features.name}"
    names = [features] if isinstance(features, str) else list(features)
    odd = next((name for name in names if ", " in name), None)
    if odd is not None:
        raise DeclarationError(f"a pipeline lists features by ', ', which {odd!r} has in it; rename that feature")
    if not names:
        raise DeclarationError("features=[]: give references such as ['driver_rides:trips_7d'], or a feature service")
    return FEATURES + ", ".join(names)


def feature_source(metadata: MetadataStore, past: Past, text: str, *, history: str, index: Path) -> Source:
    """Return what such a text stands for just now: references with their versions, and how far the histories are."""
    names = text.removeprefix(FEATURES).split(", ")
    service = names[0] if len(names) == 1 and ":" not in names[0] else None
    retrieval = plan_retrieval(metadata, references_of(metadata, service or names), by_reference=True)
    read = {each.registered.name: each.registered for each in retrieval.looked_up}
    states = {name: past.history(registered).version() for name, registered in sorted(read.items())}
    sets = (each.registered for each in (*retrieval.wanted, *retrieval.looked_up))
    digests = {registered.name: registered.record.digest for registered in sets}
    return Source(
        name=FEATURES + ", ".join(each.column for each in retrieval.wanted),
        uris=(history, str(index), *(f"{name}#{'' if state is None else state}" for name, state in states.items())),
        format=_FORMAT,
        digest=blake3.blake3(msgspec.json.encode([digests, states], order="deterministic")).hexdigest(),
    )


def join_source(
    rows: pa.Table,
    source: Source,
    metadata: MetadataStore,
    *,
    secrets: Mapping[str, str],
    timestamp: str | None,
    ingests: Sequence[Mapping[str, Any]] = (),
) -> pa.Table:
    """Return rows with the features of a source as of each row's time, in columns named by references. What was
    ingested since the source was found does not count, but by `ingests`: the results of steps of the same run."""
    history, index, *states = source.uris
    past = Past(Histories(history, secrets), Path(index))
    versions = {name: number for name, _, number in (state.rpartition("#") for state in states)}

    stored: dict[str, list[int]] = {}
    for each in ingests:
        if each["version"] is not None:
            name, version = parse_version(each["feature_set"])
            stored.setdefault(find_set(metadata, name, version).record.history, []).append(each["version"])

    def until(registered: Registered) -> int | None:
        found = past.history(registered)
        known = [versions[registered.name]] if versions.get(registered.name) else []
        version = max([*map(int, known), *stored.get(registered.record.history, ())], default=None)
        if version is None:
            return 0
        return None if found.version() == version else found.sequence_at(version)

    names = source.name.removeprefix(FEATURES).split(", ")
    return _joined(rows, plan_retrieval(metadata, names, by_reference=True), past, timestamp, until)


def join_history(
    rows: pa.Table, references: Sequence[str], metadata: MetadataStore, past: Past, *, timestamp: str | None = None
) -> pa.Table:
    """Return rows with features as of each row's time, in columns named by references."""
    return _joined(rows, plan_retrieval(metadata, references, by_reference=True), past, timestamp, lambda _: None)


def reference_reader(references: Sequence[str], metadata: MetadataStore, online: OnlineStore) -> FeatureReader:
    """Return what reads features online, in columns named by references."""
    retrieval = plan_retrieval(metadata, references, by_reference=True)
    return FeatureReader(retrieval, OnlineReader(online, retrieval.looked_up))


def have_times(rows: pa.Table, references: Sequence[str], metadata: MetadataStore) -> bool:
    """Tell whether rows have a column with the time as of which their features are asked for."""
    sets = {each.registered.definition.set.timestamp for each in plan_retrieval(metadata, references).looked_up}
    return EVENT_TIMESTAMP in rows.column_names or bool(sets.intersection(rows.column_names))


def feature_facts(metadata: MetadataStore, reference: str) -> tuple[str, FrozenMap[str]]:
    """Return the type of a feature, and the keys and values of the request that it is found by, with their types."""
    retrieval = plan_retrieval(metadata, [reference])
    wanted = retrieval.wanted[0]
    given = FrozenMap({**retrieval.needs.entities, **retrieval.needs.requests})
    return wanted.registered.definition.types[wanted.feature], given


def _joined(
    rows: pa.Table,
    retrieval: Retrieval,
    past: Past,
    timestamp: str | None,
    until: Callable[[Registered], int | None],
) -> pa.Table:
    def look_up(wanted: Sequence[Wanted], told: bool) -> pa.Table:
        return get_historical_features(rows, wanted, past.index, timestamp=timestamp, statuses=told, until=until)

    return retrieval.table(rows, look_up, statuses=False)
