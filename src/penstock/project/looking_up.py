"""Predictions of models that look features up: many rows joined with them first, one row by what reads them online."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from penstock import models
from penstock.cascades import Cascade, feature_references
from penstock.core.artifact import Source
from penstock.core.graph import ModelGraph
from penstock.core.model import Model
from penstock.core.ports import MetadataStore
from penstock.features import EVENT_TIMESTAMP, FeatureStore, feature_facts, have_times, join_history, reference_reader
from penstock.models import LookUp, RowPredictor, looked_up, no_look_up, row_times
from penstock.tables import TableLike, arrow_type, read, to_arrow

_INSTANT = "penstock:now"


def check_features(model: Model | Cascade, metadata: MetadataStore) -> None:
    """Raise `UnknownNameError` where a model looks up a feature that is not there, before anything runs."""
    for reference in feature_references(model):
        feature_facts(metadata, reference)


def with_features(
    graph: ModelGraph, rows: TableLike, features: FeatureStore, timestamp: str | None = None
) -> TableLike:
    """Return rows with what a model graph looks up behind their columns: as of the rows' times, where they have any,
    else as it is online now. Rows for a graph that looks nothing up come back as they are.

    The times are in the column `timestamp`, which has to be there; else in the one that the model learned by, or in
    `event_timestamp`; else, where it learned by no column of its own, in those of the feature sets.
    """
    references = looked_up(graph)
    if not references:
        if timestamp is not None:
            raise no_look_up(graph.name, f"timestamp={timestamp!r}")
        return rows
    table = read(rows) if isinstance(rows, Source) else to_arrow(rows)
    given = table.drop_columns([name for name in references if name in table.column_names])
    metadata = features.places.metadata
    own = row_times(graph)
    times = timestamp or next((name for name in (own, EVENT_TIMESTAMP) if name in given.column_names), None)
    if times is not None or (own is None and have_times(given, references, metadata)):
        return join_history(given, references, metadata, features.past, timestamp=times)
    return reference_reader(references, metadata, features.places.online).table(given)


class History(Protocol):
    """A feature store, here or behind a server, as what is asked of its history."""

    def get_historical_features(
        self, entity_rows: pa.Table, features: list[str], /, *, timestamp: str, full_feature_names: bool
    ) -> pa.Table:
        """Return the rows given with each feature as it was at the row's time."""
        ...


def as_of(graph: ModelGraph, rows: pa.Table, features: History | None, now: int) -> pa.Table:
    """Return rows with what a model graph looks up as the history has it at an instant, in microseconds."""
    references = looked_up(graph)
    if not references or features is None:
        return rows
    timed = rows.append_column(_INSTANT, pa.array(np.full(rows.num_rows, now)).view(arrow_type("timestamp")))
    # Each version of a set by itself: two of one set have features of one name.
    for _, same in groupby(sorted(references), lambda reference: reference.partition(":")[0]):
        names = list(same)
        found = features.get_historical_features(timed, names, timestamp=_INSTANT, full_feature_names=True)
        for name, column in zip(names, found.columns[timed.num_columns :], strict=True):
            rows = rows.append_column(name, column)
    return rows


def predict(
    graph: ModelGraph, rows: TableLike, features: FeatureStore, timestamp: str | None, *, stages: bool = False
) -> pa.Table:
    """Return the predicted columns, then the rows as they were given."""
    predicted = models.predict(graph, with_features(graph, rows, features, timestamp), stages=stages)
    return predicted.drop_columns([name for name in looked_up(graph) if name in predicted.column_names])


def row_predictor(graph: ModelGraph, features: FeatureStore, *, now: int | None = None) -> RowPredictor:
    """Return the row function of a graph, which reads features online: as they are when it is asked, or at an instant
    in microseconds."""
    return models.row_predictor(graph, look_up(graph, features, now=now))


def look_up(graph: ModelGraph, features: FeatureStore | None, *, now: int | None = None) -> LookUp | None:
    """Return what gives the features of one row online: as they are when it is asked, or at an instant."""
    references = looked_up(graph)
    if not references or features is None:
        return None
    reader = reference_reader(references, features.places.metadata, features.places.online)
    places = [reader.columns.index(reference) for reference in references]

    def found(given: Mapping[str, Any]) -> list[Any]:
        values, _ = reader.row(given, now=now)
        return [list(v) if isinstance(v := values[place], tuple) else v for place in places]

    return found
