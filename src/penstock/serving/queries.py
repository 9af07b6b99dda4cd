"""The endpoint of SQL: queries, and other statements only where the server allows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.errors import DataError, ForbiddenError, RunError
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import ARROW_STREAM, JSON, accepted, table_bytes
from penstock.serving.forms import SqlForm
from penstock.serving.state import Serving, json_answer, serving
from penstock.sql import only_reads, parse

if TYPE_CHECKING:
    import pyarrow as pa


async def run_sql(request: Request) -> Response:
    """POST /v1/sql: rows as JSON objects, at most `limit` of them; `total_rows` says how many there are. With
    `Accept: application/vnd.apache.arrow.stream` all rows, with their exact types."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), SqlForm)
    media = accepted(request.headers.get("accept", ""), (JSON, ARROW_STREAM))
    table = await run_in_threadpool(_table, served, form)
    if media == ARROW_STREAM:
        return StreamingResponse(table_bytes(table, media), media_type=media)
    return json_answer(await run_in_threadpool(_shown, table, form.limit))


def _table(served: Serving, form: SqlForm) -> pa.Table:
    if not served.limits.sql_writes and not _only_queries(form.query):
        raise ForbiddenError(
            "this server answers queries only; start it with --allow-sql-writes, or with sql_writes = true in [server] "
            "of penstock.toml, for statements that make, change or take away models and tables"
        )
    try:
        return served.project.sql(form.query)
    except RunError as error:  # a CREATE MODEL whose fit failed: what the statement asks for cannot be done
        raise DataError(str(error)) from error


def _shown(table: pa.Table, limit: int) -> dict[str, Any]:
    return {
        "columns": [{"name": field.name, "type": str(field.type)} for field in table.schema],
        "rows": table.slice(0, limit).to_pylist(),
        "total_rows": table.num_rows,
    }


def _only_queries(text: str) -> bool:
    return all(only_reads(statement) for statement in parse(text))
