"""The endpoints that take rows of features in and give them out: historical, online as Arrow, and push."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.errors import RequestError
from penstock.features import (
    ARROW_FORM,
    EVENT_TIMESTAMP,
    Ingested,
    Registered,
    columns_from_json,
    find_set,
    plain_values,
    rows_as_columns,
)
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import ARROW_STREAM, JSON, WRITERS, accepted, table_bytes
from penstock.serving.feature_forms import HistoricalForm, OnlineForm, PushForm
from penstock.serving.feature_readers import features_of
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving
from penstock.serving.uploads import uploaded_rows
from penstock.tables import schema_of

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T", bound=msgspec.Struct)


async def get_online_features(request: Request) -> Response:
    """POST /get-online-features, where the entities come, or are to be answered, as an Arrow stream."""
    served = serving(request)
    form, rows = await _form_and_rows(request, OnlineForm)
    features = features_of(form.feature_service, form.features)

    def answer() -> pa.Table:
        given = rows if rows is not None else _typed(served.project, features, form.entities, (), "the entities")
        return served.project.features.get_online_features(
            features, given, full_feature_names=form.full_feature_names, statuses=form.statuses, now=form.now
        )

    media = accepted(request.headers.get("accept", ""), (ARROW_STREAM,))
    return _streamed(await run_in_threadpool(answer), media)


async def get_historical_features(request: Request) -> Response:
    """POST /get-historical-features: the rows given with each feature as of their time. JSON is answered in the form
    of online features unless `Accept` asks for Arrow, Parquet or CSV; an Arrow stream with one."""
    served = serving(request)
    form, rows = await _form_and_rows(request, HistoricalForm)
    features = features_of(form.feature_service, form.features)
    media = accepted(request.headers.get("accept", ""), (JSON if rows is None else ARROW_STREAM, *WRITERS))
    as_of = instant(form.as_of, "as_of") if isinstance(form.as_of, str) else form.as_of
    start, end = (None if text is None else instant(text, "start or end") for text in (form.start, form.end))

    def answer() -> pa.Table:
        given = rows
        if given is None and form.entity_df is not None:
            times = tuple(name for name in (EVENT_TIMESTAMP, form.timestamp, form.known_at) if name)
            columns = form.entity_df
            by_column = rows_as_columns(columns, "entity_df") if isinstance(columns, list) else columns
            given = _typed(served.project, features, by_column, times, "entity_df")
        table = served.project.features.get_historical_features(
            given,
            features,
            timestamp=form.timestamp,
            known_at=form.known_at,
            as_of=as_of,
            start=start,
            end=end,
            full_feature_names=form.full_feature_names,
            statuses=form.statuses or media == JSON,
        )
        return table

    def as_feast(table: pa.Table) -> bytes:
        asked = len(served.project.features.reader(features, full_feature_names=True).columns)
        return _as_feast(table, table.num_columns - 2 * asked)

    table = await run_in_threadpool(answer)
    if media == JSON:
        return Response(await run_in_threadpool(as_feast, table), media_type=JSON)
    return _streamed(table, media)


async def push(request: Request) -> Response:
    """POST /push: rows into the feature set that `push_source_name` names, into its history and online, all or none.

    As Arrow the answer is the rows that were set aside, with what JSON would say in the metadata of its schema.
    """
    project = serving(request).project
    form, rows = await _form_and_rows(request, PushForm)
    media = accepted(request.headers.get("accept", ""), (JSON, ARROW_STREAM))

    def ingest() -> Ingested:
        registered = find_set(project.metadata, form.push_source_name)
        given = _rows_of(registered, form.df) if rows is None else rows
        return project.features.ingest(registered.record.name, given, batch=form.batch, on_bad=form.on_bad)

    return ingested_answer(await run_in_threadpool(ingest), media)


def ingested_answer(ingested: Ingested, media: str) -> Response:
    """Return what an ingest did as JSON, or as an Arrow stream of the rows that were set aside."""
    said = {
        "feature_set": ingested.feature_set,
        "rows": ingested.rows,
        "version": ingested.version,
        "repeated": ingested.repeated,
        "unread": ingested.unread,
        "reasons": ingested.reasons,
        "dead_letters": ingested.dead_letters,
        "seconds": ingested.seconds,
    }
    if media == ARROW_STREAM:
        set_aside = ingested.set_aside.replace_schema_metadata({ARROW_FORM: msgspec.json.encode(said)})
        return _streamed(set_aside, media)
    return json_answer({**said, "set_aside": ingested.set_aside.to_pylist()})


async def _form_and_rows(request: Request, form: type[T]) -> tuple[T, pa.Table | None]:
    """Return the form of a request, and its rows where the body is an Arrow stream, whose schema has the form then."""
    rows = await uploaded_rows(request)
    if rows is None:
        return decoded(await read_body(request.receive, serving(request).limits.body_bytes), form), None
    said = (rows.schema.metadata or {}).get(ARROW_FORM)
    if said is None:
        raise RequestError(
            f"the Arrow stream does not say what is asked for; put the form as JSON into the metadata of its schema, "
            f"under '{ARROW_FORM.decode()}': table.replace_schema_metadata({{'penstock': '{{...}}'}})"
        )
    return decoded(said, form), rows


def _typed(project: Service, features: Sequence[str] | str, columns: Any, times: Sequence[str], what: str) -> pa.Table:
    """Return columns of JSON as a table: keys and values of the request by their types, times as instants."""
    reader = project.features.reader(features, full_feature_names=True)
    types = dict.fromkeys((*reader.times, *times), "timestamp") | dict(reader.needs.entities)
    return columns_from_json(columns, types | dict(reader.needs.requests), what)


def _rows_of(registered: Registered, df: dict[str, Any] | list[Any]) -> pa.Table:
    columns = rows_as_columns(df, "df") if isinstance(df, list) else df
    return columns_from_json(columns, {field.name: field.type for field in registered.definition.columns}, "df")


def instant(text: str, name: str) -> datetime.datetime:
    """Return a time of a form; raises `RequestError` for one without a zone, or none."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(f"{name} is '{text}': {error}; write 2026-01-31T08:30:00Z") from error
    if found.tzinfo is None:
        raise RequestError(f"{name} is '{text}', which has no zone; write 2026-01-31T08:30:00Z")
    return found


def _streamed(table: pa.Table, media: str) -> Response:
    return StreamingResponse(table_bytes(table, media), media_type=media, headers={"vary": "accept"})


def _as_feast(table: pa.Table, given: int) -> bytes:
    """Return a table with features behind `given` columns, each followed by its statuses, as Feast's answers are."""
    names = [*table.column_names[:given], *table.column_names[given::2]]
    results = [
        {"values": _plain_column(table, name), "statuses": ["PRESENT"] * table.num_rows} for name in names[:given]
    ]
    results += [
        {"values": _plain_column(table, name), "statuses": table.column(f"{name}__status").to_pylist()}
        for name in names[given:]
    ]
    return msgspec.json.encode({"metadata": {"feature_names": names}, "results": results})


def _plain_column(table: pa.Table, name: str) -> Sequence[Any]:
    field = schema_of(table.select([name]).schema).fields[0]
    return plain_values(table.column(name).to_pylist(), field.type)
