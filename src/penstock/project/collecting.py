"""What a garbage collection of a project works on, and what it keeps: as called, else as configured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.artifacts import Place, Policy
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.units import seconds
from penstock.errors import DeclarationError
from penstock.project.config import Config
from penstock.project.driving import metadata_url
from penstock.stores import members_of, open_sweeper

_AS_CONFIGURED: Mapping[str, Any] = dict.fromkeys(
    ("keep_runs", "older_than", "runs_older_than", "firings_older_than", "keep_firings", "grace")
)


def gc_policy(config: Config, given: Mapping[str, Any] = _AS_CONFIGURED) -> Policy:
    """Return what to keep: what is given, and `[gc]` of the configuration where that is None."""
    wanted = {name: getattr(config.gc, name) if value is None else value for name, value in given.items()}
    keep = wanted["keep_runs"]
    if keep is not None and keep < 1:
        raise DeclarationError(f"keep_runs is {keep}; keep at least 1 run of each pipeline")
    if wanted["keep_firings"] < 0:
        raise DeclarationError(f"keep_firings is {wanted['keep_firings']}; keep 0 or more firings of each trigger")
    return Policy(
        keep_runs=keep,
        older_than_seconds=_seconds(wanted["older_than"], "older_than"),
        runs_older_than_seconds=_seconds(wanted["runs_older_than"], "runs_older_than"),
        firings_older_than_seconds=_seconds(wanted["firings_older_than"], "firings_older_than"),
        keep_firings=wanted["keep_firings"],
        grace_seconds=_seconds(wanted["grace"], "grace") or 0.0,
    )


def gc_place(config: Config, metadata: MetadataStore, store: ArtifactStore) -> Place:
    """Return what a collection works on; raises `StorageError` naming a project of the store that cannot be read."""
    others = [opened for _, opened in members_of(store).others(metadata_url(config))]
    return Place(metadata=metadata, sweeper=open_sweeper(store), state=config.state, root=config.root, others=others)


def metadata_bytes(config: Config) -> int:
    """Return how large the files of the records are; 0 where they are not files."""
    scheme, slashes, path = metadata_url(config).partition(":///")
    files = Path(path).parent.glob(f"{Path(path).name}*") if slashes and scheme == "sqlite" and path else ()
    return sum(file.stat().st_size for file in files)


def feature_folders(config: Config) -> dict[str, Path]:
    """Return the folders of the feature store that are here; a bucket and a server have none."""
    history, (scheme, _, online) = config.stores.history, config.stores.online.partition(":")
    places = {"history": None if "://" in history else config.root / history, "index": config.state / "index"}
    places["online"] = config.root / online if scheme == "lmdb" else None
    return {name: path for name, path in places.items() if path is not None}


def _seconds(value: float | str | None, what: str) -> float | None:
    return 0.0 if value in (0, "0") else None if value is None else seconds(value, what)
