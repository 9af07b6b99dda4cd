"""Tables that are larger than memory pass through a step batch by batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from stored_tables import read, save

from penstock.stores import LocalArtifactStore
from penstock.stores.canonical import BATCH_ROWS


def test_batches_are_written_as_they_come_and_let_go(store: LocalArtifactStore) -> None:
    most = 0

    def batches() -> Any:
        nonlocal most
        for at in range(20):
            yield pa.record_batch({"x": np.full(BATCH_ROWS, at)})
            most = max(most, pa.total_allocated_bytes())

    before = pa.total_allocated_bytes()
    stored = save(pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), batches()), store)
    assert stored.facts["rows"] == 20 * BATCH_ROWS
    assert most - before < 5 * BATCH_ROWS * 8


LARGE = 8_000_000


MEASURED = """
import sys, threading
from pathlib import Path
import duckdb, polars, pyarrow as pa, pyarrow.compute as pc
from penstock.core.artifact import Artifact
from penstock.stores import CODECS, LocalArtifactStore

def private():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

def watch():
    while not done.wait(0.005):
        peak.append(private())

store, form = LocalArtifactStore(Path(sys.argv[1])), sys.argv[3]
codecs = {codec.kind: codec for codec in CODECS}
duckdb.sql("SET threads = 1")
duckdb.sql("SET memory_limit = '40MB'")
some = codecs["table"].save(pa.table({"x": [0.5] * 200_000}), store)
codecs["table"].save(codecs[form].load(some, store), store)  # every library is loaded
before, peak, done = private(), [], threading.Event()
watching = threading.Thread(target=watch)
watching.start()
rows = codecs[form].load(Artifact(digest=sys.argv[2], kind="table", uri=""), store)
match form:
    case "table:relation":
        given = rows.project("x + 1 AS x, y + 1 AS y")
    case "table:lazy":
        given = rows.with_columns(polars.col("x") + 1, polars.col("y") + 1)
    case "table:reader":
        given = pa.RecordBatchReader.from_batches(
            rows.schema,
            (pa.record_batch({"x": pc.add(batch["x"], 1.0), "y": pc.add(batch["y"], 1)}) for batch in rows),
        )
    case _:
        given = pa.table({"x": pc.add(rows["x"], 1.0), "y": pc.add(rows["y"], 1)})
made = codecs["table"].save(given, store)
done.set()
watching.join()
print(made.digest, max(peak) - before)
"""


def measured(large: tuple[Path, str], form: str) -> tuple[str, float]:
    """Pass the large table through a step's two ends; return what it gave, and how many MiB of memory that took."""
    root, digest = large
    command = [sys.executable, "-c", MEASURED, str(root), digest, form]
    environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=environment)
    assert done.stderr == ""
    made, mebibytes = done.stdout.split()
    return made, float(mebibytes)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("large")
    batches = (
        pa.record_batch({"x": np.arange(at, at + BATCH_ROWS, dtype="f8"), "y": np.full(BATCH_ROWS, at, "i8")})
        for at in range(0, LARGE, BATCH_ROWS)
    )
    schema = pa.schema({"x": pa.float64(), "y": pa.int64()})
    store = LocalArtifactStore(root)
    return root, save(pa.RecordBatchReader.from_batches(schema, batches), store).digest


def test_a_large_table_passes_through_a_step_without_ever_being_in_memory(large: tuple[Path, str]) -> None:
    whole, mebibytes = measured(large, "table")
    assert mebibytes > 100  # what it takes to have all the rows
    for form in ("table:relation", "table:lazy", "table:reader"):
        made, mebibytes = measured(large, form)
        assert made == whole
        assert mebibytes < 60, form


def test_a_lazy_frame_over_a_relation_over_a_stored_table_is_kept(store: LocalArtifactStore) -> None:
    rows = read(save(pa.table({"x": list(range(200_000))}), store), store, "table:relation")
    plan = rows.filter("x % 2 = 0").pl(lazy=True).filter(pl.col("x") > 10)
    assert read(save(plan, store), store)["x"].to_pylist() == list(range(12, 200_000, 2))
