"""Where bytes and records are kept: blobs by digest on local disk, records in SQLite, and how values become bytes."""

from penstock.stores.blobs import LocalArtifactStore, open_artifacts
from penstock.stores.codecs import CODECS, PLAIN_CODECS
from penstock.stores.collections import with_collections
from penstock.stores.layered import LayeredStore
from penstock.stores.members import Member, Members, members_of
from penstock.stores.metadata import SqlMetadata, open_metadata
from penstock.stores.sweeping import LocalSweeper, Sweeper, open_sweeper
from penstock.stores.writing import disk_errors

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
