"""What LightGBM's trees estimate, for many rows and for one."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.errors import CorruptArtifactError
from penstock.models.learning.boosters import MODEL_FILE, Booster, SingleRow, load_booster
from penstock.models.learning.learner import Attributions, Estimator, RowLines
from penstock.models.learning.matrix import Features, Floats, dense, entries, is_mostly_empty, spread


def estimate(estimator: Estimator, features: Features) -> Floats:
    """Return the value, or the probability of each class, of each row."""
    booster = load_booster(estimator.files[MODEL_FILE], outputs=_outputs(estimator))
    form = entries if is_mostly_empty(features, estimator.widths) else dense
    outputs = booster.predict(form(features, estimator.widths))
    return np.hstack([1.0 - outputs, outputs]) if estimator.classes == 2 else outputs


def attributions(estimator: Estimator, features: Features, *, steps: int) -> Attributions:
    """Return TreeSHAP's attributions: Shapley values in which the rows of the training stand for what is not known."""
    matrix = dense(features, estimator.widths)
    booster = load_booster(estimator.files[MODEL_FILE], outputs=_outputs(estimator))
    found = booster.contributions(matrix)
    expected = found[0, :, -1] if len(matrix) else np.zeros(_outputs(estimator))
    starts = np.cumsum([0, *spread(features, estimator.widths)[:-1]])
    parts = np.add.reduceat(found[:, :, :-1], starts, axis=2)  # those of an entering column that is several here
    return Attributions(baselines=expected, scores=booster.scores(matrix), parts=parts)


def row_lines(estimator: Estimator, entering: Sequence[str]) -> RowLines:
    """Pack the entering values as doubles and call LightGBM."""
    values, columns = [], 0
    for name, kind, width in zip(entering, estimator.kinds, estimator.widths, strict=True):
        match kind:
            case "number":
                values.append(f"_nan if {name} is None else {name}")
            case "category":
                values.append(name)
            case "sparse":
                values.append(f"*_spread({name}, {width})")
        columns += width if kind == "sparse" else 1
    booster = Booster(estimator.files[MODEL_FILE], outputs=_outputs(estimator))
    single = SingleRow(booster, columns=columns)
    names: dict[str, Any] = {
        "_single": single,  # keeps LightGBM's memory as long as the function lives
        "_call": single.function,
        "_outputs": single.outputs,
        "_pack": struct.Struct(f"{columns}d").pack,
        "_failed": _failed,
        "_spread": spread_entries,
        "_nan": math.nan,
    }
    lines = [
        "outputs = _outputs()",
        f"if _call({single.config}, _pack({', '.join(values)}), {single.length}, outputs): _failed()",
        "estimate = outputs[0]" if estimator.classes <= 2 else "estimate = outputs[:]",
    ]
    return RowLines(lines=lines, names=names)


def spread_entries(entries: list[dict[str, Any]] | None, width: int) -> list[float]:
    """Return a list of (index, value) as that many numbers."""
    numbers = [0.0] * width
    for entry in entries or ():
        if entry["index"] < width:
            numbers[entry["index"]] += entry["value"]
    return numbers


def _outputs(estimator: Estimator) -> int:
    return estimator.classes if estimator.classes > 2 else 1


def _failed() -> None:
    raise CorruptArtifactError("LightGBM cannot predict a row with the model it was given")
