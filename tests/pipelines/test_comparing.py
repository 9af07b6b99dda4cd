"""What `compare` says of runs: exactly what differs, by name, and nothing that does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

import penstock as ps
import warm

STEPS = """
import penstock as ps

FACTOR = 2


def helper(x):
    return x * FACTOR


@ps.step
def load(source: ps.Table) -> int:
    return source.num_rows


@ps.step
def train(n: int, depth: int = 6) -> dict:
    for at in range(3):
        ps.log_metric("loss", depth / (at + 1), step=at)
    return {"mae": helper(depth) / 8, "r2": None}


@ps.step
def judge(scores: dict) -> ps.Metrics:
    return {"mae": scores["mae"] + 1, "rows": 7}


@ps.step
def publish(scores: dict) -> dict:
    return {"model": "fare", "version": 3}


@ps.pipeline
def bikes(depth: int = 6, source: str = "a.csv"):
    scores = train(load(ps.read(source)), depth)
    publish(judge(scores))
"""


class Folder:
    """A project on disk whose runs are made by fresh processes, so that every edit is seen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "penstock.toml").write_text('[project]\nmodules = ["steps"]\n[engine]\ndefault = "inline"\n')
        (root / "steps.py").write_text(STEPS)
        (root / "a.csv").write_text("a,b\n1,2\n3,4\n")

    def run(self, *arguments: str) -> str:
        command = [warm.python(), "-m", "penstock", "-C", str(self.root), "run", "bikes", "--json", *arguments]
        said = subprocess.run(command, capture_output=True, check=True).stdout
        started: dict[str, str] = msgspec.json.decode(said.splitlines()[0])
        return started["id"]

    def edit(self, old: str, new: str) -> None:
        text = (self.root / "steps.py").read_text()
        assert old in text
        (self.root / "steps.py").write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Four runs: a first one; another depth; the same again; other data and other code, in another experiment."""
    folder = Folder(tmp_path_factory.mktemp("compared"))
    first, deeper = folder.run("--experiment", "depth"), folder.run("--experiment", "depth", "-p", "depth=8")
    again = folder.run("-p", "depth=8")
    folder.edit("FACTOR = 2", "FACTOR = 4")
    folder.edit("return x * FACTOR", "return FACTOR * x")
    folder.edit("def load(", "\n\ndef load(")  # moved, not changed
    (folder.root / "a.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    return ps.open(folder.root), first, deeper, again, folder.run("-p", "depth=8", "--mode", "infer")


def test_a_changed_parameter_is_named_with_what_follows_from_it(runs):
    project, first, deeper, _, _ = runs
    found = project.compare(first, project.get_run(deeper))
    assert [(each.name, each.values) for each in found.params] == [("depth", (6, 8))]
    changes = {step.name: step.changes[1] for step in found.steps}
    assert changes["read"] == changes["load"] == ""
    assert changes["train"] == "parameter depth changed 6 -> 8"
    assert changes["judge"] == "what train gives (scores) changed"
    assert (found.data, found.code, found.facts) == ((), (), ())


def test_final_metrics_stand_side_by_side_with_their_difference(runs):
    project, first, deeper, _, _ = runs
    found = {each.name: (each.values, each.differences) for each in project.compare(first, deeper).metrics}
    assert found == {
        "load": ((2.0, 2.0), (0.0, 0.0)),
        "loss": ((2.0, 8 / 3), (0.0, 8 / 3 - 2)),
        "train.mae": ((1.5, 2.0), (0.0, 0.5)),
        "judge.mae": ((2.5, 3.0), (0.0, 0.5)),
        "rows": ((7.0, 7.0), (0.0, 0.0)),
    }


def test_a_run_that_was_up_to_date_has_the_metrics_of_the_one_that_made_it(runs):
    project, _, deeper, again, _ = runs
    found = project.compare(deeper, again)
    assert all(each.differences == (0.0, 0.0) for each in found.metrics)
    assert {"loss", "rows"} <= {each.name for each in found.metrics}
    assert {step.states[1] for step in found.steps} == {"up_to_date"}
    assert {step.seconds[1] for step in found.steps} == {None}
    assert (found.params, found.data, found.code, found.facts) == ((), (), (), ())


def test_data_and_code_that_differ_are_named_with_their_places(runs):
    project, _, _, again, changed = runs
    found = project.compare(again, changed)
    assert [each.name for each in found.data] == ["read.source"]
    assert all(value.startswith("a.csv (") for value in found.data[0].values)
    assert [each.name for each in found.code] == ["steps.helper", "global steps.FACTOR"]
    assert all(value.startswith("steps.py:7 (") for value in found.code[0].values)
    assert [value.partition(" ")[0] for value in found.code[1].values] == ["2", "4"]
    assert [(each.name, each.values) for each in found.facts] == [("mode", ("train", "infer"))]
    assert next(step for step in found.steps if step.name == "read").changes == ("", "source a.csv changed")


def test_more_than_two_runs_are_compared_with_the_first(runs):
    project, first, deeper, again, changed = runs
    found = project.compare(first, deeper, again, changed)
    assert found.params[0].values == (6, 8, 8, 8)
    assert len(found.seconds) == len(found.steps[0].changes) == 4


def test_a_comparison_is_plain_values(runs):
    project, first, deeper, _, _ = runs
    found = project.compare(first, deeper)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), type(found)) == found


def test_an_unknown_run_is_named(runs):
    project, first, *_ = runs
    with pytest.raises(ps.errors.UnknownNameError, match="no run named 'nothing'"):
        project.compare(first, "nothing")


def test_an_experiment_has_its_runs_and_what_their_metrics_came_to(runs):
    project, first, deeper, _, _ = runs
    assert list(project.experiments) == ["depth"]
    experiment = project.experiments["depth"]
    assert [run.id for run in experiment.runs] == [deeper, first]
    assert experiment.metrics[first]["train.mae"] == 1.5
    span = experiment.ranges["train.mae"]
    assert (span.last, span.lowest, span.lowest_run, span.highest, span.highest_run) == (2.0, 1.5, first, 2.0, deeper)
    with pytest.raises(ps.errors.UnknownNameError, match="Did you mean 'depth'"):
        project.experiments["dept"]
