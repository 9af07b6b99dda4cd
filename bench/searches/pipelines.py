"""The search as a pipeline of ours."""

from __future__ import annotations

import penstock as ps
from bench.searches import work


@ps.step
def prepare() -> list[float]:
    return work.prepare()


@ps.step
def fit(rows: list[float], depth: int, rate: float) -> dict[str, float]:
    return {"loss": work.fit(rows, depth, rate)}


@ps.step
def publish(report: dict[str, float]) -> float:
    return report["loss"]


@ps.pipeline
def searched(depth: int = 3, rate: float = 0.3) -> None:
    publish(fit(prepare(), depth, rate))
