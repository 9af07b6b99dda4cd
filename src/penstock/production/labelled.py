"""Logged rows with their labels as a source of a pipeline: what a model is judged on, and learns from, next time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.artifact import Source
from penstock.errors import DataError
from penstock.production.labels import LABEL, read_labels
from penstock.production.parts import parts, state_of
from penstock.production.reading import ids_of, last_of_each, read_versions
from penstock.production.records import INPUTS, OUTPUTS
from penstock.tables import schema_of

LABELLED = "labelled:"
"""What stands before a model's name in the text of such a source."""

_FORMAT = "labelled"
_PREDICTED, _PROBABILITIES = "predicted_", "_probs"


def labelled_source(text: str, requests: Path, labels: Path) -> Source:
    """Return the logged rows of a model as they are now; another row, or another label, is another digest."""
    digest = state_of([*parts(requests, text.removeprefix(LABELLED)), *parts(labels, text.removeprefix(LABELLED))])
    return Source(name=text, uris=(str(requests), str(labels)), format=_FORMAT, digest=digest)


def read_labelled(source: Source, *, since: str | float | None = None, until: str | float | None = None) -> pa.Table:
    """Return the rows that were answered from `since` to before `until` and have a label, in the order of their times:
    the inputs, the label as the model calls it, `predicted_<label>`, `id`, `time`, `version`. Of an id that was
    answered more than once, by whichever versions, the newest row: nobody learns from one that it is judged on.

    An input that has one of these names is called `input_<name>`. Raises `DataError` where no row has a label.
    """
    model, (requests, labels) = source.name.removeprefix(LABELLED), (Path(uri) for uri in source.uris)
    span: Any = {"since": _moment(since, "since"), "until": _moment(until, "until")}
    versions = read_versions(requests, model, columns=["id", "time", "version", INPUTS, OUTPUTS], **span)
    known = read_labels(labels, model, ids_of(versions)) if versions else None
    tables = {} if known is None else {each: _labelled(rows, known) for each, rows in versions.items()}
    tables = {version: rows for version, rows in tables.items() if rows.num_rows}
    if not tables:
        all_told = read_labels(labels, model)
        logged, told = sum(rows.num_rows for rows in versions.values()), 0 if all_told is None else all_told.num_rows
        raise DataError(
            f"no logged row of model '{model}' has a label: {logged} rows are logged in that time, and {told} labels "
            "are there; tell them with project.add_labels, by the ids of the log"
        )
    rows = _together(model, tables).sort_by([("time", "ascending"), ("version", "ascending"), ("id", "ascending")])
    return rows.take(pa.array(np.sort(last_of_each(rows["id"]))))


def _together(model: str, tables: Mapping[int, pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables(tables.values(), promote_options="permissive")
    except pa.ArrowTypeError as error:
        raise DataError(
            f"rows that versions {', '.join(map(str, tables))} of model '{model}' have answered cannot be put "
            f"together: {error}; say since= when the newest of them began to answer"
        ) from error


def _labelled(rows: pa.Table, known: pa.Table) -> pa.Table:
    places = pc.index_in(rows["id"].combine_chunks(), value_set=known["id"].combine_chunks())
    labels = known[LABEL].combine_chunks().take(places)
    there = labels.is_valid()
    rows, labels = rows.filter(there), labels.filter(there)
    predicted = _predicted(schema_of(rows.schema)[OUTPUTS].type, rows[OUTPUTS].type)
    outputs = rows[OUTPUTS].combine_chunks()
    columns: dict[str, Any] = {"id": rows["id"], "time": rows["time"], "version": rows["version"]}
    columns |= {predicted.removeprefix(_PREDICTED): labels, predicted: pc.struct_field(outputs, predicted)}
    if INPUTS in rows.column_names:
        inputs = rows[INPUTS].combine_chunks()
        for field in inputs.type:
            name = f"input_{field.name}" if field.name in columns else field.name
            columns[name] = pc.struct_field(inputs, field.name)
    return pa.table(columns)


def _predicted(said: str, outputs: pa.StructType) -> str:
    names: list[str] = [field.name for field in outputs if field.name.startswith(_PREDICTED)]
    single = [name for name in names if not name.endswith(_PROBABILITIES)]
    if len(single) != 1:
        raise DataError(f"the model predicts {said}; rows with labels are those of a model of one label")
    return single[0]


def _moment(value: str | float | None, name: str) -> float | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise DataError(f"{name} is '{value}'; give a time as 2026-11-25T03:00:00Z") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
