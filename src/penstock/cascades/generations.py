"""What a stage learned from, as a digest of its rows: so that stages of different generations are told apart."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from blake3 import blake3

from penstock.core.graph import ModelGraph
from penstock.core.model import Model
from penstock.errors import ConflictError
from penstock.models.declare import declaration

LEARNED_FROM = "learned_from"
"""The fact of a stage's graph that holds the digest of the rows which it learned from."""


def rows_digest(rows: pa.Table) -> str:
    """Return a digest of the content of rows: equal for equal rows in the same order, however they are chunked."""
    hasher, sink = blake3(), pa.BufferOutputStream()
    table = rows.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=1 << 16):
            writer.write_batch(batch)
    return hasher.update(memoryview(sink.getvalue())).hexdigest()


def check_generation(cascade: str, graphs: Mapping[str, ModelGraph], rows: Mapping[str, pa.Table]) -> None:
    """Raise `ConflictError` naming a stage that learned from other rows than those which are routed to it now."""
    for name, graph in graphs.items():
        learned, wanted = graph.facts.get(LEARNED_FROM), rows_digest(rows[name])
        if learned != wanted:
            raise ConflictError(
                f"cascade '{cascade}': the stage '{name}' learned from {_short(learned)}, and what is routed to it now "
                f"is {_short(wanted)}: stages of different generations cannot be put together; train all of them"
            )


def check_router(cascade: str, router: Model, graph: ModelGraph) -> None:
    """Raise `ConflictError` where a graph is not what the declared router learns to be."""
    found = declaration(graph)
    if (found.type, found.label, found.target) != (router.type, router.label, router.target):
        raise ConflictError(
            f"cascade '{cascade}': the router given is '{found.name}' ({found.type}), and the stages learned from "
            f"what '{router.name}' ({router.type}) predicts; train all of them"
        )


def _short(digest: str | None) -> str:
    return "rows that nobody knows" if digest is None else f"rows {digest[:12]}"
