"""The component that predicts many rows: predict."""

from __future__ import annotations

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
from penstock.tables.writing import write_rows


@step
def predict(
    graph: ModelGraph,
    rows: Table,
    *,
    blessing: dict[str, Any] | list[Any] | tuple[Any, ...] | None = (),
    to: str | None = None,
    mode: Mode = "train",
    context: Context | None = None,
) -> Table:
    """Predict every row: the predicted columns, then the rows as they were given.

        predicted = ps.predict(graph, rows, blessing=blessing, to="out/predicted.parquet")

    With a `blessing`, or a list of them, a graph that is not blessed is not used: the step is recorded as skipped, with
    what did not pass. `to` is a file that the predictions are also written to (.parquet, .csv, .arrow, .json; relative
    to the project), whole or not at all; where it is changed or gone, the step runs again. In mode infer labels are
    left out of the rows, those of a cascade's stages too.
    """
    if (given := wired(blessing)) and (why := why_not(given, digest_of(graph), graph.name)):
        decline(f"not used: {why}")
    if mode == "infer":
        rows = rows.drop_columns([name for name in rows.column_names if name in label_columns(graph)])
    predicted = models.predict(graph, rows)
    if to is not None:
        path = Path(context.root if context is not None else ".", to).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(predicted, path)
        note(f"file:{path}", observe(f"file:{path}"))
        print(f"{predicted.num_rows:,} predictions written to {to}")
    return predicted
