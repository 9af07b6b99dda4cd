"""Where bytes and records are kept: blobs by digest on local disk, records in SQLite, and how values become bytes."""

from penstock.stores.blobs import LocalArtifactStore, open_artifacts
from penstock.stores.codecs import CODECS, PLAIN_CODECS
from penstock.stores.collections import with_collections
from penstock.stores.metadata import SqlMetadata, open_metadata

__all__ = [
    "CODECS",
    "PLAIN_CODECS",
    "LocalArtifactStore",
    "SqlMetadata",
    "open_artifacts",
    "open_metadata",
    "with_collections",
]
