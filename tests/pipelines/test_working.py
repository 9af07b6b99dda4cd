"""The worker's body: what a step gets, and what is said of a step that goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from worlds import World, work

import penstock as ps
from penstock.core.artifact import Artifact
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Step
from penstock.core.ports import Context, Outcome, Task
from penstock.errors import DataError
from penstock.pipelines import StepFunction, note, step
from penstock.pipelines.kinds import fits
from penstock.pipelines.observed import located, portable
from penstock.stores import CODECS


def run(world: World, function: StepFunction, **arguments: Any) -> Outcome:
    form = function.form
    task = Task(
        id="t",
        entry="worlds:work",
        run="r",
        step=Step(name="s", call=function, inputs=FrozenMap(), outputs=form.outputs, kinds=form.kinds),
        arguments=arguments,
        context=Context(root=str(world.root), metadata="", artifacts=str(world.root / "artifacts")),
        log=world.root / "logs" / "s.log",
    )
    return work(task)


def stored(world: World, value: Any) -> Artifact:
    return next(codec for codec in CODECS if codec.accepts(value)).save(value, world.store)


def load(world: World, outcome: Outcome, name: str = "result") -> Any:
    artifact = outcome.outputs[name]
    return next(codec for codec in CODECS if codec.kind == artifact.kind).load(artifact, world.store)


def test_an_argument_is_what_the_annotation_asks_for(world: World) -> None:
    @step
    def takes(rows: ps.Table, path: Path, artifact: ps.Artifact, many: dict[str, Any]) -> list[Any]:
        return [rows.num_rows, path.read_bytes().decode(), artifact.kind, [table.num_rows for table in many["tables"]]]

    table = stored(world, pa.table({"x": [1, 2]}))
    outcome = run(world, takes, rows=table, path=stored(world, b"abc"), artifact=table, many={"tables": [table, table]})
    assert outcome.error == ""
    assert load(world, outcome) == [2, "abc", "table", [2, 2]]


def test_the_annotation_of_a_parameter_decides_in_which_form_it_gets_a_table(world: World) -> None:
    @step
    def takes(
        a: duckdb.DuckDBPyRelation,
        b: pl.DataFrame,
        c: pl.LazyFrame,
        d: pd.DataFrame,
        e: pa.RecordBatchReader,
        f: ds.Dataset,
        g: np.ndarray,
        h: list[pd.DataFrame],
        i: ps.Table | None,
    ) -> list[str]:
        return [type(each).__name__ for each in (a, b, c, d, e, f, g, *h, i)]

    table = stored(world, pa.table({"x": [1, 2]}))
    outcome = run(world, takes, **dict.fromkeys("abcdefg", table), h=[table], i=table)
    assert load(world, outcome) == [
        "DuckDBPyRelation", "DataFrame", "LazyFrame", "DataFrame", "RecordBatchReader", "FileSystemDataset", "ndarray",
        "DataFrame", "Table",
    ]  # fmt: skip


def test_metrics_are_kept_with_their_values_in_sight(world: World) -> None:
    @step
    def judge() -> ps.Metrics:
        return {"mae": 1.5, "r2": None, "rows": np.int64(3)}

    @step
    def uses(report: dict[str, Any], again: ps.Metrics) -> float:
        return report["mae"] + again["mae"]

    outcome = run(world, judge)
    made = outcome.outputs["result"]
    assert (made.kind, made.facts["values"]) == ("metrics", {"mae": 1.5, "r2": None, "rows": 3})
    assert load(world, run(world, uses, report=made, again=made)) == 3.0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"mae": "low"}, "declares that 'result' is metrics (numbers by name), but gave a dict"),
        ([1.5], "declares that 'result' is metrics (numbers by name), but gave a list"),
        ({"mae": float("nan")}, "$.mae is nan"),
    ],
)
def test_what_are_no_metrics_is_an_error(world: World, value: Any, said: str) -> None:
    @step
    def judge() -> ps.Metrics:
        return value

    assert said in run(world, judge).error


def test_an_artifact_of_another_kind_than_the_parameter_takes_is_an_error_that_says_both(world: World) -> None:
    @step
    def takes(rows: ps.Table) -> int:
        return rows.num_rows

    error = run(world, takes, rows=stored(world, "no table")).error
    assert error == "step 's' takes a table as 'rows', but was given a text"


def test_a_step_may_return_any_form_of_a_table(world: World) -> None:
    @step
    def relation(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return duckdb.sql("SELECT x + 1 AS x FROM rows")

    @step
    def lazy(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(pl.col("x") + 1)

    @step
    def frame(rows: pd.DataFrame) -> pd.DataFrame:
        return rows + 1

    table = stored(world, pa.table({"x": [1, 2]}))
    outcomes = [run(world, function, rows=table) for function in (relation, lazy, frame)]
    assert [outcome.error for outcome in outcomes] == [""] * 3
    assert len({outcome.outputs["result"].digest for outcome in outcomes}) == 1
    assert load(world, outcomes[0]).to_pydict() == {"x": [2, 3]}
    assert relation.form.outputs["result"] == "table:relation"
    assert fits("table:relation", "table:pandas")


@pytest.mark.parametrize(("value", "kind"), [("text", "text"), (b"bytes", "bytes"), (1.5, "json"), (None, "json")])
def test_an_output_without_annotation_is_kept_by_its_own_type(value: Any, kind: str, world: World) -> None:
    outcome = run(world, step(lambda: value))
    assert outcome.outputs["result"].kind == kind
    assert load(world, outcome) == value


def test_a_path_that_a_step_gives_is_kept(world: World, tmp_path: Path) -> None:
    @step
    def writes() -> Path:
        (tmp_path / "made.txt").write_text("made")
        return tmp_path / "made.txt"

    outcome = run(world, writes)
    assert outcome.outputs["result"].kind == "file"
    assert outcome.observed == {"wrote:made.txt": ""}


def breaks(x: int) -> float:
    return 1 / x


def test_an_error_is_its_last_line_first_and_only_the_user_s_frames(world: World) -> None:
    outcome = run(world, step(lambda: breaks(0)))
    lines = outcome.error.splitlines()
    assert outcome.state == "failed"
    assert lines[0] == "ZeroDivisionError: division by zero"
    assert "return 1 / x" in outcome.error
    assert "penstock/pipelines" not in outcome.error


def test_the_cause_of_an_error_is_told_too(world: World) -> None:
    def fails() -> None:
        try:
            breaks(0)
        except ZeroDivisionError as error:
            raise DataError("no rows") from error

    outcome = run(world, step(fails))
    assert outcome.error.startswith("no rows\n")
    assert "ZeroDivisionError" in outcome.error


def test_what_was_observed_in_a_project_is_looked_for_in_its_copy() -> None:
    recorded = portable("file:/home/a/data/limits.json", "/home/a")
    assert recorded == "file:data/limits.json"
    assert located(recorded, "/copy") == "file:/copy/data/limits.json"
    for elsewhere in ("file:/home/ab/x.json", "alias:m@champion"):
        assert located(portable(elsewhere, "/home/a"), "/copy") == elsewhere


def test_files_that_a_step_reads_are_observed_but_not_those_it_wrote_or_the_store_s(world: World) -> None:
    (world.root / "given.txt").write_text("1")

    @step
    def looks() -> int:
        (world.root / "made.txt").write_text("2")
        note("alias:m@champion", "3")
        texts = [(world.root / name).read_text() for name in ("given.txt", "made.txt")]
        return len(texts) + len(world.store.path(table.digest).read_bytes())

    table = stored(world, pa.table({"x": [1]}))
    outcome = run(world, looks)
    assert outcome.error == ""
    assert set(outcome.observed) == {"file:given.txt", "wrote:made.txt", "alias:m@champion"}


def test_a_file_that_is_gone_in_the_end_is_not_observed(world: World) -> None:
    (world.root / "given.txt").write_text("1")

    @step
    def removes() -> str:
        text = (world.root / "given.txt").read_text()
        (world.root / "given.txt").unlink()
        return text

    assert run(world, removes).observed == {"wrote:given.txt": ""}
