"""Everything that steps may hand each other, through worker processes, and read back from the folder or over REST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from story_projects import AnyProject

pytestmark = pytest.mark.usefixtures("warm_workers")

SHAPES = """
import penstock as ps

class Shape:
    def __init__(self, sides):
        self.sides = sides

def save(shape, path):
    path.write_text(str(shape.sides))

ps.codec(Shape, save=save, load=lambda path: Shape(int(path.read_text())))
"""
STEPS = """
from __future__ import annotations
from pathlib import Path
import duckdb, numpy as np, pandas as pd, polars as pl
import penstock as ps
from our_shapes import Shape

@ps.step
def by_carrier(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return duckdb.sql("SELECT carrier, count(*) AS flights FROM rows WHERE carrier IS NOT NULL GROUP BY 1 ORDER BY 1")

@ps.step
def largest(counts: pl.LazyFrame) -> pl.LazyFrame:
    return counts.sort("flights", descending=True).head(1)

@ps.step
def parts(counts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {name: part.reset_index(drop=True) for name, part in counts.groupby("carrier")}

@ps.step
def plot(counts: ps.Table):
    from matplotlib.figure import Figure
    figure = Figure()
    figure.subplots().bar(counts["carrier"].to_pylist(), counts["flights"].to_pylist())
    return figure

@ps.step
def judge(matrix: np.ndarray) -> ps.Metrics:
    return {"mean": float(matrix.mean())}

@ps.step
def numbers(counts: ps.Table) -> ps.Table:
    return counts.select(["flights"])

@ps.step
def site(counts: ps.Table, figure: ps.Figure, context: ps.Context) -> Path:
    made = Path(context.root, "made")
    made.mkdir(exist_ok=True)
    figure.save(made / "plot.svg")
    (made / "index.html").write_text("<p>report</p>")
    return made

@ps.step
def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())

@ps.step
def shapes(counts: ps.Table) -> list[Shape]:
    return [Shape(sides) for sides in range(counts.num_rows)]

@ps.pipeline
def values():
    counts = by_carrier(ps.read("flights"))
    largest(counts)
    by_name = parts(counts)
    largest.configured(name="of_one")(by_name["DL"])
    listed(site(counts, plot(counts)))
    judge(numbers(counts))
    shapes(counts)
"""


@pytest.fixture
def root(root: Path) -> Path:
    """The project with these steps, run by worker processes."""
    (root / "our_shapes.py").write_text(SHAPES)
    (root / "values_story.py").write_text(STEPS)
    (root / "penstock.toml").write_text(
        '[project]\nmodules = ["values_story"]\n[tables]\nflights = "data/*.parquet"\n[engine]\ndefault = "local"\n'
    )
    return root


def test_every_kind_of_value_passes_between_workers_and_is_read_back(
    project: AnyProject, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root))  # who reads a value of a type has that type's module, a client over REST too
    run = project.run("values")
    assert run.state == "succeeded", run.record.error
    given = {name: run.artifact(name) for name in run.steps}
    counts = given["by_carrier"].load()
    assert counts.column_names == ["carrier", "flights"]
    assert given["largest"].load()["flights"][0].as_py() == max(counts["flights"].to_pylist())
    by_name = given["parts"].load()
    assert list(by_name) == ["AA", "DL", "UA"]
    assert given["of_one"].load() == by_name["DL"] == counts.slice(1, 1)
    assert given["plot"].load().media_type == "image/svg+xml"
    assert given["judge"].load() == {"mean": np.mean(counts["flights"].to_pylist())}
    assert given["listed"].load() == ["index.html", "plot.svg"]
    assert (given["site"].load() / "index.html").read_text() == "<p>report</p>"
    assert [shape.sides for shape in given["shapes"].load()] == [0, 1, 2]
    kinds = {name: artifact.record.kind for name, artifact in given.items()}
    assert {name: kinds[name] for name in ("parts", "plot", "judge", "site", "shapes")} == {
        "parts": "mapping", "plot": "figure", "judge": "metrics", "site": "folder", "shapes": "list",
    }  # fmt: skip
    assert isinstance(counts, pa.Table)
    again = project.run("values")
    assert {step.state for step in again.steps.values()} == {"up_to_date"}
