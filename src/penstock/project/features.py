"""The feature store of a project: its places as the configuration has them."""

from __future__ import annotations

from penstock.core.ports import MetadataStore
from penstock.errors import DeclarationError
from penstock.features import FeatureStore, LmdbStore, OnlineStore, Places
from penstock.project.config import Config
from penstock.project.driving import resolve_source


def feature_store(config: Config, metadata: MetadataStore) -> FeatureStore:
    """Return the feature store of a project; nothing is opened or made before it is used."""
    history = config.stores.history
    return FeatureStore(
        Places(
            metadata=metadata,
            history=history if "://" in history else str(config.root / history),
            index=config.state / "index",
            online=_online(config),
            source=lambda text: resolve_source(config, text),
        )
    )


def _online(config: Config) -> OnlineStore:
    scheme, _, path = config.stores.online.partition(":")
    if scheme == "lmdb" and path:
        return LmdbStore(config.root / path)
    raise DeclarationError(
        f'online = {config.stores.online!r} in [stores]: write "lmdb:.penstock/online"; there is no other store yet'
    )
