"""Ingest: rows that pass the checks go into the history as one commit, then into the online store."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.features.checking import OnBad, check_rows
from penstock.features.definition import Definition
from penstock.features.history import Commit, History
from penstock.tables import arrow_type


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did: rows stored, rows set aside with the reason for each, columns that no feature reads, and the
    version of the history that has the rows (None: nothing was added). `repeated`: the batch was there already."""

    feature_set: str
    rows: int
    set_aside: pa.Table
    reasons: tuple[str, ...]
    unread: tuple[str, ...]
    version: int | None
    repeated: bool = False


def ingest_rows(
    name: str,
    definition: Definition,
    history: History,
    rows: pa.Table,
    *,
    batch: str = "",
    on_bad: OnBad = "fail",
) -> tuple[Ingested, Commit | None]:
    """Store rows in the history: all that pass the checks, in one commit, or none.

    Raises `DataError` where a value does not fit, unless `on_bad` is "set_aside".
    """
    checked = check_rows(definition, rows, on_bad=on_bad)
    kept = checked.rows
    if definition.set.created is None:
        now = np.full(kept.num_rows, time.time_ns() // 1000, dtype=np.int64)
        kept = kept.append_column(definition.created, pa.array(now).view(arrow_type("timestamp")))
    commit = history.append(kept, timestamp=definition.set.timestamp, batch=batch) if kept.num_rows else None
    stored = 0 if commit is None else kept.num_rows
    repeated = commit is None and kept.num_rows > 0
    version = None if commit is None else commit.version
    return Ingested(name, stored, checked.refused, checked.reasons, checked.unread, version, repeated), commit
