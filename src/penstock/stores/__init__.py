"""Where bytes and records are kept: blobs by digest on local disk, records in SQLite, and how values become bytes.

What has to do with records is loaded when it is first used: a worker keeps none, and SQLAlchemy would double its pages.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.stores.blobs import LocalArtifactStore, open_artifacts
from penstock.stores.codecs import CODECS, PLAIN_CODECS
from penstock.stores.collections import with_collections
from penstock.stores.layered import LayeredStore
from penstock.stores.writing import disk_errors

if TYPE_CHECKING:
    from penstock.stores.members import Member, Members, members_of
    from penstock.stores.metadata import SqlMetadata, open_metadata
    from penstock.stores.sweeping import LocalSweeper, Sweeper, open_sweeper

__all__ = [
    "CODECS",
    "PLAIN_CODECS",
    "LayeredStore",
    "LocalArtifactStore",
    "LocalSweeper",
    "Member",
    "Members",
    "SqlMetadata",
    "Sweeper",
    "disk_errors",
    "members_of",
    "open_artifacts",
    "open_metadata",
    "open_sweeper",
    "with_collections",
]

_RECORDS = {
    "Member": "members", "Members": "members", "members_of": "members", "SqlMetadata": "metadata",
    "open_metadata": "metadata", "LocalSweeper": "sweeping", "Sweeper": "sweeping", "open_sweeper": "sweeping",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _RECORDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_RECORDS[name]}"), name)
