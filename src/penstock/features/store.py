"""The feature store: sets registered, rows ingested, features served as of any time and at low latency."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa

from penstock.core.feature import IngestStatistics
from penstock.features.answers import Asking, Question, answer, write_answers
from penstock.features.declared.applied import Applied, service_schema
from penstock.features.declared.declare import FeatureSet, check_declared
from penstock.features.declared.definition import define
from penstock.features.declared.discovery import Hit, search_sets
from penstock.features.declared.json_schema import json_schema
from penstock.features.declared.naming import parse_version
from penstock.features.declared.on_demand import Read
from penstock.features.declared.services import (
    Features,
    FeatureService,
    Services,
    apply_service,
    references_of,
)
from penstock.features.declared.versions import (
    Registered,
    apply_set,
    find_declared,
    find_read,
    find_set,
    set_names,
    set_versions,
)
from penstock.features.history.times import Moment, zoned
from penstock.features.ingest.batches import Ingested, OnProgress, Target
from penstock.features.ingest.checking import OnBad
from penstock.features.ingest.dead_letters import DeadLetters
from penstock.features.ingest.streams import Stream
from penstock.features.ingest.taking_in import source_of, source_types, take_in
from penstock.features.online.reading import OnlineReader, bring_up_versions, entity_table
from penstock.features.online.retrieval import FeatureReader, Retrieval, plan_retrieval
from penstock.features.places import Past, Places
from penstock.features.quality.counting import count_commit, count_missing, counted_anew
from penstock.features.quality.view import FeatureSetView
from penstock.features.removing import Forgotten, Held, expire, forget
from penstock.tables import Batched, TableLike, schema_of, to_arrow


class FeatureStore:
    """The feature sets of a project: `project.features`. They are found by name: `project.features["driver_rides"]`."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.past = Past(places.history, places.index)
        self.dead_letters = DeadLetters(places.history)
        """What could not be stored: `project.features.dead_letters.read("driver_rides")`."""

    def apply(self, declared: FeatureSet | FeatureService, rows: TableLike | None = None) -> Applied:
        """Register a feature set, or a feature service, and return its JSON Schema (2020-12).

        A changed definition is the next version; one that holds already changes nothing. The types of columns come
        from `columns=`, from the set's source, or from `rows`, of which nothing is stored. A service pins the versions
        of its sets: applied when one has a newer version, it has a new one too.
        """
        if isinstance(declared, FeatureService):
            service, wanted, is_new = apply_service(self.places.metadata, declared)
            return Applied(service.record, service_schema(service, wanted), is_new=is_new)
        check_declared(declared)
        registered, is_new = apply_set(self.places.metadata, define(declared, self._types(declared, rows), self._read))
        if is_new:
            self._bring_up(registered)
        return Applied(registered.record, json_schema(registered.definition, registered.record.version), is_new=is_new)

    def ingest(
        self,
        feature_set: FeatureSet | str,
        rows: Batched | Stream | None = None,
        *,
        batch: str = "",
        on_bad: OnBad | None = None,
        follow: bool | threading.Event = False,
        on_progress: OnProgress | None = None,
    ) -> Ingested:
        """Add rows to the history of a feature set and to the online store; without `rows`, those of its source.

        Rows are a table of any library, a list of dicts, a path, the name of a table, a query, an iterator of tables,
        or a stream. All are stored, or none; they go through a batch at a time, so they may be more than fit into
        memory. The set has to be applied before, as it is declared now.

        - `batch` names the rows: a batch that was ingested before is not ingested again.
        - `on_bad`: "fail", or where rows go that cannot be stored: "set_aside" (they come back), "dead_letter" (they
          are in `project.features.dead_letters`). The default is "fail", of a stream "dead_letter".
        - `follow`: store what comes by a stream until the process is interrupted, or the event given is set; without
          it, what is there. Each message is stored once, whatever is killed when.
        - `on_progress` is called with a `Progress` after each batch.
        """
        registered = find_declared(self.places.metadata, feature_set)
        given = self.places.rows(source_of(registered) if rows is None else rows)
        return take_in(
            self._target(registered), given, batch=batch, on_bad=on_bad, follow=follow, on_progress=on_progress
        )

    def get_historical_features(
        self,
        entity_rows: TableLike | None,
        features: Features,
        *,
        timestamp: str | None = None,
        known_at: str | None = None,
        as_of: int | datetime.datetime | None = None,
        start: datetime.datetime | None = None,
        end: datetime.datetime | None = None,
        full_feature_names: bool = False,
        statuses: bool = False,
    ) -> pa.Table:
        """Return the rows given with each feature as it was at the row's time: one row for each, in the same order.

        Without rows (None) there is one for each entity and event time of the sets in [start, end), by time, then key.

        - `timestamp`: the column with each row's instant (default `event_timestamp`, else the set's own; a row without
          any is asked for now). A value counts from its event time on, and at most for the set's `ttl`.
        - `known_at`: a column with the time up to which values must have been known (by their `created`): what a
          request at that time would have been told.
        - `as_of`: a version of the history, or a time: rows that were ingested later do not count.
        - `statuses`: adds `<feature>__status`: PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE.

        Raises `UnknownNameError` for a feature that is not there, `DataError` for keys of another type.
        """
        options = Asking(timestamp=timestamp, known_at=known_at, as_of=as_of, start=start, end=end, statuses=statuses)
        options["full_feature_names"] = full_feature_names
        return answer(self._question(entity_rows, features, options))

    def write_historical_features(
        self, to: str | Path, entity_rows: TableLike | None, features: Features, **options: Unpack[Asking]
    ) -> Path:
        """Write what `get_historical_features` returns to a Parquet file, and return its path.

        Rows are answered a batch at a time, all as of one state of the history: neither they nor the answers have to
        fit into memory. The file is whole, or not there.
        """
        return write_answers(self._question(entity_rows, features, options), Path(to))

    def get_online_features(
        self,
        features: Features,
        entities: Mapping[str, Sequence[Any]] | TableLike,
        *,
        full_feature_names: bool = False,
        statuses: bool = False,
        now: Moment | None = None,
    ) -> pa.Table:
        """Return the newest features of entities, given as `{"driver_id": [7, 9]}` or as rows: keys, then features.

        Values of the request, which on-demand features read, stand beside the keys. Windows end, and ages are counted,
        at `now` (a time with a zone, or microseconds since 1970; default: the present).
        """
        reader = self.reader(features, full_feature_names=full_feature_names)
        types = {**reader.needs.entities, **reader.needs.requests}
        return reader.table(_entities(entities, types), now=now, statuses=statuses)

    def reader(self, features: Features, *, full_feature_names: bool = False) -> FeatureReader:
        """Return what reads these features of one entity in microseconds: `reader.row({"driver_id": 7})`."""
        retrieval = self._retrieval(features, full_feature_names)
        return FeatureReader(retrieval, OnlineReader(self.places.online, retrieval.looked_up))

    def materialize(self, name: str) -> int:
        """Bring the online records of a feature set up to its history; return how many entities had newer rows.

        `ingest` does so by itself: this is for a store that was lost, or written by others.
        """
        return self._bring_up(find_set(self.places.metadata, name))

    def forget(self, name: str, entities: Mapping[str, Sequence[Any]] | TableLike) -> Forgotten:
        """Take every row of entities out of a feature set, for good: of its history, its index, the online store and
        the dead letters.

        Versions of the history that had them can no more be read. Raises `StorageError` where one is left after it.
        """
        versions = set_versions(self.places.metadata, name)
        with counted_anew(self.places.metadata, versions, self.past.history):
            return forget(versions, _entities(entities, versions[-1].definition.set.entities), self._held)

    def expire(self, name: str, *, before: datetime.datetime) -> int:
        """Take every row out of a feature set whose event is older than an instant, for good; return how many."""
        before = zoned(before, "before")
        versions = set_versions(self.places.metadata, name)
        with counted_anew(self.places.metadata, versions, self.past.history):
            return expire(versions, before, self._held)

    def compact(self, name: str) -> int:
        """Put small files of a feature set's history together; return how many files fewer there are.

        Older versions can be read for a week more.
        """
        return self.past.history(find_set(self.places.metadata, name)).compact()

    def search(self, text: str) -> list[Hit]:
        """Return the feature sets that have every word of a text in their name, features, tags, owner or description.

        Each says where; those where it says most come first.
        """
        return search_sets(self.places.metadata, text)

    def __getitem__(self, name: str) -> FeatureSetView:
        """Return a feature set, `driver_rides`, or a version of it, `driver_rides@2`; raises `UnknownNameError`."""
        registered = find_set(self.places.metadata, *parse_version(name))
        return FeatureSetView(self.places.metadata, registered, lambda: self._counted(registered))

    def __iter__(self) -> Iterator[str]:
        return iter(set_names(self.places.metadata))

    def __repr__(self) -> str:
        return f"<feature store: {', '.join(self) or 'no feature sets yet'}>"

    def __len__(self) -> int:
        return len(set_names(self.places.metadata))

    def __contains__(self, name: object) -> bool:
        return name in set_names(self.places.metadata)

    @property
    def services(self) -> Services:
        """The feature services by name: `project.features.services["pricing"].features`."""
        return Services(self.places.metadata)

    @property
    def _held(self) -> Held:
        past, places = self.past, self.places
        return Held(
            history=past.history,
            index=past.index,
            folder=places.index,
            online=places.online,
            dead_letters=self.dead_letters,
        )

    def _read(self, reference: str) -> tuple[str, Read]:
        return find_read(self.places.metadata, reference)

    def _retrieval(self, features: Features, full_feature_names: bool) -> Retrieval:
        metadata = self.places.metadata
        return plan_retrieval(metadata, references_of(metadata, features), full_feature_names=full_feature_names)

    def _counted(self, registered: Registered) -> list[IngestStatistics]:
        history = self.past.history(registered)
        return [] if history.version() is None else count_missing(self.places.metadata, registered, history)

    def _question(self, entity_rows: TableLike | None, features: Features, options: Asking) -> Question:
        as_of = options.get("as_of")

        def until(registered: Registered) -> int | None:
            return None if as_of is None else self.past.history(registered).sequence_at(as_of)

        retrieval = self._retrieval(features, options.get("full_feature_names", False))
        return Question(retrieval, self.past.index, entity_rows, options, until)

    def _types(self, declared: FeatureSet, rows: TableLike | None) -> dict[str, str]:
        if rows is not None:
            return {field.name: field.type for field in schema_of(to_arrow(rows).schema)}
        return {} if declared.source is None else source_types(self.places.rows(declared.source))

    def _target(self, registered: Registered) -> Target:
        history = self.past.index(registered).history
        return Target(
            name=registered.name,
            definition=registered.definition,
            history=history,
            dead_letters=self.dead_letters,
            staging=self.places.index / "staging",
            count=lambda commit, batch: count_commit(self.places.metadata, registered, history, commit, batch=batch),
            serve=lambda: self._bring_up(registered),
        )

    def _bring_up(self, registered: Registered) -> int:
        versions = set_versions(self.places.metadata, registered.record.name)
        try:
            return bring_up_versions(registered, versions, self.past.index, self.places.online)
        finally:
            self.past.index(registered).history.let_go()


def _entities(given: Mapping[str, Sequence[Any]] | TableLike, types: Mapping[str, str]) -> pa.Table:
    return entity_table(given, types) if isinstance(given, Mapping) else to_arrow(given)
