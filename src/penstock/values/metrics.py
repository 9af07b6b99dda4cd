"""Metrics: numbers by name that say how good something is."""

from __future__ import annotations

from typing import Annotated, TypeAlias

METRICS = "penstock.Metrics"
Metrics: TypeAlias = Annotated[dict[str, float | None], METRICS]
"""What a step returns that judges: its values are shown wherever the step's run is, without opening anything.

>>> def judge() -> Metrics:
...     return {"mean_absolute_error": 1.5, "r2_score": None}
"""
