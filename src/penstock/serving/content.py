"""Tables and other artifacts as HTTP carries them: which media type each has, and tables in the one asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from penstock.core.artifact import Artifact
from penstock.errors import RequestError

if TYPE_CHECKING:
    import pyarrow as pa

ARROW_STREAM = "application/vnd.apache.arrow.stream"
JSON = "application/json"
SVG = "image/svg+xml"
_ROWS = 65_536
_CHUNK_BYTES = 1 << 20

MEDIA_TYPES = {
    "json": JSON,
    "text": "text/plain; charset=utf-8",
    "model": "application/x-tar",
    "table": "application/vnd.apache.arrow.file",
    "metrics": JSON,
    "list": JSON,  # of the digests of its items
    "mapping": JSON,
    "folder": "application/x-tar",
    "object": "application/x-tar",
}
"""Kind of artifact -> what its stored bytes are; any other is bytes."""


def media_type(artifact: Artifact) -> str:
    """Return the media type of an artifact's bytes as they are stored; a step may have said it in the facts."""
    return str(artifact.facts.get("media_type") or MEDIA_TYPES.get(artifact.kind, "application/octet-stream"))


def accepted(accept: str, offered: tuple[str, ...]) -> str:
    """Return which of the offered media types an `Accept` header prefers; the first where it does not say.

    Raises `RequestError` where it takes none of them.
    """
    weighed: list[tuple[float, int, str]] = []
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        wanted, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((_quality(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
        for place, offer in enumerate(offered):
            if quality > 0 and (wanted in (offer, "*/*") or (wanted.endswith("/*") and offer.startswith(wanted[:-1]))):
                weighed.append((-quality, ("*" in wanted and len(offered) + place) or place, offer))
    if not weighed:
        raise RequestError(f"'{accept}' is not a form of this: there are {', '.join(offered)}")
    return min(weighed)[2]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def read_rows(path: Path) -> pa.Table:
    """Return the rows of a file that is an Arrow stream; raises `RequestError`."""
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
            table.validate(full=True)  # a client's offsets are not to be trusted
            return table
    except (pa.ArrowInvalid, OSError) as error:
        raise RequestError(f"the body is no Arrow stream: {error}") from error


def table_bytes(table: pa.Table, media: str) -> Iterator[bytes]:
    """Yield a table in the form of a media type, a piece at a time."""
    with tempfile.TemporaryFile() as file:
        WRITERS[media](table, file)
        file.seek(0)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _arrow(table: pa.Table, file: IO[bytes]) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def _parquet(table: pa.Table, file: IO[bytes]) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, file)


def _csv(table: pa.Table, file: IO[bytes]) -> None:
    import pyarrow.csv

    pyarrow.csv.write_csv(table, file)


def _json(table: pa.Table, file: IO[bytes]) -> None:
    file.write(b"[")
    for start in range(0, table.num_rows, _ROWS):
        rows = msgspec.json.encode(table.slice(start, _ROWS).to_pylist(), enc_hook=repr)
        file.write((b"," if start else b"") + rows[1:-1])
    file.write(b"]")


WRITERS: dict[str, Callable[[Any, IO[bytes]], None]] = {
    ARROW_STREAM: _arrow,
    "application/vnd.apache.parquet": _parquet,
    "text/csv": _csv,
    JSON: _json,
}
"""The forms in which tables are answered; the first where the client does not say."""
