"""The feature store of a project that is served elsewhere: rows travel as Arrow streams, the rest as JSON."""

from __future__ import annotations

import datetime
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import msgspec
import pyarrow as pa

from penstock.core.feature import FeatureVersion, IngestStatistics
from penstock.errors import DeclarationError
from penstock.features import (
    ARROW_FORM,
    Applied,
    Asking,
    Features,
    FeatureService,
    FeatureSet,
    FeatureSetView,
    Forgotten,
    Hit,
    Ingested,
    Moment,
    OnBad,
    OnProgress,
    Services,
    Stream,
    check_declared,
    check_parquet,
    entity_table,
    find_declared,
    find_set,
    microseconds,
    parse_version,
    references_of,
    search_sets,
    set_names,
)
from penstock.operations.notation import expression_to_json, value_to_json
from penstock.remote.connection import Server, segment
from penstock.remote.dead_letters import RemoteDeadLetters
from penstock.remote.feature_reader import PATH, RemoteReader, rows_with_form, send_rows
from penstock.remote.rows import ARROW_STREAM, arrow_table
from penstock.remote.stores import RemoteMetadata
from penstock.tables import Batched, TableLike, batches, schema_of, to_arrow

PARQUET = "application/vnd.apache.parquet"


class RemoteFeatures:
    """The feature store of a server's project: what `FeatureStore` does, each method a request or a few."""

    def __init__(self, server: Server, metadata: RemoteMetadata) -> None:
        self._server, self._metadata = server, metadata
        self.dead_letters = RemoteDeadLetters(server)
        """What could not be stored: `project.features.dead_letters.read("driver_rides")`."""

    def apply(self, declared: FeatureSet | FeatureService, rows: TableLike | None = None) -> Applied:
        """Register a feature set, or a feature service, and return its JSON Schema; as `FeatureStore.apply`. Of `rows`
        only the types are sent; a `source` is a table that the server's project declares."""
        if isinstance(declared, FeatureService):
            form = {name: getattr(declared, name) for name in ("name", "features", "description", "owner")}
            said = self._server.post("/v1/feature-services", {**form, "tags": dict(declared.tags)})
            kind = "service"
        else:
            check_declared(declared)
            said = self._server.post("/v1/feature-sets", _set_form(declared, rows))
            kind = "set"
        record = self._metadata.get(FeatureVersion, kind, said["name"], said["version"])
        assert record is not None  # noqa: S101 - the server has just told of it
        return Applied(record, said["schema"], is_new=said["is_new"])

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
        """Add rows to a feature set, all or none; without `rows`, those of its source on the server. A path is read
        here, and rows are sent as a whole. Streams are followed, and progress is told, where the project is."""
        if follow is not False or on_progress is not None or isinstance(rows, Stream):
            raise DeclarationError(
                "an ingest over REST follows no stream and tells no progress: rows are sent as a whole. Ingest where "
                "the project is, or leave follow and on_progress out"
            )
        name = find_declared(self._metadata, feature_set).record.name
        if rows is None:
            path, form = f"/v1/feature-sets/{segment(name)}:ingest", {"batch": batch, "on_bad": on_bad}
            headers = {"content-type": "application/json", "accept": ARROW_STREAM}
            content = self._server.content("POST", path, body=msgspec.json.encode(form), headers=headers)
            return _ingested(arrow_table(content))
        form = {"push_source_name": name, "batch": batch, "on_bad": on_bad}
        return _ingested(send_rows(self._server, "/push", form, pa.concat_tables(batches(rows))))

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
        """Return the rows given with each feature as it was at the row's time; as `FeatureStore` does."""
        options = Asking(timestamp=timestamp, known_at=known_at, as_of=as_of, start=start, end=end, statuses=statuses)
        options["full_feature_names"] = full_feature_names
        return arrow_table(b"".join(self._history(entity_rows, features, options, ARROW_STREAM)))

    def write_historical_features(
        self, to: str | Path, entity_rows: TableLike | None, features: Features, **options: Unpack[Asking]
    ) -> Path:
        """Write what `get_historical_features` returns to a Parquet file here, whole or not at all; return its path.
        The server makes it as one table."""
        path = Path(to).absolute()
        check_parquet(path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            partial = Path(folder) / path.name
            with partial.open("wb") as file:
                for piece in self._history(entity_rows, features, options, PARQUET):
                    file.write(piece)
            os.replace(partial, path)
        return Path(to)

    def get_online_features(
        self,
        features: Features,
        entities: Mapping[str, Sequence[Any]] | TableLike,
        *,
        full_feature_names: bool = False,
        statuses: bool = False,
        now: Moment | None = None,
    ) -> pa.Table:
        """Return the newest features of entities: keys, then features; as `FeatureStore` does."""
        at = None if now is None else microseconds(now, "now")
        form = {**self._asked(features, full_feature_names, statuses), "now": at}
        return send_rows(self._server, PATH, form, _entities(entities))

    def reader(self, features: Features, *, full_feature_names: bool = False) -> RemoteReader:
        """Return what reads these features of one entity, a request each: `reader.row({"driver_id": 7})`."""
        references = references_of(self._metadata, features)
        return RemoteReader(self._server, self._metadata, references, full_feature_names=full_feature_names)

    def materialize(self, name: str) -> int:
        """Bring the online records of a feature set up to its history; return how many entities had newer rows."""
        entities: int = self._server.post(f"/v1/feature-sets/{segment(name)}:materialize")["entities"]
        return entities

    def forget(self, name: str, entities: Mapping[str, Sequence[Any]] | TableLike) -> Forgotten:
        """Take every row of entities out of a feature set, for good: of its history, its index and the online store."""
        types = find_set(self._metadata, name).definition.set.entities
        given = _entities(entities)
        keys = {
            column: [value_to_json(value, types[column]) for value in given.column(column).to_pylist()]
            for column in given.column_names
            if column in types
        }
        said = self._server.post(f"/v1/feature-sets/{segment(name)}:forget", {"entities": keys})
        return msgspec.convert(said, Forgotten)

    def expire(self, name: str, *, before: datetime.datetime) -> int:
        """Take every row out of a feature set whose event is older than an instant, for good; return how many."""
        rows: int = self._server.post(f"/v1/feature-sets/{segment(name)}:expire", {"before": before})["rows"]
        return rows

    def compact(self, name: str) -> int:
        """Put small files of a feature set's history together; return how many files fewer there are."""
        files: int = self._server.post(f"/v1/feature-sets/{segment(name)}:compact")["files"]
        return files

    def search(self, text: str) -> list[Hit]:
        """Return the feature sets that have every word of a text in their name, features, tags, owner or
        description."""
        return search_sets(self._metadata, text)

    def __getitem__(self, name: str) -> FeatureSetView:
        """Return a feature set, `driver_rides`, or a version of it, `driver_rides@2`; raises `UnknownNameError`."""
        registered = find_set(self._metadata, *parse_version(name))
        return FeatureSetView(self._metadata, registered, lambda: self._counted(registered.name))

    def __iter__(self) -> Iterator[str]:
        return iter(set_names(self._metadata))

    def __len__(self) -> int:
        return len(set_names(self._metadata))

    def __contains__(self, name: object) -> bool:
        return name in set_names(self._metadata)

    @property
    def services(self) -> Services:
        """The feature services by name: `project.features.services["pricing"].features`."""
        return Services(self._metadata)

    def _history(
        self, entity_rows: TableLike | None, features: Features, options: Asking, media: str
    ) -> Iterator[bytes]:
        """Yield the answer to a question of history in the form of a media type."""
        asked = self._asked(features, options.get("full_feature_names", False), options.get("statuses", False))
        form = {name: value for name, value in {**asked, **options}.items() if value is not None}
        if entity_rows is None:
            body, sent = msgspec.json.encode(form), "application/json"
        else:
            body, sent = rows_with_form(to_arrow(entity_rows), form), ARROW_STREAM
        headers = {"content-type": sent, "accept": media}
        return self._server.pieces("/get-historical-features", "POST", body=body, headers=headers)

    def _counted(self, name: str) -> list[IngestStatistics]:
        said = self._server.get(f"/v1/feature-sets/{segment(name)}/ingests")["ingests"]
        return [msgspec.convert(record, IngestStatistics) for record in said]

    def _asked(self, features: Features, full_feature_names: bool, statuses: bool) -> dict[str, Any]:
        asked = features if isinstance(features, str) else list(references_of(self._metadata, features))
        part = "feature_service" if isinstance(asked, str) else "features"
        return {part: asked, "full_feature_names": full_feature_names, "statuses": statuses}


def _set_form(declared: FeatureSet, rows: TableLike | None) -> dict[str, Any]:
    """Return a declaration as the server takes it: every feature as the JSON of its expression."""
    types = {} if rows is None else {field.name: field.type for field in schema_of(to_arrow(rows).schema)}
    features = declared.features
    return {
        "name": declared.name,
        "entities": dict(declared.entities),
        "timestamp": declared.timestamp,
        "created": declared.created,
        "ttl": _seconds(declared.ttl),
        "source": declared.source,
        "features": None if features is None else {name: expression_to_json(each) for name, each in features.items()},
        "columns": {**types, **declared.columns},
        "description": declared.description,
        "owner": declared.owner,
        "tags": dict(declared.tags),
        "freshness": _seconds(declared.freshness),
    }


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1_000_000


def _entities(given: Mapping[str, Sequence[Any]] | TableLike) -> pa.Table:
    return entity_table(given, {}) if isinstance(given, Mapping) else to_arrow(given)


def _ingested(set_aside: pa.Table) -> Ingested:
    """Return what an ingest did, from the rows that were set aside and what their schema says."""
    said = msgspec.json.decode(set_aside.schema.metadata[ARROW_FORM])
    return Ingested(
        feature_set=said["feature_set"],
        rows=said["rows"],
        set_aside=set_aside.replace_schema_metadata(None),
        reasons=tuple(said["reasons"]),
        unread=tuple(said["unread"]),
        version=said["version"],
        repeated=said["repeated"],
        dead_letters=said["dead_letters"],
        seconds=said["seconds"],
    )
