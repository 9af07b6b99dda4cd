"""The paths of features, described."""

from __future__ import annotations

from penstock.serving.describing import ARROW, TEXT, Json, form, operation, parameter

_NAME = parameter("name", "path")
_VALUES: Json = {"type": "array", "items": {}}
_FEAST: Json = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object", "properties": {"feature_names": {"type": "array", "items": TEXT}}},
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "values": _VALUES,
                    "statuses": {
                        "type": "array",
                        "items": {"enum": ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]},
                    },
                    "event_timestamps": {"type": "array", "items": {"type": "string", "format": "date-time"}},
                },
            },
        },
    },
}

FEATURE_PATHS: dict[str, Json] = {
    "/get-online-features": {
        "post": operation(
            "Read the newest features of entities: `results` has one object for each of `feature_names`, keys first; "
            "Feast's payload and answer. As an Arrow stream: the entities, with the form as JSON in the metadata of "
            "its schema under `penstock`, and the answer too",
            body=form("OnlineForm"),
            example={"features": ["driver_rides:trips_7d"], "entities": {"driver_id": [7, 9]}},
            uploads=(ARROW,),
            answer=_FEAST,
            failures=(400, 413, 422, 500, 501),
        )
    },
    "/get-historical-features": {
        "post": operation(
            "Read features as of the time of each row given: one row out for each in, in order. JSON is answered as "
            "online features are; an Arrow stream (as for those), or what `Accept` asks for: Arrow, Parquet, CSV",
            body=form("HistoricalForm"),
            example={
                "features": ["driver_rides:trips_7d"],
                "entity_df": {"driver_id": [7], "event_timestamp": ["2026-01-31T08:30:00Z"]},
            },
            uploads=(ARROW,),
            answer=_FEAST,
            failures=(400, 413, 422, 500, 501),
        )
    },
    "/push": {
        "post": operation(
            "Add rows to a feature set, to its history and online: all or none. As an Arrow stream: the rows, with the "
            "form as JSON in the metadata of its schema under `penstock`",
            body=form("PushForm"),
            example={
                "push_source_name": "driver_rides",
                "df": {"driver_id": [7], "event_time": ["2026-01-31T08:30:00Z"], "fare": [12.5]},
            },
            uploads=(ARROW,),
            failures=(400, 403, 413, 422, 500, 501, 507),
        )
    },
    "/v1/feature-sets": {
        "get": operation(
            "List the feature sets: the newest version of each, or of those that have every word of `search` in their "
            "name, features, tags, owner or description",
            (parameter("search", "query"),),
            failures=(400,),
        ),
        "post": operation(
            "Register the declaration of a feature set: a changed one is the next version, the same one changes "
            "nothing (200); its source is a declared table",
            body=form("FeatureSetForm"),
            example={
                "name": "driver_rides",
                "entities": {"driver_id": "int64"},
                "timestamp": "event_time",
                "features": {"fare": "fare", "tipped": "tip > 0"},
                "columns": {"fare": "float64", "tip": "float64"},
                "ttl": "14d",
            },
            status=201,
            failures=(400, 403, 413, 422),
        ),
    },
    "/v1/feature-sets/{name}": {
        "get": operation(
            "Show a feature set, or a version of it (driver_rides@2): its JSON Schema (2020-12), its statistics, what "
            "it comes from and what uses it, and every version with what changed",
            (_NAME,),
            failures=(404,),
        )
    },
    "/v1/feature-sets/{name}/ingests": {
        "get": operation(
            "Read what is recorded of the rows of each ingest, the oldest first: how many, of when, and a sketch of "
            "the values of each feature",
            (_NAME,),
            failures=(404,),
        )
    },
    "/v1/feature-services": {
        "get": operation("List the feature services, with the versions of sets that each has pinned"),
        "post": operation(
            "Register a feature service: a named list of features; the same one over the same versions changes nothing "
            "(200)",
            body=form("FeatureServiceForm"),
            example={"name": "pricing", "features": ["driver_rides:fare"]},
            status=201,
            failures=(400, 403, 413, 422),
        ),
    },
    "/v1/feature-services/{name}": {
        "get": operation("Show a feature service, or a version of it (pricing@2)", (_NAME,), failures=(404,))
    },
    "/v1/feature-sets/{name}/dead-letters": {
        "get": operation(
            "Read the newest rows and messages that could not be stored, each with the reason; as an Arrow stream all",
            (_NAME, parameter("limit", "query", "integer")),
            failures=(400, 404, 500),
        )
    },
    "/v1/feature-sets/{name}:clearDeadLetters": {
        "post": operation(
            "Take the dead letters of a feature set out, for good: all, or those of before an instant",
            (_NAME,),
            body=form("ClearForm"),
            example={"before": "2026-01-01T00:00:00Z"},
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/feature-sets/{name}:ingest": {
        "post": operation(
            "Add the rows of a feature set's own source",
            (_NAME,),
            body=form("IngestForm"),
            failures=(400, 403, 404, 413, 422, 500, 501, 507),
        )
    },
    "/v1/feature-sets/{name}:materialize": {
        "post": operation("Bring the online records of a feature set up to its history", (_NAME,), failures=(403, 404))
    },
    "/v1/feature-sets/{name}:forget": {
        "post": operation(
            "Take every row of entities out of a feature set, for good: of its history, its index and online",
            (_NAME,),
            body=form("EntitiesForm"),
            example={"entities": {"driver_id": [7]}},
            failures=(400, 403, 404, 413, 422, 507),
        )
    },
    "/v1/feature-sets/{name}:expire": {
        "post": operation(
            "Take every row out of a feature set whose event is older than an instant, for good",
            (_NAME,),
            body=form("ExpireForm"),
            example={"before": "2026-01-01T00:00:00Z"},
            failures=(400, 403, 404, 413, 422, 507),
        )
    },
    "/v1/feature-sets/{name}:compact": {
        "post": operation("Put small files of a feature set's history together", (_NAME,), failures=(403, 404, 507))
    },
}
