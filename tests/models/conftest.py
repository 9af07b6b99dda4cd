"""What the tests of models share: rows (small, mixed, with NULLs, the same each time) and a graph for each learner."""

from __future__ import annotations

import datetime
import importlib.util

import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.core.model import Model
from penstock.operations import col

CLASSES = {"logistic_reg": "late"}  # of other classifiers: a label of three classes
SMALL = {
    "linear_reg": {"l2_reg": 1.0},
    "logistic_reg": {"l2_reg": 1.0},
    "random_forest_regressor": {"num_parallel_tree": 8},
    "random_forest_classifier": {"num_parallel_tree": 8},
    "kmeans": {"num_clusters": 3},
    "pca": {"num_principal_components": 2},
    "transform_only": {},
    **{type: {"hidden_units": [8, 4], "max_iterations": 3} for type in models.LEARNERS if type.startswith("dnn")},
}


def make_flights(rows: int = 400, seed: int = 3) -> pa.Table:
    random = np.random.default_rng(seed)
    carrier = random.choice(["AA", "B6", "UA", 'é"x'], rows)
    distance = random.integers(100, 3000, rows)
    air = random.normal(200, 60, rows).round(2)
    start = datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)
    times = [start + datetime.timedelta(minutes=int(minute)) for minute in random.integers(0, 500_000, rows)]
    delay = (distance / 100 + (carrier == "UA") * 15 + np.array([time.hour for time in times]) - air / 20).round(3)
    delay += random.normal(0, 2, rows).round(3)
    missing = random.random(rows) < 0.1
    return pa.table(
        {
            "carrier": pa.array(carrier, mask=random.random(rows) < 0.05),
            "distance": pa.array(distance),
            "air_time": pa.array(air, mask=missing),
            "scheduled": pa.array(times, pa.timestamp("us", "UTC")),
            "weekend": pa.array([time.weekday() >= 5 for time in times]),
            "tail": pa.array([f"N{number}" for number in range(rows)]),
            "delay": pa.array(delay),
            "late": pa.array(np.where(delay > 15, "yes", "no")),
            "band": pa.array(np.digitize(delay, [10, 20]).astype(np.int64)),
        }
    )


FEATURES = {
    "carrier": col("carrier"),
    "distance": col("distance"),
    "log_distance": col("distance").ln(),
    "air_time": col("air_time"),
    "scheduled": col("scheduled"),
    "hour": "EXTRACT(HOUR FROM scheduled)",
    "weekend": col("weekend"),
    "speed": col("distance") / (col("air_time") + 1000),
}


def label_of(type: str) -> str | None:
    """A label of the flights that a model of the type can learn; None where it learns without."""
    task = models.LEARNERS[type].task
    return {"regression": "delay", "classification": CLASSES.get(type, "band")}.get(task)


def need(type: str) -> None:
    """Skip a test of a network where PyTorch is not installed: `make setup` does, where pip finds a CPU build."""
    if models.LEARNERS[type].library == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("the CPU build of PyTorch is not installed here: see make setup")


def declared(type: str, **changes: object) -> Model:
    small = SMALL.get(type, {"max_iterations": 8})
    given = {"name": "flights", "type": type, "label": label_of(type), "features": FEATURES, "options": small}
    given |= changes
    return models.model(given.pop("name"), **given)


@pytest.fixture(scope="session", name="need")
def need_fixture():
    """Skip a test of a learner whose library is not installed here."""
    return need


@pytest.fixture(scope="session")
def declare():
    """Declare a model of a type over the flights, with changes."""
    return declared


@pytest.fixture(scope="session")
def flights():
    return make_flights()


class Graphs(dict):
    """One graph for each learner, learned when a test first asks for it."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __missing__(self, type: str) -> models.ModelGraph:
        need(type)
        return self.setdefault(type, models.fit(declared(type), self.rows))


@pytest.fixture(scope="session")
def graphs(flights):
    return Graphs(flights)


@pytest.fixture(params=[type for type, learner in models.LEARNERS.items() if learner.method is not None])
def graph(request, graphs):
    """The graph of each learner that predicts."""
    return graphs[request.param]
