"""The online store that an address stands for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from penstock.errors import DeclarationError
from penstock.features.online.lmdb_store import LmdbStore
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.redis_store import RedisStore
from penstock.secrets import REDIS_PASSWORD, Secret, without_password


def open_online(address: str, *, root: Path, project: str, secrets: Mapping[str, str]) -> OnlineStore:
    """Return the online store at an address: `lmdb:` and a path from `root`, or that of a Redis server."""
    scheme, _, path = address.partition(":")
    if scheme == "lmdb" and path:
        return LmdbStore(root / path)
    if scheme in ("redis", "rediss") and path.startswith("//"):
        return RedisStore(address, project=project, password=lambda: Secret(REDIS_PASSWORD).find(dict(secrets)))
    raise DeclarationError(
        f'online = "{without_password(address)}" in [stores]: write "lmdb:.penstock/online", "redis://host:6379/0", or '
        '"rediss://host:6379/0" (with TLS)'
    )
