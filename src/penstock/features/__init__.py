"""Features: sets of them registered, ingested into a history, served as of any time and at low latency."""

from __future__ import annotations

from penstock.features.applied import Applied
from penstock.features.declare import FeatureSet, feature_set
from penstock.features.discovery import Hit, SetLineage
from penstock.features.ingest import Ingested
from penstock.features.lmdb_store import LmdbStore
from penstock.features.online import OnlineReader
from penstock.features.online_store import OnlineStore
from penstock.features.retrieval import FeatureReader
from penstock.features.services import FeatureService, feature_service
from penstock.features.store import FeatureStore, Places
from penstock.features.versions import Differences, Registered
from penstock.features.view import FeatureSetView

__all__ = [
    "Applied",
    "Differences",
    "FeatureReader",
    "FeatureService",
    "FeatureSet",
    "FeatureSetView",
    "FeatureStore",
    "Hit",
    "Ingested",
    "LmdbStore",
    "OnlineReader",
    "OnlineStore",
    "Places",
    "Registered",
    "SetLineage",
    "feature_service",
    "feature_set",
]
