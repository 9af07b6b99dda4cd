"""Predictions of models that look features up: many rows joined with them first, one row by what reads them online."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from penstock import models
from penstock.core.artifact import Source
from penstock.core.graph import ModelGraph
from penstock.core.model import Model
from penstock.core.ports import MetadataStore
from penstock.features import FeatureStore, feature_facts, have_times, join_history, reference_reader
from penstock.models import LookUp, RowPredictor, feature_references, looked_up
from penstock.tables import TableLike, arrow_type, read, to_arrow

_INSTANT = "penstock:now"


def check_features(model: Model, metadata: MetadataStore) -> None:
    """Raise `UnknownNameError` where a model looks up a feature that is not there, before anything runs."""
    for reference in feature_references(model):
        feature_facts(metadata, reference)


def with_features(graph: ModelGraph, rows: TableLike, features: FeatureStore) -> TableLike:
    """Return rows with what a model graph looks up behind their columns: as of the rows' times, where they have any,
    else as it is online now. Rows for a graph that looks nothing up come back as they are."""
    references = looked_up(graph)
    if not references:
        return rows
    table = read(rows) if isinstance(rows, Source) else to_arrow(rows)
    given = table.drop_columns([name for name in references if name in table.column_names])
    metadata = features.places.metadata
    if have_times(given, references, metadata):
        return join_history(given, references, metadata, features.past)
    return reference_reader(references, metadata, features.places.online).table(given)


def as_of(graph: ModelGraph, rows: pa.Table, features: FeatureStore | None, now: int) -> pa.Table:
    """Return rows with what a model graph looks up as the history has it at an instant, in microseconds."""
    references = looked_up(graph)
    if not references or features is None:
        return rows
    timed = rows.append_column(_INSTANT, pa.array(np.full(rows.num_rows, now)).view(arrow_type("timestamp")))
    return join_history(timed, references, features.places.metadata, features.past, timestamp=_INSTANT)


def predict(graph: ModelGraph, rows: TableLike, features: FeatureStore) -> pa.Table:
    """Return the predicted columns, then the rows as they were given."""
    predicted = models.predict(graph, with_features(graph, rows, features))
    return predicted.drop_columns([name for name in looked_up(graph) if name in predicted.column_names])


def row_predictor(graph: ModelGraph, features: FeatureStore) -> RowPredictor:
    """Return the row function of a graph, which reads features online as it is asked."""
    return models.row_predictor(graph, look_up(graph, features))


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
