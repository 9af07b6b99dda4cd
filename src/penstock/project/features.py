"""The feature store of a project: its places as the configuration has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.features import FeatureStore, Places, open_online, stream_at
from penstock.project.config import Config
from penstock.project.driving import open_histories


def feature_store(config: Config, metadata: MetadataStore, rows: Callable[[Any], Any]) -> FeatureStore:
    """Return the feature store of a project; nothing is opened or made before it is used. `rows` finds what a text
    stands for."""
    return FeatureStore(
        Places(
            metadata=metadata,
            history=open_histories(config),
            index=config.state / "index",
            online=open_online(
                config.stores.online,
                root=config.root,
                project=config.project.name or config.root.name,
                secrets=config.secrets,
            ),
            rows=lambda given: stream_at(given) or rows(given),
        )
    )
