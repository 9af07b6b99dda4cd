"""Features: sets of them registered, ingested into a history, served as of any time and at low latency."""

from __future__ import annotations

from penstock.features.applied import Applied
from penstock.features.declare import FeatureSet, feature_set
from penstock.features.discovery import Hit, SetLineage
from penstock.features.historical import EVENT_TIMESTAMP
from penstock.features.ingest import Ingested
from penstock.features.json_schema import json_schema
from penstock.features.lmdb_store import LmdbStore
from penstock.features.online import OnlineReader
from penstock.features.online_lists import FeatureList
from penstock.features.online_store import OnlineStore
from penstock.features.plain_values import columns_from_json, plain_values, rows_as_columns
from penstock.features.redis_store import RedisStore
from penstock.features.retrieval import FeatureReader
from penstock.features.services import FeatureService, RegisteredService, feature_service
from penstock.features.statistics import FeatureStatistics, Statistics
from penstock.features.store import FeatureStore, Places
from penstock.features.versions import Differences, Registered, find_set
from penstock.features.view import FeatureSetView

__all__ = [
    "EVENT_TIMESTAMP",
    "Applied",
    "Differences",
    "FeatureList",
    "FeatureReader",
    "FeatureService",
    "FeatureSet",
    "FeatureSetView",
    "FeatureStatistics",
    "FeatureStore",
    "Hit",
    "Ingested",
    "LmdbStore",
    "OnlineReader",
    "OnlineStore",
    "Places",
    "RedisStore",
    "Registered",
    "RegisteredService",
    "SetLineage",
    "Statistics",
    "columns_from_json",
    "feature_service",
    "feature_set",
    "find_set",
    "json_schema",
    "plain_values",
    "rows_as_columns",
]
