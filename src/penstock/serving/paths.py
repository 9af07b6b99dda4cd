"""Every path of the server, described."""

from __future__ import annotations

from penstock.serving.describing import ARROW, BINARY, ID, TEXT, Json, form, operation, parameter, rows
from penstock.serving.feature_paths import FEATURE_PATHS
from penstock.serving.study_paths import STUDY_PATHS

_NAME, _VERSION = parameter("name", "path"), parameter("version", "path")
_TIMES = parameter("timestamp", "query")
STAGES_PARAMETER = parameter("stages", "query", "boolean")
"""Asks a cascade for what each of its stages has predicted."""
_RUN, _STEP = parameter("id", "path"), parameter("step", "path")
_KIND = parameter("kind", "path")
_DIGEST = parameter("digest", "path")
_PAGE = (parameter("limit", "query", "integer"), parameter("after", "query"))
_FILTERS = tuple(parameter(name, "query") for name in ("pipeline", "experiment", "state", "mode", "engine", "tag"))
_IDEMPOTENCY = parameter("Idempotency-Key", "header")
_LAST_EVENT = parameter("Last-Event-ID", "header")
_SEARCH = (
    *(parameter(name, "query") for name in ("grep", "step", "since")),
    parameter("ignore_case", "query", "boolean"),
    parameter("context", "query", "integer"),
)

