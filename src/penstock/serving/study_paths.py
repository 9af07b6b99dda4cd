"""The paths of searches over pipelines' parameters, described."""

from __future__ import annotations

from penstock.serving.describing import ID, Json, form, operation, parameter

_NAME = parameter("name", "path")
_IDEMPOTENCY = parameter("Idempotency-Key", "header")

STUDY_PATHS: dict[str, Json] = {
    "/v1/pipelines/{name}:tune": {
        "post": operation(
            "Search parameters of a pipeline: answers once that is recorded as a run; its step `search` logs trials",
            (_NAME, _IDEMPOTENCY),
            body=form("TuneForm"),
            status=201,
            answer=ID,
            failures=(400, 403, 404, 413, 422, 500, 501),
        )
    },
    "/v1/studies": {
        "get": operation("List the studies", (parameter("experiment", "query"),), failures=(400,)),
    },
    "/v1/studies/{name}": {
        "get": operation("Show a study with its trials, each of which is a run", (_NAME,), failures=(400, 404))
    },
}
