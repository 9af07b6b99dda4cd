"""Features: sets of them registered, ingested into a history, served as of any time and at low latency."""

from __future__ import annotations

from penstock.features.answers import Asking, check_parquet
from penstock.features.declared.applied import Applied
from penstock.features.declared.declare import FeatureSet, check_declared, feature_set
from penstock.features.declared.discovery import Hit, SetLineage, search_sets
from penstock.features.declared.json_schema import json_schema
from penstock.features.declared.naming import parse_version
from penstock.features.declared.services import (
    Features,
    FeatureService,
    RegisteredService,
    Services,
    feature_service,
    references_of,
)
from penstock.features.declared.versions import Differences, Registered, find_declared, find_set, set_names
from penstock.features.history.histories import Histories
from penstock.features.history.times import Moment, microseconds
from penstock.features.ingest.batches import Ingested, OnProgress, Progress
from penstock.features.ingest.checking import OnBad
from penstock.features.ingest.dead_letters import DeadLetters
from penstock.features.ingest.redis_streams import RedisStream, redis_stream
from penstock.features.ingest.streams import Message, Stream
from penstock.features.ingest.taking_in import stream_at
from penstock.features.joining import (
    FEATURES,
    feature_facts,
    feature_source,
    features_text,
    have_times,
    join_history,
    join_source,
    reference_reader,
)
from penstock.features.online.lmdb_store import LmdbStore
from penstock.features.online.online_address import open_online
from penstock.features.online.online_lists import FeatureList
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.plain_values import ARROW_FORM, columns_from_json, plain_values, rows_as_columns
from penstock.features.online.reading import OnlineReader, entity_table
from penstock.features.online.redis_store import RedisStore
from penstock.features.online.retrieval import FeatureReader, plan_retrieval
from penstock.features.past.historical import EVENT_TIMESTAMP
from penstock.features.places import Past, Places
from penstock.features.quality.statistics import FeatureStatistics, Statistics
from penstock.features.quality.view import FeatureSetView
from penstock.features.removing import Forgotten
from penstock.features.store import FeatureStore
from penstock.features.targets import TARGET, ingest_into, target_source

__all__ = [
    "ARROW_FORM",
    "EVENT_TIMESTAMP",
    "FEATURES",
    "TARGET",
    "Applied",
    "Asking",
    "DeadLetters",
    "Differences",
    "FeatureList",
    "FeatureReader",
    "FeatureService",
    "FeatureSet",
    "FeatureSetView",
    "FeatureStatistics",
    "FeatureStore",
    "Features",
    "Forgotten",
    "Histories",
    "Hit",
    "Ingested",
    "LmdbStore",
    "Message",
    "Moment",
    "OnBad",
    "OnProgress",
    "OnlineReader",
    "OnlineStore",
    "Past",
    "Places",
    "Progress",
    "RedisStore",
    "RedisStream",
    "Registered",
    "RegisteredService",
    "Services",
    "SetLineage",
    "Statistics",
    "Stream",
    "check_declared",
    "check_parquet",
    "columns_from_json",
    "entity_table",
    "feature_facts",
    "feature_service",
    "feature_set",
    "feature_source",
    "features_text",
    "find_declared",
    "find_set",
    "have_times",
    "ingest_into",
    "join_history",
    "join_source",
    "json_schema",
    "microseconds",
    "open_online",
    "parse_version",
    "plain_values",
    "plan_retrieval",
    "redis_stream",
    "reference_reader",
    "references_of",
    "rows_as_columns",
    "search_sets",
    "set_names",
    "stream_at",
    "target_source",
]
