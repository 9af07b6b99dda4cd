"""A small project on disk, as a user would have it: generated flights, a pipeline module, a configuration."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import penstock as ps

sys.path.insert(0, str(Path(__file__).parent))  # what the stories share
from story_projects import AnyProject, served

MODULE = '''
import penstock as ps
from helpers import worst_delay

late = ps.model(
    "late", type="boosted_tree_regressor", label="arr_delay",
    features={
        "carrier": ps.col("carrier"),
        "dep_delay": ps.col("dep_delay"),
        "distance": ps.col("distance").log1p().standard_scaler(),
        "weekday": ps.col("at").day_of_week().cast("string"),
    },
    options={"max_iterations": 10},
)


@ps.step
def clean(rows: ps.Table) -> ps.Table:
    """Leave out what is absurdly late."""
    print(f"cleaning {rows.num_rows} rows")
    return rows.filter(pc.less(rows["dep_delay"], worst_delay()))


@ps.pipeline
def flights(depth: int = 4, good: float = 1000.0):
    """From rows to a champion."""
    rows = clean(ps.read("flights"))
    rows = ps.validate(rows, ps.schema(ps.statistics(rows), label="arr_delay")).rows
    train, test = ps.split(rows, by="at", test=0.25)
    graph = ps.fit(late, train, options={"max_depth": depth})
    report = ps.evaluate(graph, test)
    ps.push(graph, name="late", report=report, when=report["mean_absolute_error"] < good)
'''


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The folder of the project."""
    random, count = np.random.default_rng(0), 2000
    delay = random.exponential(20, count).round()
    table = pa.table(
        {
            "carrier": pa.array(np.array(["AA", "UA", "DL", None])[random.integers(0, 4, count)]),
            "dep_delay": delay,
            "distance": random.integers(100, 2500, count),
            "at": pa.array(1_700_000_000_000_000 + np.arange(count) * 3_600_000_000, pa.timestamp("us", "UTC")),
            "arr_delay": delay + random.normal(0, 5, count),
        }
    )
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(table, tmp_path / "data" / "flights.parquet")
    (tmp_path / "penstock.toml").write_text(
        '[project]\nmodules = ["flights_story"]\n[tables]\nflights = "data/*.parquet"\n[engine]\ndefault = "inline"\n'
    )
    (tmp_path / "flights_story.py").write_text("import pyarrow.compute as pc\n" + MODULE)
    (tmp_path / "helpers.py").write_text("def worst_delay():\n    return 200.0\n")
    yield tmp_path
    for name in ("flights_story", "helpers"):
        sys.modules.pop(name, None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


@pytest.fixture(params=["local", "remote"])
def project(request: pytest.FixtureRequest, root: Path) -> Iterator[AnyProject]:
    """The project, from its folder and over REST: every story that takes it is told both ways."""
    if request.param == "local":
        yield ps.open(root)
        return
    token = "the-token-of-this-story"
    with served(root, "--allow-sql-writes", PENSTOCK_SERVER_TOKEN=token) as url:
        yield ps.open(url, token=token)
