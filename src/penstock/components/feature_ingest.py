"""The component that stores rows in a feature set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from penstock import features as store
from penstock.core.artifact import Source
from penstock.core.ports import Context
from penstock.errors import StepError
from penstock.features import FeatureSet
from penstock.pipelines import step
from penstock.stores import open_metadata
from penstock.tables import Table


@step(name="ingest")
def ingested_rows(
    target: Source, rows: Table, *, on_bad: Literal["fail", "dead_letter"] = "fail", context: Context
) -> dict[str, Any]:
    """Store rows in a feature set, as a batch that is named by their content."""
    done, batch = store.ingest_into(
        target,
        rows,
        open_metadata(context.metadata),
        root=Path(context.root),
        secrets=context.secrets,
        on_bad=on_bad,
    )
    print(done.message)
    return {
        "feature_set": done.feature_set,
        "rows": done.rows,
        "version": done.version,
        "repeated": done.repeated,
        "dead_letters": done.dead_letters,
        "batch": batch,
    }


def ingest(
    feature_set: FeatureSet | str, rows: Any, *, on_bad: Literal["fail", "dead_letter"] = "fail", when: Any = True
) -> Any:
    """Store what a step gave in a feature set: `ps.ingest("driver_rides", cleaned)`, a step that is up to date while
    the rows and the set's definition are the same.

    The rows are a batch by the name of their digest: run again, by force or after a crash, they are not in twice. The
    set has to be applied before.
    """
    name = feature_set.name if isinstance(feature_set, FeatureSet) else feature_set
    if isinstance(rows, pa.Table):
        raise StepError(f"ps.ingest is a step of a pipeline; of a project ask project.features.ingest({name!r}, rows)")
    text: Any = store.TARGET + name  # the run finds what it stands for
    return ingested_rows(text, rows, on_bad=on_bad, when=when)
