"""Apache Beam writes into a feature set, in batches that are the same however often Beam tries.

Rows are grouped by the digest of their content, so that the batches of a job do not depend on how Beam cuts a
collection into bundles; each is named by the job and the digests of its rows. A bundle that is tried again, and a job
that is run again by the same name over the same rows, add nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import apache_beam as beam
import blake3

from penstock.errors import DataError, DeclarationError

_BATCH_ROWS = 100_000


class WriteToFeatureSet(beam.PTransform):  # type: ignore[misc]  # Beam has no types
    """Store a collection of rows (dicts, named tuples, `beam.Row`) in a feature set.

    `project` is a folder that every worker reaches, or the address of a server (`http://...`). `job` names the job
    (default: the pipeline's `job_name`). An unbounded collection has to be windowed. The set has to be applied before.
    Each batch is one commit; rows that cannot be stored fail it, or are dead letters. The result has what became of
    each batch.
    """

    def __init__(
        self,
        project: str,
        feature_set: str,
        *,
        job: str = "",
        on_bad: Literal["fail", "dead_letter"] = "fail",
        shards: int = 1,
    ) -> None:
        super().__init__()
        if shards < 1:
            raise DeclarationError(f"shards is {shards}; give how many batches may be written side by side: 1, 2, ...")
        self._project, self._set, self._job = str(project), feature_set, job
        self._on_bad, self._shards = on_bad, shards

    def expand(self, rows: Any) -> Any:
        """Return the collection of what became of each batch."""
        job = self._job or rows.pipeline.options.get_all_options().get("job_name")
        if not job:
            raise DeclarationError(
                f"WriteToFeatureSet('{self._set}') has no job to name its batches by; give job='rides-2026-11-01', or "
                "run the pipeline with --job_name"
            )
        shards = self._shards
        return (
            rows
            | "digest" >> beam.Map(_with_digest)
            | "shard" >> beam.Map(lambda pair: (int(pair[0][:8], 16) % shards, pair))
            | "gather" >> beam.GroupByKey()
            | "write" >> beam.ParDo(_Write(self._project, self._set, f"{job}:{self._set}", self._on_bad))
        )


class _Write(beam.DoFn):  # type: ignore[misc]
    """Writes the rows of a shard, in the order of their digests."""

    def __init__(self, project: str, feature_set: str, job: str, on_bad: str) -> None:
        self._project, self._set, self._job, self._on_bad = project, feature_set, job, on_bad
        self._features: Any = None

    def setup(self) -> None:
        # A worker opens the project as a user's own code does: nothing of this room knows what is above it.
        self._features = importlib.import_module("penstock").open(self._project).features

    def process(self, group: tuple[int, Iterable[tuple[str, dict[str, Any]]]]) -> Iterator[dict[str, Any]]:
        ordered = sorted(group[1], key=lambda pair: pair[0])
        for first in range(0, len(ordered), _BATCH_ROWS):
            part = ordered[first : first + _BATCH_ROWS]
            batch = blake3.blake3("\n".join([self._job, *(digest for digest, _ in part)]).encode()).hexdigest()
            done = self._features.ingest(self._set, [row for _, row in part], batch=batch, on_bad=self._on_bad)
            yield {
                "feature_set": done.feature_set,
                "batch": batch,
                "rows": done.rows,
                "dead_letters": done.dead_letters,
                "repeated": done.repeated,
            }


def _with_digest(row: Any) -> tuple[str, dict[str, Any]]:
    """Return a row as a dict with the digest of its columns and values."""
    if isinstance(row, Mapping):
        plain = dict(row)
    elif hasattr(row, "_asdict"):
        plain = dict(row._asdict())
    else:
        raise DataError(f"{row!r} is no row; write dicts, named tuples or beam.Row to a feature set")
    return blake3.blake3(repr(sorted(plain.items())).encode()).hexdigest(), plain
