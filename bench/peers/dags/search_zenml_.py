"""ZenML, local orchestrator: a run of the pipeline for each trial, with its cache."""

from bench.searches import work
from zenml import pipeline, step


@step
def prepare() -> list[float]:
    return work.prepare()


@step
def fit(rows: list[float], depth: int, rate: float) -> float:
    return work.fit(rows, depth, rate)


@pipeline(enable_cache=True)
def search(depth: int, rate: float):
    fit(prepare(), depth, rate)


if __name__ == "__main__":
    for depth, rate in work.points():
        search(depth=depth, rate=rate)
