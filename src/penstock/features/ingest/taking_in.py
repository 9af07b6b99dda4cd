"""What comes in, in whatever form: rows go to `ingest`, a stream is followed."""

from __future__ import annotations

import threading
from typing import Any, get_args

from penstock.core.artifact import Source
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.features.declared.versions import Registered
from penstock.features.ingest.batches import Ingested, OnProgress, Target, ingest_rows
from penstock.features.ingest.checking import OnBad
from penstock.features.ingest.following import follow as follow_stream
from penstock.features.ingest.redis_streams import redis_stream
from penstock.features.ingest.streams import Stream
from penstock.tables import schema_of, source_schema, to_arrow


def take_in(
    target: Target,
    given: Any,
    *,
    batch: str,
    on_bad: OnBad | None,
    follow: bool | threading.Event,
    on_progress: OnProgress | None,
) -> Ingested:
    """Store rows, or what a stream holds."""
    if on_bad is not None and on_bad not in get_args(OnBad):
        raise UnknownNameError("value of on_bad", str(on_bad), get_args(OnBad))
    if isinstance(given, Stream):
        if batch:
            raise DeclarationError("messages of a stream are told apart by their sequence; leave batch= out")
        until = follow if isinstance(follow, threading.Event) else threading.Event() if follow else None
        return follow_stream(target, given, on_bad=on_bad or "dead_letter", until=until, on_progress=on_progress)
    if follow:
        raise DeclarationError(
            f"feature set '{target.name}': only a stream can be followed; give one: "
            "ps.redis_stream('redis://...', 'rides')"
        )
    return ingest_rows(target, given, batch=batch, on_bad=on_bad or "fail", on_progress=on_progress)


def stream_at(given: Any) -> Stream | None:
    """Return the stream that a text is the address of: `redis://host:6379/rides`."""
    return redis_stream(given) if isinstance(given, str) and given.startswith(("redis://", "rediss://")) else None


def source_of(registered: Registered) -> str:
    """Return the source that a feature set was declared with."""
    text = registered.definition.set.source
    if text is None:
        raise DataError(f"feature set '{registered.name}' has no source; give the rows: ingest(set, rows)")
    return text


def source_types(given: Any) -> dict[str, str]:
    """Return the types of the columns of a source; a stream tells none."""
    if isinstance(given, Stream):
        return {}
    schema = source_schema(given) if isinstance(given, Source) else schema_of(to_arrow(given).schema)
    return {field.name: field.type for field in schema}
