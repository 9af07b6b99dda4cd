"""Labels of which several may hold at once, as arrays of classes: read from rows, weighed, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError
from penstock.models.judging import metrics
from penstock.models.judging.labels import SEVERAL_TYPES
from penstock.models.learning.matrix import Flags, Floats, Integers
from penstock.models.predicting.answers import HALF
from penstock.tables import schema_of

BESIDE = ("hamming_loss", "precision_micro", "recall_micro", "f1_micro")
"""The names of what judges several classes at once, beside what judges a classifier."""


def type_of_several(labels: pa.ChunkedArray) -> str | None:
    """Return the type of labels that are arrays of what may be classes; None for all others."""
    type = schema_of(pa.schema([("label", labels.type)]))["label"].type
    return type if type in [f"array<{each}>" for each in SEVERAL_TYPES] else None


def several_in(model: str, label: str, labels: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return the distinct classes of all arrays, in order; raises `DataError` where no row has any."""
    items = _items(model, label, labels)
    found = tuple(sorted(pc.unique(items).to_pylist()))
    if not found:
        raise DataError(
            f"model '{model}': the label '{label}' is an empty array in every row; there is no class to learn",
            field=label,
        )
    return found


def held(model: str, label: str, classes: Sequence[Any], labels: pa.ChunkedArray) -> Floats:
    """Return 1 where a class (a column) holds in a row, else 0; raises `DataError` for a class that is none of them."""
    items, lists = _items(model, label, labels), labels.combine_chunks()
    numbers = pc.index_in(items, value_set=pa.array(classes, items.type))
    if numbers.null_count:
        odd = items.filter(numbers.is_null())[0].as_py()
        raise DataError(
            f"model '{model}' knows the classes {', '.join(map(repr, classes))} of label '{label}'; a row has {odd!r}",
            field=label,
        )
    found = np.zeros((len(lists), len(classes)))
    found[np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy()), numbers.to_numpy()] = 1.0
    return found


def cell_weights(options: Mapping[str, Any], classes: Sequence[Any], there: Floats | Integers) -> Floats | None:
    """Return how much it counts whether a class holds in a row, None where that is always the same.

    With auto_class_weights a class counts as much, in sum, where it holds as where it does not. The class_weights are
    those of a class where it holds.
    """
    if options.get("auto_class_weights"):
        holds = there.sum(axis=0)
        yes, no = (len(there) / (2 * np.maximum(each, 1)) for each in (holds, len(there) - holds))
        return np.asarray(np.where(there > 0, yes, no))
    given = options.get("class_weights")
    if not given:
        return None
    by_text = {str(label): weight for label, weight in given}
    odd = set(by_text) - {str(label) for label in classes}
    if odd:
        raise DataError(f"class_weights names {', '.join(sorted(odd))}; the classes are {', '.join(map(str, classes))}")
    return np.asarray(np.where(there > 0, np.array([by_text.get(str(label), 1.0) for label in classes]), 1.0))


def judged(there: Floats, probabilities: Floats, threshold: float | None = None) -> dict[str, float]:
    """Judge the probabilities of classes that hold each by itself, said to hold above the threshold, 0.5 if none.

    precision, recall, f1_score and roc_auc are the mean over the classes (scikit-learn's "macro"), roc_auc over those
    that hold in some row and not in all; `_micro` counts all classes of all rows together. accuracy is the part of
    the rows in which every class is right, hamming_loss the part of all classes of all rows that is wrong, log_loss
    the mean over these.
    """
    actual, predicted = there > 0, probabilities > (HALF if threshold is None else threshold)
    scores = np.array([metrics.of_class(actual[:, at], predicted[:, at]) for at in range(there.shape[1])])
    precision, recall, f1 = scores.mean(axis=0).tolist()
    together = metrics.of_class(actual.ravel(), predicted.ravel())
    return {
        "precision": precision,
        "recall": recall,
        "accuracy": float((actual == predicted).all(axis=1).mean()),
        "f1_score": f1,
        "log_loss": _log_loss(actual, probabilities),
        "roc_auc": _roc_auc(actual, probabilities),
        "hamming_loss": float((actual != predicted).mean()),
        **dict(zip(BESIDE[1:], together, strict=True)),
    }


def _log_loss(actual: Flags, probabilities: Floats) -> float:
    tiny = np.finfo(np.float64).eps
    own = np.where(actual, probabilities, 1 - probabilities)
    return float(-np.log(np.clip(own, tiny, 1 - tiny)).mean())


def _roc_auc(actual: Flags, probabilities: Floats) -> float:
    areas = [metrics.area(actual[:, at], probabilities[:, at]) for at in range(actual.shape[1])]
    known = [each for each in areas if each == each]
    return float(np.mean(known)) if known else float("nan")


def _items(model: str, label: str, labels: pa.ChunkedArray) -> pa.Array:
    items = labels.combine_chunks().flatten()
    if items.null_count:
        raise DataError(
            f"model '{model}': an array of label '{label}' has NULL among its classes; leave such elements out, or "
            "make the whole label NULL: such rows do not count",
            field=label,
        )
    return items
