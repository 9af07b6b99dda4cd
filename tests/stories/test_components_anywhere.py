"""Components give the same bytes on every engine, in training and in inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps

MODULE = """
import penstock as ps

fare = ps.model("fare", type="linear_reg", label="fare",
    features={"km": ps.col("km").standard_scaler(), "zone": ps.col("zone")})

@ps.component
class scale:
    @staticmethod
    def fit(rows: ps.Table) -> dict:
        return {"largest": max(rows["km"].to_pylist())}

    @staticmethod
    def apply(learned: dict, rows: ps.Table) -> ps.Table:
        column = [[km / learned["largest"] for km in rows["km"].to_pylist()]]
        return rows.set_column(rows.column_names.index("km"), "km", column)

@ps.pipeline
def fares(source: str):
    rows = ps.read(source)
    expected = ps.schema(ps.statistics(rows), label="fare", rules=["km > 0"])
    rows = scale(ps.validate(rows, expected, on_anomaly="set_aside").rows)
    train, test = ps.split(rows, by="zone", test=0.3)
    graph = ps.fit(fare, train)
    blessing = ps.bless(graph, test, thresholds={"mean_absolute_error": ps.bound(max=100)}, slices=["zone = 'a'"])
    ps.push(graph, name="fare", report=ps.evaluate(graph, test), blessings=[blessing])
    ps.predict(graph, rows, blessing=blessing)
"""


def rows(count: int, step: int) -> pa.Table:
    numbers = range(1, count + 1)
    zones = [("a", "b", "c", "d", "e")[number * step % 5] for number in numbers]
    km = [float(number * step % 37 + 1) for number in numbers]
    fares = [3 + 2 * far + (1 if zone == "a" else 0) for far, zone in zip(km, zones, strict=True)]
    return pa.table({"km": km, "zone": zones, "fare": fares})


def made(folder: Path, engine: str, settings: str = "") -> dict[str, Any]:
    """Return the digest of all that a training run and one that infers have made, by mode, step and output."""
    (folder / "penstock.toml").write_text(f'[project]\nmodules = ["anywhere"]\n[engine]\n{settings}\n')
    (folder / "anywhere.py").write_text(MODULE)
    pq.write_table(rows(400, 7), folder / "old.parquet")
    pq.write_table(rows(60, 11).drop_columns(["fare"]), folder / "new.parquet")
    project = ps.open(folder)
    found = {}
    for mode, source in (("train", "old.parquet"), ("infer", "new.parquet")):
        run = project.run("fares", source=source, mode=mode, engine=engine)
        assert run.state == "succeeded", [step.record.error for step in run.steps.values()]
        found |= {(mode, name): dict(step.record.artifacts) for name, step in run.steps.items() if name != "push"}
    return found


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(tmp_path_factory.mktemp("inline"), "inline")


def test_worker_processes_give_what_this_process_gives(inline: dict[str, Any], tmp_path: Path) -> None:
    assert ("infer", "predict") in inline
    assert made(tmp_path, "local") == inline


@pytest.mark.server
def test_containers_give_what_this_process_gives(inline: dict[str, Any], tmp_path: Path, container_image: str) -> None:
    for folder in (tmp_path.parent, tmp_path):
        folder.chmod(0o755)  # who runs in a container is nobody
    assert made(tmp_path, "container", f'image = "{container_image}"') == inline
