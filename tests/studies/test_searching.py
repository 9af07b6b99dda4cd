"""A search over a pipeline: what trials share is made once, what they came to is kept, and it goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock as ps
from penstock.errors import DeclarationError, RunError, UnknownNameError
from penstock.studies import TrialEnded

SPACES = {"x": ps.hparam_range(0.0, 1.0), "depth": ps.hparam_range(1, 8)}
METRIC = "judge.loss"


def mark(folder: str, what: str) -> None:
    with (Path(folder) / what).open("a") as file:
        file.write(".")


def count(folder: Path, what: str) -> int:
    path = folder / what
    return len(path.read_text()) if path.exists() else 0


@ps.step(ignore=["folder"])
def prepare(folder: str, rows: int) -> list[int]:
    mark(folder, "prepare")
    return list(range(rows))


@ps.step(ignore=["folder"])
def learn(folder: str, rows: list[int], x: float, depth: int) -> dict[str, float]:
    mark(folder, "learn")
    if depth == 7:
        raise ValueError("a depth of 7 is too much")
    return {"x": x, "depth": float(depth)}


@ps.step
def judge(model: dict[str, float]) -> dict[str, float]:
    if model["depth"] == 6:
        ps.log_metric("loss", float("nan"))
        return {}
    return {"loss": (model["x"] - 0.3) ** 2 + abs(model["depth"] - 4)}


@ps.step(ignore=["folder"])
def publish(folder: str, model: dict[str, float]) -> float:
    mark(folder, "publish")
    return model["x"]


@ps.pipeline
def hills(folder: str, rows: int = 3, x: float = 0.9, depth: int = 2) -> None:
    model = learn(folder, prepare(folder, rows), x, depth)
    judge(model)
    publish(folder, model)


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    return ps.open(tmp_path)


@pytest.fixture
def tune(project: ps.Project, tmp_path: Path) -> Callable[..., Any]:
    def search(pipeline: Any = hills, search: Any = SPACES, **how: Any) -> Any:
        params = {"folder": str(tmp_path), **how.pop("params", {})}
        return project.tune(
            pipeline, search, **{"metric": METRIC, "trials": 6, "params": params, "figures": False, **how}
        )

    return search


def test_what_trials_share_runs_once_and_each_is_a_run_of_the_experiment(tune, project, tmp_path):
    study = tune(experiment="hills", tags={"team": "delays"})
    assert [trial.number for trial in study.trials] == [1, 2, 3, 4, 5, 6]
    assert count(tmp_path, "prepare") == 1
    assert count(tmp_path, "learn") == 6
    for trial in study.trials:
        run = project.get_run(trial.run)
        assert run.tags == {"study": study.name, "trial": str(trial.number), "team": "delays"}
        assert run.record.experiment == "hills"
        assert run.params["x"] == trial.params["x"]
    assert dict(study.trials[0].params) == {"x": 0.9, "depth": 2}, "it begins at the defaults"
    assert study.best.value == min(trial.value for trial in study.trials if trial.value is not None)
    assert study.best.value == pytest.approx(project.experiments["hills"].metrics[study.best.run]["loss"])


def test_what_comes_after_the_metric_runs_with_the_best_parameters_alone(tune, project, tmp_path):
    study = tune()
    assert count(tmp_path, "publish") == 1
    final = project.get_run(study.final)
    assert final.artifact("publish").load() == study.best_params["x"]
    assert {name: step.state for name, step in final.steps.items()} == {
        "prepare": "up_to_date", "learn": "up_to_date", "judge": "up_to_date", "publish": "succeeded"
    }  # fmt: skip
    assert project.get_run(study.best.run).steps["publish"].state == "skipped"


def test_trials_of_a_pipeline_that_ends_with_the_metric_need_no_other_run(tune):
    study = tune(until=["judge", "publish"])
    assert study.final == study.best.run


def test_the_same_search_again_executes_nothing_and_more_trials_go_on(tune, project, tmp_path):
    first = tune()
    before = count(tmp_path, "learn")
    again = tune()
    assert again.trials == first.trials
    assert {step.state for step in project.get_run(again.final).steps.values()} == {"up_to_date"}
    assert {step.state for step in project.get_run(again.report).steps.values()} == {"up_to_date"}
    assert count(tmp_path, "learn") == before
    more = tune(trials=9)
    assert more.trials[:6] == first.trials
    assert len({tuple(trial.params.values()) for trial in more.trials}) == 9
    assert count(tmp_path, "learn") == before + 3


def test_the_figures_and_the_trials_are_artifacts(tune, project):
    study = tune(figures=True)
    report = project.get_run(study.report)
    table = report.artifact("trials").load()
    assert table.column("value").to_pylist() == [trial.value for trial in study.trials]
    assert table.column("params").to_pylist()[0] == {"depth": 2, "x": 0.9}
    figures = report.steps["plot_tuning"].record.artifacts
    assert sorted(figures) == ["history", "importance", "parallel", "slices"]


def test_other_code_rows_or_spaces_are_another_study_that_shares_what_is_equal(tune, tmp_path):
    first = tune(experiment="one")

    @ps.step
    def judge(model: dict[str, float]) -> dict[str, float]:
        return {"loss": -model["x"]}

    @ps.pipeline(name="hills")
    def changed(folder: str, rows: int = 3, x: float = 0.9, depth: int = 2) -> None:
        judge(learn(folder, prepare(folder, rows), x, depth))

    events: list[Any] = []
    second = tune(changed, experiment="one", on_event=events.append)
    assert second.name != first.name
    assert events[0].others == (first.name,)
    assert second.trials[0].value == -0.9
    assert count(tmp_path, "prepare") == 1
    third = tune(params={"rows": 4}, experiment="one")
    assert third.name not in (first.name, second.name)
    assert count(tmp_path, "prepare") == 2


def test_failed_trials_are_kept_with_the_reason_and_do_not_stop_the_search(tune, project):
    study = tune(search={"depth": ps.hparam_candidates([5, 6, 7])}, trials=10)
    by_depth = {trial.params["depth"]: trial for trial in study.trials}
    assert len(study.trials) == 3, "there is no other"
    assert by_depth[5].state == "succeeded"
    assert (by_depth[6].state, by_depth[6].error) == ("failed", "judge.loss is NaN")
    assert by_depth[7].error == "step 'learn': ValueError: a depth of 7 is too much"
    assert project.get_run(by_depth[7].run).state == "failed"
    assert study.counts == {"succeeded": 1, "failed": 2}
    assert study.best_params == {"depth": 5}


def test_a_search_of_which_every_trial_fails_says_so_with_the_first_reason(tune):
    with pytest.raises(RunError, match=r"none of the 1 trials .* depth=7: step 'learn': ValueError: a depth of 7"):
        tune(search={"depth": ps.hparam_candidates([7])})


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "qmc"])
def test_nothing_is_tried_twice(tune, sampler):
    spaces = {"depth": ps.hparam_range(1, 2), "x": ps.hparam_range(0.0, 1.0, step=0.5)}
    study = tune(search=spaces, trials=20, sampler=sampler)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 6
    assert len(study.trials) == 6


def test_interrupted_trials_are_tried_again_by_the_next_search(tune, tmp_path):
    ended: list[Any] = []

    def interrupt(event: Any) -> None:
        if isinstance(event, TrialEnded):
            ended.append(event.trial)
            if len(ended) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(parallel=2, on_event=interrupt)
    events: list[Any] = []
    study = tune(on_event=events.append)
    kept = {trial.number: trial for trial in events[0].study.trials}
    assert all(kept[trial.number].value == trial.value for trial in ended)
    done = [trial for trial in study.trials if trial.state != "interrupted"]
    assert len(done) == 6
    assert len({tuple(trial.params.values()) for trial in done}) == 6
    assert {tuple(trial.params.values()) for trial in study.trials} == {tuple(t.params.values()) for t in done}
    assert count(tmp_path, "prepare") == 1


def test_no_trial_begins_when_the_time_is_over(tune):
    events: list[Any] = []
    study = tune(timeout=0.001, on_event=events.append)
    assert study.trials == ()
    assert study.best is None
    assert events[-1].why == "the time was over, with 0 of 6 trials"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"search": {"depht": ps.hparam_range(1, 2)}}, "no parameter named 'depht'.*Did you mean 'depth'"),
        ({"search": {}}, "needs what to search"),
        ({"search": {"depth": 3}}, "is to be searched over 3; give ps.hparam_range"),
        ({"search": {"depth": ps.hparam_range(0.5, 2.5)}}, "takes whole numbers; its range 0.5 to 2.5"),
        ({"search": {"folder": ps.hparam_range(0, 1)}, "params": {}}, "folder"),
        ({"params": {"x": 1.0}}, "'x' of pipeline 'hills' is searched and has a value"),
        ({"metric": "judge.what"}, "say direction='minimize'"),
        ({"metric": "jugde.loss"}, "no step named 'jugde'.*Did you mean 'judge'"),
        ({"metric": "judge.mae"}, "no metric named 'judge.mae'.*there are: learn.x, learn.depth, judge.loss"),
        ({"direction": "up"}, "no direction named 'up'"),
        ({"sampler": "annealing"}, "no sampler named 'annealing'"),
        ({"pruner": "axe"}, "no pruner named 'axe'"),
        ({"trials": 0}, "trials=0"),
    ],
)
def test_what_cannot_be_searched_is_said(tune, how, said):
    with pytest.raises(DeclarationError, match=said):
        tune(**how)


def test_an_unknown_metric_ends_the_search_after_one_trial(tune, tmp_path):
    with pytest.raises(UnknownNameError):
        tune(metric="judge.mae")
    assert count(tmp_path, "learn") == 1
