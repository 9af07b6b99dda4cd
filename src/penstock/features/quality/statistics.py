"""What the rows of a feature set are like: in all, and ingest by ingest, so that it shows where they drift."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.feature import IngestStatistics
from penstock.features.quality.counting import merged
from penstock.features.quality.sketches import Sketch, counted_values, distribution_of, quantile
from penstock.transforms import Distribution, distance

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COMPARED_BUCKETS = 16
_FEWEST = 100


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """What the values of a feature are like. `min`, `max`, `mean` and `stddev` are of the numbers that are finite, and
    `not_finite` counts the others. `quantiles` (by "0.5") are right to within a sixteenth. `top` has the most frequent
    texts with how often they are there, at least; all others are `others`. NULLs are counted as `nulls` only."""

    rows: int
    nulls: int
    null_rate: float | None
    min: Any = None
    max: Any = None
    mean: float | None = None
    stddev: float | None = None
    not_finite: int = 0
    quantiles: Mapping[str, float | None] | None = None
    top: tuple[tuple[str, int], ...] = ()
    others: int = 0
    distribution: Distribution | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the rows of an ingest are like, or of several (`ingests`); `created` is when the newest came. `features` are
    those that are values of rows: what windows and on-demand features give depends on when they are asked for."""

    ingests: int
    batch: str
    rows: int
    first_event: datetime.datetime | None
    last_event: datetime.datetime | None
    created: datetime.datetime
    features: Mapping[str, FeatureStatistics]
    sketches: Mapping[str, Sketch]

    def drift(self, before: Statistics) -> dict[str, float | None]:
        """Return how far the distribution of each feature is from what it was before: 0 is equal, 1 nothing in common
        (the Jensen-Shannon divergence, in bits). None where either has too few values to tell."""
        return {
            name: _distance(before.sketches[name], sketch)
            for name, sketch in self.sketches.items()
            if name in before.sketches
        }


def statistics_of(record: IngestStatistics) -> Statistics:
    """Return what a record tells."""
    return Statistics(
        ingests=record.ingests,
        batch=record.batch,
        rows=record.rows,
        first_event=_instant(record.first_event),
        last_event=_instant(record.last_event),
        created=datetime.datetime.fromtimestamp(record.created, datetime.UTC),
        features={name: _feature(sketch) for name, sketch in record.features.items()},
        sketches=record.features,
    )


def total_statistics(records: Sequence[IngestStatistics]) -> Statistics | None:
    """Return the statistics of all ingests together; None where there was none."""
    return statistics_of(merged(records)) if records else None


def plain_statistics(statistics: Statistics, *, drift: Mapping[str, float | None] | None = None) -> dict[str, Any]:
    """Return statistics as plain JSON values, with how far features drifted, if that is given."""
    return {
        "ingests": statistics.ingests,
        "batch": statistics.batch,
        "rows": statistics.rows,
        "first_event": _text(statistics.first_event),
        "last_event": _text(statistics.last_event),
        "created": _text(statistics.created),
        "features": {
            name: _plain(feature) | ({} if drift is None else {"drift": drift.get(name)})
            for name, feature in statistics.features.items()
        },
    }


def _plain(feature: FeatureStatistics) -> dict[str, Any]:
    values = {name: getattr(feature, name) for name in FeatureStatistics.__slots__}
    values["top"] = list(map(list, feature.top))
    always = ("rows", "nulls", "null_rate")
    unsaid = {"not_finite": 0, "others": 0, "top": []}
    return {name: value for name, value in values.items() if name in always or value != unsaid.get(name)}


def _feature(sketch: Sketch) -> FeatureStatistics:
    distribution = distribution_of(sketch)
    numbers = distribution is not None and distribution["kind"] == "numbers"
    return FeatureStatistics(
        rows=sketch["rows"],
        nulls=sketch["nulls"],
        null_rate=sketch["nulls"] / sketch["rows"] if sketch["rows"] else None,
        **{name: sketch[name] for name in ("min", "max", "mean", "stddev", "not_finite", "others") if name in sketch},
        quantiles={str(part): quantile(distribution, part) for part in QUANTILES} if numbers and distribution else None,
        top=tuple((value, count) for value, count in sketch.get("top", ())),
        distribution=distribution,
    )


def _distance(before: Sketch, after: Sketch) -> float | None:
    if min(counted_values(before), counted_values(after)) < _FEWEST:
        return None
    one, other = (distribution_of(each, buckets=_COMPARED_BUCKETS) for each in (before, after))
    if one is None or other is None or one["kind"] != other["kind"]:
        return None
    return distance(one, other, "JENSEN_SHANNON_DIVERGENCE")


def _instant(microseconds: int | None) -> datetime.datetime | None:
    if microseconds is None:
        return None
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=microseconds)


def _text(instant: datetime.datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
