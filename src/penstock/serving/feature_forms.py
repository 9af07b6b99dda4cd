"""The bodies that the endpoints of features take: Feast's, with what we have beyond it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec


class OnlineForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which features of which entities: Feast's form. `entities` has a list of values for each key; `statuses` adds
    columns of them to an answer that is Arrow (one that is JSON has them always). Windows end, and ages are counted,
    at `now`: microseconds since 1970."""

    entities: dict[str, Any] = {}
    features: list[str] = []
    feature_service: str | None = None
    full_feature_names: bool = False
    include_feature_view_version_metadata: bool = False
    statuses: bool = False
    now: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None


class HistoricalForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which features, as of each row of `entity_df`: a list for each column, or a list of objects. The instant of a row
    is its `event_timestamp`, or the column that `timestamp` names; `known_at` names a column with the time up to which
    values had to be known; `as_of` is a version of the history, or a time. Without `entity_df` every instant at which a
    feature changed, from `start` to `end`."""

    entity_df: dict[str, Any] | list[Any] | None = None
    features: list[str] = []
    feature_service: str | None = None
    full_feature_names: bool = False
    timestamp: str | None = None
    known_at: str | None = None
    as_of: int | str | None = None
    start: str | None = None
    end: str | None = None
    statuses: bool = False


class PushForm(msgspec.Struct, forbid_unknown_fields=True):
    """Rows for the feature set that `push_source_name` names: Feast's form. `df` is a list for each column, or a list
    of objects. `batch` names the rows, so that they are never in twice; `on_bad` says what becomes of all when some
    cannot be stored. `to` is Feast's: rows go into the history and online, whatever it says."""

    push_source_name: str
    df: dict[str, Any] | list[Any] = {}
    to: Literal["online", "offline", "online_and_offline"] = "online"
    allow_registry_cache: bool = True
    transform_on_write: bool = True
    batch: str = ""
    on_bad: Literal["fail", "set_aside", "dead_letter"] = "fail"


class IngestForm(msgspec.Struct, forbid_unknown_fields=True):
    """How the rows of a feature set's own source are ingested."""

    batch: str = ""
    on_bad: Literal["fail", "set_aside", "dead_letter"] | None = None


class FeatureSetForm(msgspec.Struct, forbid_unknown_fields=True):
    """The declaration of a feature set, as `ps.feature_set` takes it; a feature is a text in BigQuery's dialect, or an
    expression as JSON. `source` is a declared table."""

    name: str
    entities: dict[str, str]
    timestamp: str
    created: str | None = None
    ttl: str | float | None = None
    source: str | None = None
    features: dict[str, str | list[Any]] | list[str] | None = None
    columns: dict[str, str] = {}
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = {}
    freshness: str | float | None = None


class FeatureServiceForm(msgspec.Struct, forbid_unknown_fields=True):
    """A named list of features: references such as driver_rides:fare, driver_rides@2:fare, driver_rides:*."""

    name: str
    features: list[str]
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = {}


class EntitiesForm(msgspec.Struct, forbid_unknown_fields=True):
    """Entities whose rows are to be forgotten: a list of values for each key."""

    entities: dict[str, Any]


class ExpireForm(msgspec.Struct, forbid_unknown_fields=True):
    """The instant before which events are to be taken out: ISO 8601, with its zone."""

    before: str


class ClearForm(msgspec.Struct, forbid_unknown_fields=True):
    """The instant before which dead letters are to be taken out: ISO 8601, with its zone; null: all."""

    before: str | None = None


FEATURE_FORMS = [
    OnlineForm, HistoricalForm, PushForm, IngestForm, FeatureSetForm, FeatureServiceForm, EntitiesForm, ExpireForm,
    ClearForm,
]  # fmt: skip
