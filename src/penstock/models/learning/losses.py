"""What learners make small: the mean squared error of values, the mean log loss of probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.models.learning.matrix import Floats, Integers


def loss(target: Floats | Integers, estimates: Floats, *, classes: int, weights: Floats | None = None) -> float:
    """Return the loss of estimates: a column of values, or one of the probability of each class."""
    if not classes:
        with np.errstate(over="ignore", invalid="ignore"):  # the square of 1e200 is inf, and that is the answer
            return float(np.average((target - estimates[:, 0]) ** 2, weights=weights))
    own = estimates[np.arange(len(target)), target.astype(np.int64, copy=False)]
    tiny = np.finfo(np.float64).eps
    return float(np.average(-np.log(np.clip(own, tiny, 1 - tiny)), weights=weights))


def iteration(
    number: int, loss: float, *, eval_loss: float | None = None, learning_rate: float | None = None
) -> dict[str, Any]:
    """Return what is kept of an iteration in the facts, see `Learned`; a loss without a value is None."""
    losses = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in (("loss", loss), ("eval_loss", eval_loss))
    }
    return {"iteration": number, **losses, "learning_rate": learning_rate}
