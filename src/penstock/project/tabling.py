"""Tables and views that CREATE statements make: artifacts with a name, made by a run that says what they come from."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

from penstock import components
from penstock.artifacts import NAMES, names, resolve
from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline
from penstock.core.ports import Context, MetadataStore
from penstock.core.run import NameChange, NamedVersion, Run
from penstock.errors import ConflictError, StepError, UnknownNameError
from penstock.pipelines import pipeline, step, trace
from penstock.stores import open_metadata

TABLES, VIEWS = "table ", "view "
"""How the pipelines that make tables and views are called, before the name of what they make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A named artifact that SQL reads: a table, whoever made it, or the text of a view."""

    type: Literal["BASE TABLE", "VIEW"]
    artifact: Artifact
    created: float


@step
def query(statement: str, rows: str, tables: dict[str, Any], models: dict[str, Any], context: Context) -> Artifact:
    """Hand on the rows that a statement's query gave (by their digest); the tables and models that it read are inputs,
    so that lineage knows them."""
    print(statement)
    found = open_metadata(context.metadata).get(Artifact, rows)
    if found is None:
        raise StepError(f"the rows {rows[:12]} of the statement are not recorded any more; run it again")
    return found


class Read(TypedDict):
    """What a statement read, by name: sources and stored tables, and the graphs of models."""

    tables: dict[str, Any]
    models: dict[str, Any]


def table_pipeline(name: str, rows: Artifact, statement: str, read: Read) -> Pipeline:
    """Declare the pipeline that gives rows a name; `read` holds the tables and models that the statement read."""

    @pipeline(name=f"{TABLES}{name}")
    def declared() -> None:
        given: Any = query(statement, rows.digest, **read)
        components.name(given, name)

    return trace(declared)


@step
def define(query: str, tables: dict[str, Any], models: dict[str, Any]) -> str:
    """Hand on the query of a view; the tables and models that it reads are inputs, so that lineage knows them."""
    return query


def view_pipeline(name: str, query: str, read: Read) -> Pipeline:
    """Declare the pipeline that gives the query of a view a name."""

    @pipeline(name=f"{VIEWS}{name}")
    def declared() -> None:
        given: Any = define(query, **read)
        components.name(given, name)

    return trace(declared)


def made_tables(metadata: MetadataStore) -> dict[str, Made]:
    """Return the names that stand for tables and views, whoever made them."""
    found = ((name, find_made(metadata, name)) for name in names(metadata, NAMES))
    return {name: made for name, made in found if made is not None}


def find_made(metadata: MetadataStore, name: str) -> Made | None:
    """Return the table or the view that a name stands for now; None where there is none, or it is collected."""
    if not metadata.find(NamedVersion, name=name, limit=1):
        return None
    standing = resolve(metadata, NAMES, name)
    found = metadata.get(Artifact, standing.digest)
    if found is None:
        return None
    if found.kind == "table":
        return Made(type="BASE TABLE", artifact=found, created=standing.created)
    if found.kind == "text" and _maker(metadata, name) == f"{VIEWS}{name}":
        return Made(type="VIEW", artifact=found, created=standing.created)
    return None


def _maker(metadata: MetadataStore, name: str) -> str:
    """Return the pipeline that made what a name stands for; "" where no run did."""
    maker = metadata.get(Run, resolve(metadata, NAMES, name).lineage.get("run", ""))
    return "" if maker is None else maker.pipeline


def expire_others(metadata: MetadataStore, name: str) -> None:
    """Let go of what a table was before: it is found by its number until it is collected."""
    standing = resolve(metadata, NAMES, name)
    for version in metadata.find(NamedVersion, name=name):
        if version.version != standing.version and version.expires is None:
            metadata.write(replace(version, expires=time.time()))


def forget_table(metadata: MetadataStore, name: str) -> None:
    """Take a name that CREATE TABLE or CREATE VIEW made back; what it named is collected once nothing else keeps it.

    Raises `ConflictError` for a name that something else made: a pipeline's `ps.name`, a person.
    """
    if find_made(metadata, name) is None:
        raise UnknownNameError("table", name, made_tables(metadata))
    if _maker(metadata, name) not in (f"{TABLES}{name}", f"{VIEWS}{name}"):
        raise ConflictError(f"table '{name}' was not made by CREATE TABLE; it cannot be dropped here")
    metadata.delete(NameChange, name=name)
    metadata.delete(NamedVersion, name=name)
