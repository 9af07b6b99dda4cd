"""A fit outside a declared pipeline is a pipeline run too: two steps, fit and register, recorded like any other."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from penstock import cascades, components
from penstock.cascades import Cascade
from penstock.core.artifact import Artifact, Source
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.pipelines import pipeline, trace
from penstock.project.codecs import CODECS
from penstock.project.tabling import Read, query
from penstock.tables import TableLike, to_arrow

_QUERY = re.compile(r"\s*(--.*\n\s*)*(select|with)\b", re.IGNORECASE)


def is_query(text: str) -> bool:
    """Tell whether a text is a query, and not the name of rows."""
    return _QUERY.match(text) is not None


def fit_pipeline(
    model: Model | Cascade, rows: Artifact | str, *, alias: str | None, statement: str = "", read: Read | None = None
) -> Pipeline:
    """Declare the pipeline that fits a model on rows (an artifact, or a text that names a source) and registers it.

    Rows that a SQL statement gave come with it, and with the tables and models that it read.
    """

    @pipeline(name=f"fit {model.name}")
    def declared() -> None:
        given: Any = components.read(rows) if isinstance(rows, str) else rows
        if read is not None and isinstance(rows, Artifact):
            given = query(statement, rows.digest, **read)
        given = cascades.with_features(model, given)
        graph = cascades.train(model, given) if isinstance(model, Cascade) else components.fit(model, given)
        components.push(graph, name=model.name, alias=alias)

    return trace(declared)


def named_rows(rows: TableLike, metadata: MetadataStore, store: ArtifactStore) -> Artifact | str:
    """Return rows as what a run can name: a source by its text, rows in memory as an artifact (equal rows are one)."""
    return rows.name if isinstance(rows, Source) else saved_rows(to_arrow(rows), metadata, store)


def saved_rows(rows: pa.Table, metadata: MetadataStore, store: ArtifactStore) -> Artifact:
    """Return a table as an artifact; equal rows are one."""
    codec = next(codec for codec in CODECS if codec.kind == "table")
    artifact = codec.save(rows, store)
    if metadata.get(Artifact, artifact.digest) is None:
        metadata.write(artifact)
    return artifact
