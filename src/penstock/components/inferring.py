"""The component that predicts many rows: predict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from penstock import models
from penstock.components.pushing import why_not, wired
from penstock.core.ports import Context
from penstock.models import ModelGraph
from penstock.models.judging.labels import label_columns
from penstock.models.keeping import digest_of
from penstock.pipelines import Mode, decline, note, observe, step
from penstock.tables import Table
from penstock.tables.replacing import write_to


@step
def predict(
    graph: ModelGraph,
    rows: Table,
    *,
    blessing: dict[str, Any] | list[Any] | tuple[Any, ...] | None = (),
    to: str | None = None,
    table: str = "",
    by: str | list[str] | tuple[str, ...] = (),
    mode: Mode = "train",
    context: Context | None = None,
) -> Table:
    """Predict every row: the predicted columns, then the rows as they were given.

        predicted = ps.predict(graph, rows, blessing=blessing, to="out/predicted.parquet")

    With a `blessing`, or a list of them, a graph that is not blessed is not used: the step is recorded as skipped, with
    what did not pass. In mode infer labels are left out of the rows, those of a cascade's stages too.

    `to`, relative to the project, is where the predictions are also written: a file (.parquet, .csv, .arrow, .json),
    whole or not at all; or a table that has more than them, where with `by="day"` they replace the rows of the same
    days, and without `by` all: the same predictions again add nothing twice.

        ps.predict(graph, rows, to="out/scores.duckdb", table="fares", by="day")  # a table of a DuckDB file
        ps.predict(graph, rows, to="delta:out/fares", by=["day", "line"])  # a Delta table, partitioned so if it is new
        ps.predict(graph, rows, to="out/fares", by="day")  # Parquet files: out/fares/day=2013-03-07/part-0.parquet

    Where the file is changed or gone, or the table is gone, the step runs again; `predict.configured(cache=False)` does
    so always.
    """
    if (given := wired(blessing)) and (why := why_not(given, digest_of(graph), graph.name)):
        decline(f"not used: {why}")
    if mode == "infer":
        rows = rows.drop_columns([name for name in rows.column_names if name in label_columns(graph)])
    predicted = models.predict(graph, rows)
    if to is not None:
        root = Path(context.root if context is not None else ".").absolute()
        for each in write_to(predicted, to, root, table=table, by=[by] if isinstance(by, str) else by):
            note(each, observe(each))
            wrote = os.path.realpath(each.partition(":")[2])
            note(f"wrote:{wrote}", "")  # a file that DuckDB writes is none that the step reads
        print(f"{predicted.num_rows:,} predictions written to {to}{f', table {table}' if table else ''}")
    return predicted
