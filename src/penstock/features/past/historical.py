"""Historical features: for each row given, what was known of its entity at its time. One row out for each row in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from penstock.errors import DataError
from penstock.features.declared.references import Wanted, by_set, with_features
from penstock.features.declared.versions import Registered
from penstock.features.index.keys import Numbers
from penstock.features.index.retrieval_index import FeatureIndex, microseconds
from penstock.features.index.window_history import Questions, as_columns, no_entity, window_features
from penstock.features.ingest.checking import fitted_keys
from penstock.features.past.stored_history import stored_features

EVENT_TIMESTAMP = "event_timestamp"
"""The column of the rows given that says as of when, unless they have the set's own."""

IndexOf = Callable[[Registered], FeatureIndex]


def get_historical_features(
    rows: pa.Table,
    wanted: Sequence[Wanted],
    index_of: IndexOf,
    *,
    timestamp: str | None = None,
    known: str | None = None,
    statuses: bool = False,
    until: Callable[[Registered], int | None] = lambda _: None,
) -> pa.Table:
    """Return the rows with the features behind their columns.

    `timestamp` is the column with the instant of each row (default `event_timestamp`); without such a column every row
    is asked for now. `known` is the column with the time up to which rows must have been known. `until` gives the
    sequence number up to which rows of a set's history count.
    """
    _check_taken(rows, wanted)
    columns: dict[str, pa.Array] = {}
    for group in by_set(wanted):
        definition = group[0].registered.definition
        index = index_of(group[0].registered)
        keys = fitted_keys(definition, rows)
        times = _times(rows, timestamp, definition.set.timestamp)
        horizon = None if known is None else _instants(rows, known)
        asked = Questions(keys, times, horizon, until(group[0].registered))
        stored = [each for each in group if each.feature in definition.stored]
        if stored:
            columns |= stored_features(index, stored, asked, statuses=statuses)
        windowed = [each for each in group if each.feature in definition.windowed]
        if windowed:
            made = window_features(definition.windows, index.window_rows(), [each.feature for each in windowed], asked)
            columns |= as_columns(windowed, made, no_entity(keys), statuses=statuses)
    return with_features(rows, wanted, columns, statuses=statuses)


def _check_taken(rows: pa.Table, wanted: Sequence[Wanted]) -> None:
    for each in wanted:
        if each.column in rows.column_names:
            raise DataError(
                f"the rows have a column '{each.column}' already; ask with full_feature_names=True, or leave it out",
                field=each.column,
            )


def _times(rows: pa.Table, timestamp: str | None, own: str) -> Numbers:
    for name in (timestamp,) if timestamp else (EVENT_TIMESTAMP, own):
        if name in rows.column_names:
            return _instants(rows, name)
    if timestamp:
        raise DataError(f"the rows have no column '{timestamp}'; they have: {', '.join(rows.column_names)}")
    return np.full(rows.num_rows, time.time_ns() // 1000, dtype=np.int64)


def _instants(rows: pa.Table, name: str) -> Numbers:
    if name not in rows.column_names:
        raise DataError(f"the rows have no column '{name}'; they have: {', '.join(rows.column_names)}", field=name)
    column = rows.column(name)
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise DataError(f"the time '{name}' is {column.type}; it has to be a timestamp with a zone", field=name)
    if column.null_count:
        first = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"row {first} has no time: '{name}' is NULL there", field=name)
    return microseconds(column)
