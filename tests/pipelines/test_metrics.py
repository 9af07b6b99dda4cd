"""Metrics that a step logs: curves that are live, survive a kill, and belong to the step that logged them."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import penstock as ps
from penstock.pipelines.metrics import log_metric, logging_metrics, read_metrics

pytestmark = pytest.mark.usefixtures("warm_workers")


@pytest.fixture
def project(tmp_path):
    return ps.open(tmp_path)


@ps.step
def train(epochs: int, rate: float = 0.5) -> float:
    """Log two curves and a number."""
    loss = 1.0
    for epoch in range(epochs):
        loss *= rate
        ps.log_metric("loss", loss, step=epoch)
    ps.log_metric("accuracy", np.float32(0.25))
    return loss


@ps.pipeline
def training(epochs: int = 3, rate: float = 0.5) -> None:
    """One step."""
    train(epochs, rate)


CURVES = {"loss": [(0.0, 0.5), (1.0, 0.25), (2.0, 0.125)], "accuracy": [(None, 0.25)]}


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_step_logs_curves_that_are_read_back_in_order(project, engine):
    run = project.run(training, engine=engine)
    assert run.steps["train"].metrics == CURVES
    assert list(run.steps["train"].metrics) == ["loss", "accuracy"]


def test_a_step_that_is_up_to_date_shows_the_metrics_of_the_run_that_made_it(project):
    project.run(training, engine="inline")
    again = project.run(training, engine="inline")
    assert again.steps["train"].state == "up_to_date"
    assert again.steps["train"].metrics == CURVES


def test_a_metric_outside_a_step_is_an_error_that_says_so():
    with pytest.raises(ps.errors.DeclarationError, match="outside a step"):
        ps.log_metric("loss", 1.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: log_metric("loss", "low"), "metric 'loss' is 'low', a str; give a number"),
        (lambda: log_metric("loss", True), "metric 'loss' is True, a bool; give a number"),
        (lambda: log_metric("loss", [1]), r"metric 'loss' is a list .*; give a number"),
        (lambda: log_metric("", 1), "'' is no name of a metric"),
        (lambda: log_metric("loss", 1, step="one"), "step of 'loss' is 'one', a str; give a number"),
        (lambda: log_metric("loss", 1, step=math.nan), "step of 'loss' is nan; give a finite number"),
    ],
)
def test_what_is_no_metric_is_refused_where_it_is_logged(tmp_path, call, said):
    with logging_metrics(tmp_path / "m"), pytest.raises(ps.errors.PenstockError, match=said):
        call()


def test_a_training_that_diverges_is_recorded_as_it_was(project):
    @ps.step
    def diverge() -> int:
        for value in (1.0, math.inf, -math.inf, math.nan):
            ps.log_metric("loss", value)
        return 1

    @ps.pipeline
    def diverging() -> None:
        diverge()

    (*known, (_, last)) = project.run(diverging, engine="inline").steps["diverge"].metrics["loss"]
    assert [value for _, value in known] == [1.0, math.inf, -math.inf]
    assert math.isnan(last)


def test_threads_and_processes_of_a_step_log_without_mixing_lines(project):
    @ps.step
    def many() -> int:
        def work(number):
            for at in range(200):
                ps.log_metric(f"thread {number}", at, step=at)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        code = "import penstock as ps\nfor at in range(50): ps.log_metric('process', at)"
        subprocess.run([sys.executable, "-c", code], check=True)
        for thread in threads:
            thread.join()
        return 1

    @ps.pipeline
    def crowd() -> None:
        many()

    found = project.run(crowd, engine="local").steps["many"].metrics
    assert {name: len(curve) for name, curve in found.items()} == {
        **{f"thread {number}": 200 for number in range(4)},
        "process": 50,
    }
    assert found["thread 2"] == [(float(at), float(at)) for at in range(200)]


def test_what_a_killed_step_had_logged_is_kept(project):
    @ps.step
    def dies() -> int:
        import os
        import signal

        ps.log_metric("loss", 0.5, step=1)
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    @ps.pipeline
    def doomed() -> None:
        dies()

    run = project.run(doomed, engine="local")
    assert run.state == "failed"
    assert run.steps["dies"].metrics == {"loss": [(1.0, 0.5)]}


def test_only_the_last_attempt_counts(project, tmp_path):
    @ps.step(retries=1)
    def flaky(marker: str) -> int:
        from pathlib import Path

        first = not Path(marker).exists()
        ps.log_metric("loss", 1.0 if first else 2.0)
        if first:
            Path(marker).touch()
            raise ValueError("the first time")
        return 1

    @ps.pipeline
    def trying(marker: str) -> None:
        flaky(marker)

    run = project.run(trying, engine="inline", marker=str(tmp_path / "marker"))
    assert run.steps["flaky"].metrics == {"loss": [(None, 2.0)]}


def test_a_step_that_runs_shows_what_it_has_logged_so_far(project):
    seen = []

    @ps.step(ignore=["project", "seen"])
    def slow() -> int:
        ps.log_metric("loss", 0.5)
        (run,) = project.runs()
        seen.append(run.steps["slow"].metrics)
        return 1

    @ps.pipeline
    def looking() -> None:
        slow()

    project.run(looking, engine="inline")
    assert seen == [{"loss": [(None, 0.5)]}]


def test_a_line_that_a_kill_left_torn_is_left_out(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b'["loss",0.5,1,7.0]\n["loss",0.2["loss",0.25,2,8.0]\n["loss",0.125,3,9.0]\n["los')
    assert [(metric.sequence, metric.value) for metric in read_metrics(path, "r", "s")] == [(0, 0.5), (1, 0.125)]


def test_many_points_are_logged_and_recorded_fast(project):
    @ps.step
    def long() -> float:
        import time

        began = time.perf_counter()
        for at in range(20_000):
            ps.log_metric("loss", 1 / (at + 1), step=at)
        return time.perf_counter() - began

    @ps.pipeline
    def training_long() -> None:
        long()

    began = time.perf_counter()
    run = project.run(training_long, engine="inline")
    whole, logging = time.perf_counter() - began, run.artifact("long").load()
    assert len(run.steps["long"].metrics["loss"]) == 20_000
    assert logging < 4.0  # a tenth of a second on a quiet machine
    assert whole < 20.0


def test_a_fit_logs_its_evaluation_and_its_curve(project):
    random = np.random.default_rng(1)
    rows = [{"km": float(km), "price": float(3 * km + 1)} for km in random.uniform(0, 9, 600)]
    model = ps.model(
        "fare",
        type="boosted_tree_regressor",
        label="price",
        options={"early_stop": True},
        features={"km": ps.col("km")},
    )
    project.fit(model, rows)
    (run,) = project.runs()
    found = run.steps["fit"].metrics
    assert [number for number, _ in found["loss"]] == list(map(float, range(len(found["loss"]))))
    assert found["loss"][-1][1] < found["loss"][0][1]
    assert "mean_absolute_error" in found
