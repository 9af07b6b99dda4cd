"""The feature store of a project: its places as the configuration has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.errors import DeclarationError
from penstock.features import FeatureStore, LmdbStore, OnlineStore, Places, RedisStore, stream_at
from penstock.project.config import Config
from penstock.project.driving import history_uri
from penstock.secrets import REDIS_PASSWORD, Secret, without_password


def feature_store(config: Config, metadata: MetadataStore, rows: Callable[[Any], Any]) -> FeatureStore:
    """Return the feature store of a project; nothing is opened or made before it is used. `rows` finds what a text
    stands for."""
    return FeatureStore(
        Places(
            metadata=metadata,
            history=history_uri(config),
            index=config.state / "index",
            online=_online(config),
            rows=lambda given: stream_at(given) or rows(given),
        )
    )


def _online(config: Config) -> OnlineStore:
    address = config.stores.online
    scheme, _, path = address.partition(":")
    if scheme == "lmdb" and path:
        return LmdbStore(config.root / path)
    if scheme in ("redis", "rediss") and path.startswith("//"):
        name = config.project.name or config.root.name
        return RedisStore(address, project=name, password=lambda: Secret(REDIS_PASSWORD).find(config.secrets))
    raise DeclarationError(
        f'online = "{without_password(address)}" in [stores]: write "lmdb:.penstock/online", "redis://host:6379/0", or '
        '"rediss://host:6379/0" (with TLS)'
    )
