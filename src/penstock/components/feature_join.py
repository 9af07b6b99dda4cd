"""The component that joins rows with features as of each row's time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from penstock import features as store, models
from penstock.components.feature_ingest import ingested_rows
from penstock.core.artifact import Source
from penstock.core.model import Model
from penstock.core.ports import Context
from penstock.errors import DataError, StepError
from penstock.features import Features
from penstock.pipelines import given_before, step
from penstock.stores import open_metadata
from penstock.tables import Table


@step(name="historical_features")
def joined_features(
    rows: Table,
    features: Source,
    *,
    timestamp: str | None = None,
    by_reference: bool = False,
    after: Any = (),
    context: Context,
) -> Table:
    """Return rows with features as of each row's time behind their columns; `after` are ingests of the same run, whose
    rows count."""
    made = store.join_source(
        rows,
        features,
        open_metadata(context.metadata),
        secrets=context.secrets,
        timestamp=timestamp,
        ingests=list(_flat(after)),
    )
    if by_reference:
        return made
    names = [name.partition(":")[2] for name in made.column_names[rows.num_columns :]]
    twice = next((name for name in names if [*rows.column_names, *names].count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"two columns would be called '{twice}'; rename that of the rows, or join the features in two steps",
            field=twice,
        )
    return made.rename_columns([*rows.column_names, *names])


def historical_features(
    rows: Any,
    features: Features | Model,
    *,
    timestamp: str | None = None,
    by_reference: bool = False,
    when: Any = True,
) -> Any:
    """Join rows with features as they were at each row's time: in a pipeline, a step that runs again when rows of those
    features' histories have come or gone.

    `features` are references, a feature service, or a model: then the features that it looks up, in columns named by
    their references (as with `by_reference`), which is where `ps.fit` takes them from. `timestamp` is the column with
    each row's time (default that of the model's option `feature_timestamp_col`, else `event_timestamp`, else that of
    the feature's set). Rows count that `ps.ingest` stored before in the same pipeline, and those that were there when
    the run began.
    """
    if isinstance(rows, pa.Table):
        raise StepError(
            "ps.historical_features is a step of a pipeline; of a project ask "
            "project.features.get_historical_features(rows, features)"
        )
    if isinstance(features, Model):
        timestamp, by_reference = timestamp or models.row_times(features), True
        features = models.feature_references(features)
    text: Any = store.features_text(features)  # the run finds what it stands for
    after = given_before(ingested_rows)
    waits = {"after": after} if after else {}
    return joined_features(rows, text, timestamp=timestamp, by_reference=by_reference, when=when, **waits)


def _flat(given: Any) -> Iterator[dict[str, Any]]:
    """Yield what ingests gave: each one result, a mapped one a list of them, one that was skipped nothing."""
    for each in given:
        if isinstance(each, list):
            yield from _flat(each)
        elif each is not None:
            yield each


def known_features(model: Model, rows: Table, context: Context | None) -> list[models.KnownFeature]:
    """Return what the columns of rows are that a model looks up."""
    if context is None:  # called by itself, outside a run: with whatever has rows
        return []
    names = models.lookup_columns(model, rows.column_names)
    if not names:
        return []
    metadata = open_metadata(context.metadata)
    facts = {name: store.feature_facts(metadata, name) for name in names}
    return [models.KnownFeature(reference=name, type=type, given=given) for name, (type, given) in facts.items()]
