"""What a user hands over as rows: a table, a path, a name, a query."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from penstock import sql
from penstock.cascades import Cascade
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.errors import ConflictError, DeclarationError
from penstock.models import as_of_column
from penstock.project.catalog import ProjectCatalog
from penstock.project.codecs import load_artifact
from penstock.project.driving import resolve_source
from penstock.project.fitting import fit_pipeline, is_query, named_rows
from penstock.project.looking_up import check_features
from penstock.project.tabling import find_made
from penstock.tables import TableLike, to_arrow


class GivenTables:
    """Tables that Python hands over under a name, for the statements of one project object."""

    def __init__(self, catalog: Callable[[], ProjectCatalog]) -> None:
        self.rows: dict[str, pa.Table] = {}
        self._catalog = catalog

    def declare(self, name: str, rows: TableLike) -> None:
        """Let SQL, `fit`, `predict` and `evaluate` of this project object read rows under a name.

        Rows are an Arrow, polars or pandas table, a list of dicts, a path, a query. A name that was given before stands
        for the new rows; one of penstock.toml, or that a statement made, is a `ConflictError`. A statement that keeps
        something (CREATE TABLE, CREATE MODEL) has the rows in its lineage, by their content.
        """
        catalog = self._catalog()
        if name in catalog.config.tables or find_made(catalog.metadata, name) is not None:
            raise ConflictError(f"'{name}' is a table of the project already; give these rows another name")
        self.rows[name] = to_arrow(given_rows(rows, catalog))


def given_rows(rows: TableLike | None, catalog: ProjectCatalog) -> TableLike:
    """Return what a user calls rows: a query is run; a name is a table or a view that was made or given, or a declared
    table; a path starts at the project's root."""
    match rows:
        case None:  # a model that comes as a file learns from none
            return pa.table({"nothing": pa.array([], pa.int64())})
        case str() if (query := _query(rows, catalog)) is not None:
            return sql.run_query(query, catalog)[0]
        case str() if rows in catalog.given:
            return catalog.given[rows]
        case str() if rows not in catalog.config.tables and (made := find_made(catalog.metadata, rows)) is not None:
            table: pa.Table = load_artifact(made.artifact, catalog.store)
            return table
        case str() | Path():
            return resolve_source(catalog.config, str(rows))
    return rows


def fit_on(model: Model | Cascade, rows: TableLike | None, timestamp: str | None, catalog: ProjectCatalog) -> Pipeline:
    """Return the pipeline that fits a model on what a user calls rows, and registers it. The tables and models that a
    query read are inputs of it, as those of CREATE MODEL are. `timestamp` is as of which column features are joined."""
    model = as_of(model, timestamp)
    check_features(model, catalog.metadata)
    if isinstance(rows, str) and (query := _query(rows, catalog)) is not None:
        return catalog.fitting(model, *sql.run_query(query, catalog), alias=None)
    given = named_rows(given_rows(rows, catalog), catalog.metadata, catalog.store)
    return fit_pipeline(model, given, alias=None)


def as_of(model: Model | Cascade, timestamp: str | None) -> Model | Cascade:
    """Return a model that looks features up as of a column; a cascade says itself as of which."""
    if isinstance(model, Model):
        return as_of_column(model, timestamp)
    if timestamp is not None:
        raise DeclarationError(
            f"cascade '{model.name}' declares the column with each row's time itself: ps.cascade(..., "
            f"time={timestamp!r}); leave timestamp= out"
        )
    return model


def _query(text: str, catalog: ProjectCatalog) -> str | None:
    """Return the query that a text is, or the one that reads the view of that name; None where it is neither."""
    if is_query(text):
        return text
    if text in catalog.config.tables or text in catalog.given:
        return None
    made = find_made(catalog.metadata, text)
    return f"SELECT * FROM `{text}`" if made is not None and made.type == "VIEW" else None
