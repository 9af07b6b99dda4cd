"""How a project plans and runs a pipeline: with its stores, its engine, its tables and its registry handed down."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from penstock import tables
from penstock.artifacts import MODELS, NAMES, Register, expired, find_named, resolve
from penstock.core.artifact import Source
from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, Context, MetadataStore
from penstock.core.run import NamedVersion
from penstock.engines import open_engine
from penstock.errors import DeclarationError, UnknownNameError
from penstock.features import FEATURES, TARGET, Histories, Past, feature_source, target_source
from penstock.pipelines import Event, OnEvent, Plan, RunStarted, Services, execute, observe, plan
from penstock.production.labelled import LABELLED, labelled_source
from penstock.project.codecs import CODECS
from penstock.project.config import Config
from penstock.project.images import engine_options, on_engine
from penstock.project.worker import ENTRY
from penstock.stores import members_of


def resolve_source(config: Config, text: str, *, as_of: datetime.datetime | None = None) -> Source:
    """Return the rows that a path, a pattern or a declared name stands for now, or stood for at an instant."""
    cache = config.state / "unpacked"
    return tables.resolve(text, root=config.root, declared=config.tables, cache=cache, as_of=as_of)


def _source(config: Config, metadata: MetadataStore, text: str) -> Source:
    """Return what a text of a pipeline stands for: rows, features as they are now, a feature set, or logged rows."""
    if text.startswith(LABELLED):
        return labelled_source(text, config.requests, config.labels)
    if not text.startswith((FEATURES, TARGET)):
        return resolve_source(config, text)
    histories, index = open_histories(config), config.state / "index"
    history = histories.address
    if text.startswith(TARGET):
        name = config.project.name or config.root.name
        return target_source(metadata, text, history=history, index=index, online=config.stores.online, project=name)
    return feature_source(metadata, Past(histories, index), text, history=history, index=index)


def open_histories(config: Config) -> Histories:
    """Return where the histories of features are; a relative path is relative to the project's root."""
    given = config.stores.history
    return Histories(given if "://" in given else str(config.root / given), config.secrets)


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

    def seen(name: str) -> str:
        kind, _, what = name.partition(":")
        match kind:
            case "alias":
                return _pointing(metadata, MODELS, what)
            case "name":
                return _pointing(metadata, NAMES, what)
        return observe(name)

    return Services(
        metadata=metadata,
        artifacts=artifacts,
        codecs=CODECS,
        sources=lambda text: _source(config, metadata, text),
        observe=seen,
        named=lambda reference: find_named(metadata, reference),
        entry=ENTRY,
        context=Context(
            root=str(config.root),
            metadata=metadata_url(config),
            artifacts=artifacts_uri(config),
            secrets=config.secrets,
        ),
        logs=config.state / "logs",
        log_bytes=config.logs.size_bytes,
        paths=(str(config.root),),
    )


def drive(
    pipeline: Pipeline,
    given: Services,
    config: Config,
    *,
    engine: str | None = None,
    max_parallel: int | None = None,
    on_event: OnEvent | None = None,
    **how: Any,
) -> str:
    """Run a pipeline to its end on an engine of its own; return the run's id."""
    if max_parallel is not None and max_parallel < 1:
        raise DeclarationError(f"max_parallel is {max_parallel}; give how many steps may run at once: 1, 2, ...")
    name = engine or config.engine.default
    placed = on_engine(given, config, name, pipeline)
    members_of(given.artifacts).join(config.project.name or config.root.name, given.context.metadata)
    opened = open_engine(
        name, slots=max_parallel or config.engine.slots or None, **engine_options(config, name, given.artifacts)
    )
    try:
        return execute(pipeline, placed, engine=opened, engine_name=name, on_event=on_event, **_named(how)).id
    finally:
        opened.close()


def planned(
    pipeline: Pipeline, how: Mapping[str, Any], given: Services, config: Config, engine: str | None = None
) -> Plan:
    """Say what `drive` would do."""
    options = {name: value for name, value in _named(how).items() if name in _PLANNED}
    return plan(pipeline, on_engine(given, config, engine, pipeline), **options)


_PLANNED = ("only", "since", "until", "mode", "override", "resume", "states_from")


def _named(how: Mapping[str, Any]) -> dict[str, Any]:
    """Leave what was not given to the defaults."""
    return {name: value for name, value in how.items() if value is not None}


def drive_apart(
    pipeline: Pipeline, given: Services, config: Config, *, on_event: OnEvent | None = None, **how: Any
) -> str:
    """Start a run in a thread of this process and return its id once it is recorded; the process waits for it to end.

    What keeps it from starting is raised here.
    """
    begun: Queue[str | BaseException] = Queue()

    def tell(event: Event) -> None:
        if isinstance(event, RunStarted):
            begun.put(event.run.id)
        if on_event is not None:
            on_event(event)

    def work() -> None:
        try:
            drive(pipeline, given, config, on_event=tell, **how)
        except BaseException as error:
            begun.put(error)  # raised below; once the run has begun its record says how it ended

    Thread(target=work, name=f"penstock-run-{pipeline.name}").start()
    first = begun.get()
    if isinstance(first, BaseException):
        raise first
    return first


def _pointing(metadata: MetadataStore, register: Register[Any, Any], reference: str) -> str:
    """Return the number of the version that an alias points at; "" where there is none, or its time is over."""
    try:
        version = resolve(metadata, register, reference)
    except UnknownNameError:
        return ""
    return "" if isinstance(version, NamedVersion) and expired(version, time.time()) else str(version.version)


def project_root(path: str | Path) -> Path:
    """Return the folder of a project, which must exist: state is made in it, never beside it."""
    root = Path(path).resolve()
    if not root.is_dir():
        raise DeclarationError(f"there is no folder {root}; make it, or run: penstock init {path}")
    return root
