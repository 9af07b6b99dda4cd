"""Calibration of a router: its probabilities turned into the shares that were observed of rows it did not learn from.

`isotonic` is a rising curve through the shares (Zadrozny & Elkan 2002), `platt` a sigmoid of the log-odds (Platt 1999);
of more than two classes each has its own, and together they are brought to a sum of one.
"""

from __future__ import annotations

import bisect
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from penstock.errors import MissingExtraError
from penstock.models.learning.matrix import Floats, Integers

Method: TypeAlias = Literal["isotonic", "platt"]
METHODS: tuple[Method, ...] = ("isotonic", "platt")

Estimate: TypeAlias = Any
"""The probability of the second class where there are two, else a list with one for each class."""

_SMALLEST = 1e-12  # probabilities nearer to 0 or 1 have the log-odds of this one


def learn_calibration(method: Method, probabilities: Floats, numbers: Integers) -> dict[str, Any]:
    """Return the calibration, as JSON, that the probabilities of rows (one for each class) and their classes show."""
    learn = _isotonic if method == "isotonic" else _platt
    which = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return {"method": method, "curves": [learn(probabilities[:, at], numbers == at) for at in which]}


def calibrated(calibration: Mapping[str, Any] | None, probabilities: Floats) -> Floats:
    """Return the probabilities of rows as calibrated."""
    if calibration is None:
        return probabilities
    curves = [_many(calibration["method"], curve) for curve in calibration["curves"]]
    if len(curves) == 1:
        second = curves[0](probabilities[:, 1])
        return np.column_stack((1.0 - second, second))
    made = [curve(probabilities[:, at]) for at, curve in enumerate(curves)]
    total = np.zeros(len(probabilities))
    for column in made:
        total = total + column
    with np.errstate(invalid="ignore"):
        return np.column_stack([np.where(total > 0.0, column / total, 1.0 / len(made)) for column in made])


def calibrated_row(calibration: Mapping[str, Any]) -> Callable[[Estimate], Estimate]:
    """Return the function that calibrates what is estimated of one row: the same bits as many."""
    curves = [_one(calibration["method"], curve) for curve in calibration["curves"]]
    if len(curves) == 1:
        return curves[0]

    def together(estimate: Sequence[float]) -> list[float]:
        made = [curve(value) for curve, value in zip(curves, estimate, strict=True)]
        total = 0.0
        for value in made:
            total = total + value
        return [value / total if total > 0.0 else 1.0 / len(made) for value in made]

    return together


def _isotonic(probabilities: Floats, hits: Any) -> dict[str, list[float]]:
    fitted = _sklearn("sklearn.isotonic").IsotonicRegression(out_of_bounds="clip").fit(probabilities, hits)
    return {"at": fitted.X_thresholds_.tolist(), "share": fitted.y_thresholds_.tolist()}


def _platt(probabilities: Floats, hits: Any) -> dict[str, float]:
    """Fit on targets drawn in a little, as Platt does, so that few rows do not make it certain."""
    positive, negative = int(hits.sum()), int((~hits).sum())
    odds = np.array([_log_odds(value) for value in probabilities.tolist()])
    wanted = np.where(hits, (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0))
    learner = _sklearn("sklearn.linear_model").LogisticRegression(C=np.inf, max_iter=1000)
    twice, sides = np.concatenate((odds, odds))[:, None], np.repeat([True, False], len(odds))
    fitted = learner.fit(twice, sides, sample_weight=np.concatenate((wanted, 1.0 - wanted)))
    return {"slope": float(fitted.coef_[0, 0]), "offset": float(fitted.intercept_[0])}


def _many(method: Method, curve: Mapping[str, Any]) -> Callable[[Floats], Floats]:
    if method == "platt":
        one = _one(method, curve)
        return lambda values: np.array([one(value) for value in values.tolist()], dtype=np.float64)
    at, share = np.array(curve["at"]), np.array(curve["share"])

    def interpolated(values: Floats) -> Floats:
        right = np.searchsorted(at, values, side="right")
        left, end = np.maximum(right - 1, 0), np.minimum(right, len(at) - 1)
        width = at[end] - at[left]
        with np.errstate(invalid="ignore", divide="ignore"):
            between = share[left] + (share[end] - share[left]) * ((values - at[left]) / width)
        return np.where((right == 0) | (width == 0.0), share[left], between)

    return interpolated


def _one(method: Method, curve: Mapping[str, Any]) -> Callable[[float], float]:
    if method == "platt":
        slope, offset = curve["slope"], curve["offset"]

        def sigmoid(value: float) -> float:
            score = slope * _log_odds(value) + offset
            return 1.0 / (1.0 + math.exp(-score)) if score > -700.0 else 0.0

        return sigmoid
    at, share = curve["at"], curve["share"]
    last = len(at) - 1

    def interpolated(value: float) -> float:
        right = bisect.bisect_right(at, value)
        if right == 0:
            return float(share[0])
        if right > last:
            return float(share[last])
        left = right - 1
        part = (value - at[left]) / (at[right] - at[left])
        return float(share[left] + (share[right] - share[left]) * part)

    return interpolated


def _log_odds(value: float) -> float:
    inside = min(max(value, _SMALLEST), 1.0 - _SMALLEST)
    return math.log(inside / (1.0 - inside))


def _sklearn(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError("scikit-learn", extra="learners", purpose="the calibration of a router") from error
