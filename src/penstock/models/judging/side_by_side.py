"""Labels side by side, judged each by itself: `price.mean_absolute_error`."""

from __future__ import annotations

import pyarrow as pa

from penstock.models.graphs.heads import Head
from penstock.models.judging import labels, metrics, several
from penstock.models.learning.matrix import Floats


def judged_each(model: str, heads: tuple[Head, ...], column: pa.ChunkedArray, estimates: Floats) -> dict[str, float]:
    """Return the metrics of each label, by its name, a dot and the metric's, on the rows in which it is known; NaN
    where it is known in none."""
    found: dict[str, float] = {}
    start = 0
    for head in heads:
        own = labels.field_of(column, head.label)
        there, known = own.is_valid().to_numpy(), own.drop_null()
        numbers = estimates[there, start : start + head.numbers]
        judged = _judged(model, head, known, numbers) if len(known) else dict.fromkeys(_NAMES[head.task], float("nan"))
        found |= {f"{head.label}.{name}": value for name, value in judged.items()}
        start += head.numbers
    return found


_NAMES = {
    "regression": metrics.REGRESSION,
    "classification": metrics.CLASSIFICATION,
    "multilabel": (*metrics.CLASSIFICATION, *several.BESIDE),
}


def _judged(model: str, head: Head, known: pa.ChunkedArray, estimates: Floats) -> dict[str, float]:
    match head.task:
        case "regression":
            return metrics.regression(labels.values(model, head.label, known), estimates[:, 0])
        case "multilabel":
            return several.judged(several.held(model, head.label, head.classes, known), estimates)
    return metrics.classification(labels.class_numbers(model, head.label, head.classes, known), estimates)