PATHS: dict[str, Json] = {
    "/v1/pipelines": {"get": operation("List the pipelines and their parameters")},
    "/v1/pipelines/{name}/runs": {
        "post": operation(
            "Run a pipeline: answers once the run is recorded; it goes on by itself",
            (_NAME, _IDEMPOTENCY),
            body=form("RunForm"),
            status=201,
            answer=ID,
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/pipelines/{name}:plan": {
        "post": operation(
            "Say what a run would do now, step by step, and why; with Accept: image/svg+xml drawn",
            (_NAME,),
            body=form("PlanForm"),
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/runs": {
        "get": operation(
            "List runs, newest first; `next` is the `after` of the next page", (*_FILTERS, *_PAGE), failures=(400, 404)
        )
    },
    "/v1/runs/{id}": {
        "get": operation("Show a run and its steps, with the attempts at each that failed", (_RUN,), failures=(404,)),
        "patch": operation(
            "Change the tags of a run (null removes one) and its note",
            (_RUN,),
            body=form("RunChange"),
            failures=(400, 403, 404, 413, 422),
        ),
    },
    "/v1/runs/{id}/graph": {
        "get": operation(
            "Draw a run: a box for each step, with its state",
            (_RUN,),
            answer=TEXT,
            media="image/svg+xml",
            failures=(404,),
        )
    },
    "/v1/runs/{id}/metrics": {
        "get": operation(
            "Read what the steps of a run logged: name -> [[step number, value], ...]; also while they run",
            (_RUN, parameter("step", "query")),
            failures=(400, 404),
        )
    },
    "/v1/triggers": {"get": operation("List the triggers: what starts runs by itself")},
    "/v1/triggers/{name}": {
        "get": operation("Show a trigger", (_NAME,), failures=(404,)),
        "put": operation(
            "Run a pipeline whenever something happens; a trigger of that name is changed",
            (_NAME,),
            body=form("TriggerForm"),
            failures=(400, 403, 409, 413, 422),
        ),
        "delete": operation("Forget a trigger, but for its history", (_NAME,), failures=(403, 404, 409)),
    },
    "/v1/triggers/{name}:pause": {
        "post": operation(
            "Pause a trigger: it starts nothing, and what happens meanwhile waits",
            (_NAME,),
            body=form("PauseForm"),
            failures=(400, 403, 404, 413),
        )
    },
    "/v1/triggers/{name}:resume": {
        "post": operation("Let a paused trigger go on, with what waits", (_NAME,), failures=(403, 404))
    },
    "/v1/triggers/{name}:fire": {
        "post": operation(
            "Fire a trigger by hand", (_NAME,), body=form("FireForm"), status=202, failures=(400, 403, 404, 413)
        )
    },
    "/v1/triggers/{name}/firings": {
        "get": operation(
            "List what made a trigger fire, and the runs that came of it, newest first",
            (_NAME, parameter("limit", "query", "integer")),
            failures=(400, 404),
        )
    },
    "/v1/events": {
        "post": operation(
            "Take CloudEvents 1.0 (structured, batched, or binary: attributes as headers ce-...); answers with the "
            "firings, once they are recorded",
            body={"type": "object"},
            takes="application/cloudevents+json",
            example={"specversion": "1.0", "type": "com.example.ready", "source": "/shop", "id": "1", "data": {}},
            status=202,
            failures=(400, 403, 413),
        )
    },
    "/v1/compare": {
        "get": operation(
            "Say what differs between runs: give run=... twice or more",
            (parameter("run", "query"),),
            failures=(400, 422),
        )
    },
    "/v1/runs/{id}/steps/{step}:approve": {
        "post": operation(
            "Approve what a step waits for: the run goes on by itself; who, when and why is recorded",
            (_RUN, _STEP),
            body=form("DecisionForm"),
            answer=ID,
            failures=(400, 403, 404, 409, 413, 422, 500),
        )
    },
    "/v1/runs/{id}/steps/{step}:reject": {
        "post": operation(
            "Reject what a step waits for: it has failed, and with it the run",
            (_RUN, _STEP),
            body=form("DecisionForm"),
            answer=ID,
            failures=(400, 403, 404, 409, 413, 422),
        )
    },
    "/v1/runs/{id}/steps/{step}:verify": {
        "post": operation(
            "Run a step again on the inputs that it had, and say whether it gives the same",
            (_RUN, _STEP),
            body=form("VerifyForm"),
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/runs/{id}:resume": {
        "post": operation(
            "Go on from a run that failed or was cancelled, as it was asked; what the form says is changed",
            (_RUN, _IDEMPOTENCY),
            body=form("RunForm"),
            status=201,
            answer=ID,
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/runs/{id}:cancel": {
        "post": operation(
            "Cancel a run", (_RUN,), body=form("CancelForm"), status=202, answer=ID, failures=(400, 403, 404, 409)
        )
    },
    "/v1/runs/{id}/events": {
        "get": operation(
            "Follow a run as server-sent events: run_started, step_started, step_ended, run_ended",
            (_RUN, _LAST_EVENT),
            answer=TEXT,
            media="text/event-stream",
            failures=(404,),
        )
    },
    "/v1/runs/{id}/log": {
        "get": operation(
            "Read what all steps of a run printed, by time: the lines in which the regular expression `grep` (RE2) is "
            "found, with `context` lines around each, of the last `since` (10m, 2h); with Accept: application/x-ndjson "
            "each line as JSON: step, time, line",
            (_RUN, *_SEARCH),
            answer=TEXT,
            media="text/plain",
            failures=(400, 404, 422),
        )
    },
    "/v1/runs/{id}/steps/{step}": {
        "get": operation(
            "Show a step of a run, with the parts of its key and the attempts at it that failed",
            (_RUN, _STEP),
            failures=(404,),
        )
    },
    "/v1/runs/{id}/steps/{step}/why": {
        "get": operation("Say in one line why a step ran, or did not", (_RUN, _STEP), failures=(404,))
    },
    "/v1/runs/{id}/steps/{step}/log": {
        "get": operation(
            "Read a step's log; with follow=1 or Accept: text/event-stream live, as server-sent events",
            (_RUN, _STEP, parameter("follow", "query", "boolean"), _LAST_EVENT),
            answer=TEXT,
            media="text/plain",
            failures=(404,),
        )
    },
    "/v1/experiments": {
        "get": operation("List the experiments: how many runs of which states, and the newest", failures=(400,))
    },
    "/v1/artifacts": {
        "get": operation(
            "List artifacts, newest first",
            (parameter("kind", "query"), parameter("made_by", "query"), *_PAGE),
            failures=(400, 404),
        ),
        "post": operation(
            "Keep a table (an Arrow stream), JSON, a text or bytes as an artifact",
            status=201,
            uploads=(
                ARROW,
                "application/json",
                "text/plain",
                "application/octet-stream",
            ),
            failures=(400, 403, 413, 422, 507),
        ),
    },
    "/v1/artifacts/{digest}": {
        "get": operation("Show what is known of an artifact", (_DIGEST,), failures=(404,)),
    },
    "/v1/artifacts/{digest}/content": {
        "get": operation(
            "Read an artifact; a table as Arrow stream, Parquet, CSV or JSON, by Accept",
            (_DIGEST,),
            answer=BINARY,
            media="*/*",
            failures=(400, 404, 500),
        )
    },
    "/v1/blobs/{digest}": {
        "get": operation(
            "Read bytes as they are stored; Range gives a part of them",
            (_DIGEST,),
            answer=BINARY,
            media="application/octet-stream",
            failures=(404,),
        )
    },
    "/v1/lineage/{what}": {
        "get": operation(
            "Say what a run, a step, an artifact, a model or a name comes from, and what came of it",
            (parameter("what", "path"), parameter("direction", "query")),
            failures=(400, 404, 422),
        )
    },
    "/v1/usage": {"get": operation("Say what takes how much room on disk", failures=(400,))},
    "/v1/gc": {
        "post": operation(
            "Find what nothing needs any more; with dry_run false take it away",
            body=form("GcForm"),
            failures=(400, 403, 413, 422, 507),
        )
    },
    "/v1/records/{kind}:find": {
        "post": operation(
            "Find records: the metadata store, for clients that are penstock too",
            (_KIND,),
            body=form("FindForm"),
            failures=(400, 403, 404, 413, 422),
        )
    },
    "/v1/records/{kind}:insert": {
        "post": operation(
            "Insert records of names, all or none",
            (_KIND,),
            body=form("InsertForm"),
            status=201,
            failures=(400, 403, 404, 409, 413),
        )
    },
    "/v1/models:fit": {
        "post": operation(
            "Fit a model, or a cascade, as a run, and register a version of it",
            body=form("FitForm"),
            status=201,
            failures=(400, 403, 413, 422, 500),
        )
    },
    **{
        f"/v1/models/{{name}}{version}:batchPredict": {
            "post": operation(
                "Predict many rows; the answer as Arrow, Parquet, CSV or JSON, by Accept",
                parameters,
                body=form("RowsForm"),
                uploads=(ARROW,),
                failures=(400, 403, 404, 413, 422),
            )
        }
        for version, parameters in (
            ("", (_NAME, _TIMES, STAGES_PARAMETER)),
            ("/versions/{version}", (_NAME, _VERSION, _TIMES, STAGES_PARAMETER)),
        )
    },
    "/v1/models/{name}/monitoring": {
        "get": operation(
            "What a model does in production: metrics over time by version and slice, skew, drift, what is beyond its "
            "bounds",
            (
                _NAME,
                *(parameter(name, "query") for name in ("window", "by", "metric", "threshold")),
                *(parameter(name, "query", "integer") for name in ("windows", "minimum")),
                *(parameter(name, "query", "number") for name in ("over", "now")),
            ),
            failures=(400, 404, 422),
        )
    },
    "/v1/models/{name}/labels": {
        "post": operation(
            "Tell what was true of rows that were predicted, by their ids in the log of requests",
            (_NAME, *(parameter(name, "query") for name in ("id", "label", "time"))),
            body=form("LabelsForm"),
            uploads=(ARROW,),
            status=201,
            failures=(400, 403, 404, 413, 422),
        )
    },
    **{
        f"/v1/models/{{name}}{version}:evaluate": {
            "post": operation(
                "Judge a model on rows with labels",
                parameters,
                body=form("RowsForm"),
                uploads=(ARROW,),
                failures=(400, 403, 404, 413, 422),
            )
        }
        for version, parameters in (("", (_NAME, _TIMES)), ("/versions/{version}", (_NAME, _VERSION, _TIMES)))
    },
    **{
        f"/v1/models/{{name}}{version}:export": {
            "post": operation(
                "Download a model in a form that others run: one ONNX file, one SQL query, or MLflow's folder as a "
                "zip; of an ONNX file the header Penstock-Parity says how its predictions compare with the model's",
                parameters,
                body=form("ExportForm"),
                example={"format": "sql", "dialect": "postgres", "rows": "rides"},
                answer=BINARY,
                media="application/octet-stream",
                failures=(400, 404, 413, 422, 501),
            )
        }
        for version, parameters in (("", (_NAME,)), ("/versions/{version}", (_NAME, _VERSION)))
    },
    "/v1/models": {"get": operation("List the registered models")},
    "/v1/models/{name}:promote": {
        "post": operation(
            "Point an alias at a version; the history keeps who, and why",
            (_NAME,),
            body=form("PromoteForm"),
            failures=(400, 403, 404, 413, 422),
        )
    },
    "/v1/models/{name}:rollback": {
        "post": operation(
            "Point an alias back at the version that it pointed at before",
            (_NAME,),
            body=form("RollbackForm"),
            failures=(400, 403, 404, 409, 413, 422),
        )
    },
    "/v1/models/{name}": {"get": operation("Show a model: versions, aliases, signature", (_NAME,), failures=(404,))},
    "/v1/models/{name}/versions/{version}:predict": {
        "post": operation(
            "Predict with a version of a model",
            (_NAME, _VERSION, STAGES_PARAMETER),
            body=rows("instances", {"type": "object"}),
            parts={"type": "object"},
            answer=rows("predictions", {"type": "object"}),
            failures=(400, 404, 413, 422, 500),
        )
    },
    **FEATURE_PATHS,
    **STUDY_PATHS,
    "/v1/sql": {
        "post": operation(
            "Run a query", body=form("SqlForm"), example={"query": "SELECT 1 AS one"}, failures=(400, 403, 413, 422)
        )
    },
    "/health": {"get": operation("Tell that the server answers, and which versions it serves")},
    "/metrics": {"get": operation("Counters for Prometheus", answer=TEXT, media="text/plain")},
}
