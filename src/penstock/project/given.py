"""What a user hands over as rows: a table, a path, a name, a query."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from penstock import sql
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.project.catalog import ProjectCatalog
from penstock.project.codecs import load_artifact
from penstock.project.driving import resolve_source
from penstock.project.fitting import fit_pipeline, is_query, named_rows
from penstock.project.tabling import find_table
from penstock.tables import TableLike


def given_rows(rows: TableLike | None, catalog: ProjectCatalog) -> TableLike:
    """Return what a user calls rows: a query is run; a name is a table that was made, or a declared one; a path starts
    at the project's root."""
    match rows:
        case None:  # a model that comes as a file learns from none
            return pa.table({"nothing": pa.array([], pa.int64())})
        case str() if is_query(rows):
            return sql.run_query(rows, catalog)[0]
        case str() if rows not in catalog.config.tables and (made := find_table(catalog.metadata, rows)) is not None:
            table: pa.Table = load_artifact(made, catalog.store)
            return table
        case str() | Path():
            return resolve_source(catalog.config, str(rows))
    return rows


def fit_on(model: Model, rows: TableLike | None, catalog: ProjectCatalog) -> Pipeline:
    """Return the pipeline that fits a model on what a user calls rows, and registers it. The tables and models that a
    query read are inputs of it, as those of CREATE MODEL are."""
    if isinstance(rows, str) and is_query(rows):
        return catalog.fitting(model, *sql.run_query(rows, catalog), alias=None)
    given = named_rows(given_rows(rows, catalog), catalog.metadata, catalog.store)
    return fit_pipeline(model, given, alias=None)
