"""Whether two answers are the same: what a server says of a row, and what batch prediction gives for it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pyarrow as pa

TOLERANCE = 1e-12
"""How far two numbers may lie apart, relative to the larger: sums of the same terms in another order."""


def as_answers(predicted: pa.Table) -> list[dict[str, Any]]:
    """Return batch predictions as any client would see them: through JSON and back."""
    seen: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(predicted.to_pylist()))
    return seen


def difference(one: Any, other: Any) -> float:
    """Return how far two JSON values lie apart: relative for numbers, infinite for anything else that differs."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return 0.0 if one is other else math.inf
        case ((int() | float()), (int() | float())):
            return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other))
        case list(), list() if len(one) == len(other):
            return max(map(difference, one, other), default=0.0)
        case dict(), dict() if one.keys() == other.keys():
            return max((difference(one[key], other[key]) for key in one), default=0.0)
    return 0.0 if one == other else math.inf
