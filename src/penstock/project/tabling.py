"""Tables that CREATE TABLE makes: artifacts with a name, made by a run that says what their rows come from."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, TypedDict

from penstock import components
from penstock.artifacts import NAMES, names, resolve
from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline
from penstock.core.ports import Context, MetadataStore
from penstock.core.run import NameChange, NamedVersion, Run
from penstock.errors import ConflictError, StepError, UnknownNameError
from penstock.pipelines import pipeline, step, trace
from penstock.stores import open_metadata

TABLES = "table "
"""How the pipelines that make tables are called, before the name of the table."""


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


def named_tables(metadata: MetadataStore) -> list[str]:
    """Return the names that stand for tables, whoever made them."""
    return [name for name in names(metadata, NAMES) if find_table(metadata, name) is not None]


def find_table(metadata: MetadataStore, name: str) -> Artifact | None:
    """Return the table that a name stands for now; None where there is none, or it is collected."""
    if not metadata.find(NamedVersion, name=name, limit=1):
        return None
    found = metadata.get(Artifact, resolve(metadata, NAMES, name).digest)
    return found if found is not None and found.kind == "table" else None


def expire_others(metadata: MetadataStore, name: str) -> None:
    """Let go of what a table was before: it is found by its number until it is collected."""
    standing = resolve(metadata, NAMES, name)
    for version in metadata.find(NamedVersion, name=name):
        if version.version != standing.version and version.expires is None:
            metadata.write(replace(version, expires=time.time()))


def forget_table(metadata: MetadataStore, name: str) -> None:
    """Take a name that CREATE TABLE made back; what it named is collected once nothing else keeps it.

    Raises `ConflictError` for a name that something else made: a pipeline's `ps.name`, a person.
    """
    if find_table(metadata, name) is None:
        raise UnknownNameError("table", name, named_tables(metadata))
    maker = metadata.get(Run, resolve(metadata, NAMES, name).lineage.get("run", ""))
    if maker is None or maker.pipeline != f"{TABLES}{name}":
        raise ConflictError(f"table '{name}' was not made by CREATE TABLE; it cannot be dropped here")
    metadata.delete(NameChange, name=name)
    metadata.delete(NamedVersion, name=name)
