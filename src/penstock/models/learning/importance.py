"""How much each feature counts in trees, read from LightGBM's own text of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penstock.models.learning.boosters import MODEL_FILE
from penstock.models.learning.learner import Estimator, Importance
from penstock.models.learning.matrix import Floats

_READ = ("split_feature", "split_gain", "internal_count")


def importance(estimator: Estimator) -> tuple[Importance, ...]:
    """Return the importance of each entering column, in their order; 0 where no tree splits by it."""
    widths = [width if kind == "sparse" else 1 for kind, width in zip(estimator.kinds, estimator.widths, strict=True)]
    owner = np.repeat(np.arange(len(widths)), widths)
    splits, gains, covers = np.zeros((3, len(widths)))
    for columns, gain, cover in _trees(estimator.files[MODEL_FILE].decode()):
        owners = owner[columns.astype(np.int64)]
        splits += np.bincount(owners, minlength=len(widths))
        gains += np.bincount(owners, weights=gain, minlength=len(widths))
        covers += np.bincount(owners, weights=cover, minlength=len(widths))
    counted = np.maximum(splits, 1)
    return tuple(
        Importance(weight=int(weight), gain=float(gain), cover=float(cover))
        for weight, gain, cover in zip(splits, gains / counted, covers / counted, strict=True)
    )


def _trees(text: str) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield of each tree the columns that it splits by, the gain of each split and how many rows reached it."""
    for part in text.split("\nTree=")[1:]:
        values = dict(line.split("=", 1) for line in part.split("\nend of trees")[0].splitlines() if "=" in line)
        columns, gains, covers = (np.array(values.get(name, "").split(), dtype=np.float64) for name in _READ)
        yield columns, gains, covers
