"""`ps.tune` in a pipeline: the best options go into `ps.fit`, the trials are a table; and the figures of a search."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError

HOURS = [{"hour": hour, "day": day} for day in range(20) for hour in range(24)]
ROWS = pa.Table.from_pylist([{**row, "minutes": 20 + 9 * math.sin(row["hour"] / 3) + row["day"] % 7} for row in HOURS])
MODEL = ps.model("rides", type="boosted_tree_regressor", label="minutes", options={"max_iterations": 10})
SEARCH = {"learn_rate": ps.hparam_range(0.01, 0.5, log=True), "max_tree_depth": ps.hparam_candidates([2, 6])}


@pytest.fixture(scope="module")
def tuned():
    return ps.tune(MODEL, ROWS, SEARCH, trials=5, metric="mean_absolute_error")


def test_the_best_of_the_trials_is_what_fit_takes(tuned):
    rows = tuned.trials.to_pylist()
    assert [row["trial"] for row in rows] == [1, 2, 3, 4, 5]
    best = min(rows, key=lambda row: row["value"])
    assert tuned.options == best["params"]
    graph = ps.fit(MODEL, ROWS, options=tuned.options)
    assert "tuning" not in graph.facts
    assert graph.facts["options"]["max_tree_depth"] == best["params"]["max_tree_depth"]


def test_a_model_that_declares_its_search_is_fitted_with_what_was_found():
    declared = ps.model("rides", type="boosted_tree_regressor", label="minutes", options={**SEARCH, "num_trials": 9})
    tuned = ps.tune(declared, ROWS, trials=2)
    assert tuned.trials.num_rows == 2
    graph = ps.fit(declared, ROWS, options=tuned.options)
    assert "tuning" not in graph.facts


def test_in_a_pipeline_it_is_a_step_whose_outputs_go_on(tmp_path: Path):
    @ps.pipeline
    def rides() -> None:
        train, test = ps.split(ROWS, test=0.25)
        tuned = ps.tune(MODEL, train, SEARCH, trials=2)
        ps.evaluate(ps.fit(MODEL, train, options=tuned.options), test)

    project = ps.open(tmp_path)
    run = project.run(rides, engine="inline")
    assert run.state == "succeeded", [step.record.error for step in run.steps.values()]
    assert run.artifact("tune", "trials").load().num_rows == 2
    assert len(run.steps["tune"].metrics["r2_score"]) == 2
    again = project.run(rides, engine="inline")
    assert {step.state for step in again.steps.values()} == {"up_to_date"}


def test_the_figures_show_every_trial_that_has_a_value(tuned):
    figures = ps.plot_tuning(tuned.trials, "mean_absolute_error", by_logarithm=["learn_rate"])
    texts = {name: figure.content.decode() for name, figure in figures._asdict().items()}
    assert all(text.lstrip().startswith("<?xml") for text in texts.values())
    assert "max_tree_depth" in texts["parallel"]
    assert "max_tree_depth" in texts["slices"]
    assert "learn_rate" in texts["importance"]
    assert "mathdefault" not in texts["slices"], "numbers are written as numbers"
    assert figures == ps.plot_tuning(tuned.trials, "mean_absolute_error", by_logarithm=["learn_rate"])


def test_trials_without_a_value_cannot_be_drawn(tuned):
    nothing = tuned.trials.set_column(2, "value", pa.nulls(5, pa.float64()))
    with pytest.raises(DataError, match="none of the trials has a value"):
        ps.plot_tuning(nothing)
