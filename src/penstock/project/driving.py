"""How a project plans and runs a pipeline: with its stores, its engine, its tables and its registry handed down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import models, tables
from penstock.core.artifact import Source
from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, Context, MetadataStore
from penstock.core.run import Run as RunRecord
from penstock.engines import open_engine
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import OnEvent, Services, execute, observe_file
from penstock.project.codecs import CODECS
from penstock.project.config import Config
from penstock.project.worker import ENTRY


def resolve_source(config: Config, text: str) -> Source:
    """Return the rows that a path, a pattern or a declared name stands for now."""
    return tables.resolve(text, root=config.root, declared=config.tables, cache=config.state / "unpacked")


def metadata_url(config: Config) -> str:
    """Return the address of the metadata store; a relative SQLite path is relative to the project's root."""
    scheme, slashes, path = config.stores.metadata.partition(":///")
    return f"{scheme}{slashes}{config.root / path}" if scheme == "sqlite" and slashes else config.stores.metadata


def artifacts_uri(config: Config) -> str:
    """Return the address of the artifact store; a relative path is relative to the project's root."""
    given = config.stores.artifacts
    return given if "://" in given else str(config.root / given)


def services(config: Config, metadata: MetadataStore, artifacts: ArtifactStore) -> Services:
    """Bundle what planning and running need of this project."""

    def observe(name: str) -> str:
        kind, _, what = name.partition(":")
        return _alias_version(metadata, what) if kind == "alias" else observe_file(name)

    return Services(
        metadata=metadata,
        artifacts=artifacts,
        codecs=CODECS,
        sources=lambda text: resolve_source(config, text),
        observe=observe,
        entry=ENTRY,
        context=Context(root=str(config.root), metadata=metadata_url(config), artifacts=artifacts_uri(config)),
        logs=config.state / "logs",
        paths=(str(config.root),),
    )


def drive(
    pipeline: Pipeline,
    given: Services,
    config: Config,
    *,
    engine: str | None = None,
    on_event: OnEvent | None = None,
    **how: Any,
) -> RunRecord:
    """Run a pipeline to its end on an engine of its own."""
    name = engine or config.engine.default
    opened = open_engine(name, slots=config.engine.slots or None)
    try:
        return execute(pipeline, given, engine=opened, engine_name=name, on_event=on_event or (lambda _: None), **how)
    finally:
        opened.close()


def _alias_version(metadata: MetadataStore, reference: str) -> str:
    try:
        return str(models.resolve_version(metadata, reference).version)
    except UnknownNameError:
        return ""


def project_root(path: str | Path) -> Path:
    """Return the folder of a project, which must exist: state is made in it, never beside it."""
    root = Path(path).resolve()
    if not root.is_dir():
        raise DeclarationError(f"there is no folder {root}; make it, or run: penstock init {path}")
    return root
