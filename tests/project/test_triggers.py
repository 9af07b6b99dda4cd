"""Triggers of a project: declared in modules and by `project.on`, checked, changed, paused, forgotten."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import penstock as ps
from penstock.errors import ConflictError, DeclarationError, UnknownNameError

MODULE = """
import penstock as ps

@ps.step
def clean(source: str, depth: int) -> str:
    return source * depth

@ps.pipeline
def bikes(source: str, depth: int = 6):
    clean(source, depth)

nightly = ps.on(ps.cron("0 3 * * *", zone="Europe/Zurich"), bikes, params={"source": "x"})
arrivals = ps.on(ps.new_file("in/*.csv"), bikes, params={"source": ps.event_data("path")}, name="files")
"""


@pytest.fixture
def root(tmp_path: Path):
    (tmp_path / "pipelines.py").write_text(MODULE)
    yield tmp_path
    forget()


def forget() -> None:
    """Have the module imported anew, as another process would."""
    sys.modules.pop("pipelines", None)


def write(root: Path, old: str, new: str) -> ps.Project:
    text = (root / "pipelines.py").read_text()
    assert old in text
    (root / "pipelines.py").write_text(text.replace(old, new))
    forget()
    return ps.open(root)


def test_what_the_modules_declare_is_there(root):
    triggers = ps.open(root).triggers
    assert list(triggers) == ["nightly", "files"]
    nightly = triggers["nightly"]
    assert (nightly.record.pipeline, nightly.record.declared, nightly.paused) == ("bikes", "pipelines", False)
    assert nightly.next is not None
    assert nightly.history == []
    with pytest.raises(UnknownNameError, match="Did you mean 'nightly'"):
        _ = triggers["nightli"]


def test_a_changed_declaration_changes_the_trigger_and_keeps_pause_and_history(root):
    project = ps.open(root)
    before = project.triggers["nightly"]
    before.pause("holidays")
    after = write(root, '"0 3 * * *"', '"0 4 * * *"').triggers["nightly"]
    assert after.record.spec["expression"] == "0 4 * * *"
    assert (after.record.created, after.paused) == (before.record.created, True)
    assert after.record.since > before.record.since
    after.resume()
    assert not before.paused


def test_what_is_not_declared_any_more_is_gone(root):
    assert "files" in ps.open(root).triggers
    assert list(write(root, MODULE.splitlines()[-1], "").triggers) == ["nightly"]


def test_project_on_adds_a_trigger_that_outlives_the_process(root):
    project = ps.open(root)
    added = project.on(ps.every("1h"), project.pipelines["bikes"], params={"source": "y", "depth": 3})
    assert added.name == "bikes-every"
    forget()
    again = ps.open(root).triggers["bikes-every"]
    assert (again.record.params, again.record.declared) == ({"source": "y", "depth": 3}, "")
    again.remove()
    assert "bikes-every" not in ps.open(root).triggers


def test_what_a_module_declares_is_changed_and_removed_there(root):
    project = ps.open(root)
    with pytest.raises(ConflictError, match="declared in module pipelines; change it there"):
        project.on(ps.every("1h"), "bikes", params={"source": "y"}, name="nightly")
    with pytest.raises(ConflictError, match="remove it there"):
        project.triggers["nightly"].remove()


@pytest.mark.parametrize(
    ("pipeline", "how", "said"),
    [
        ("bike", {"params": {"source": "y"}}, "Did you mean 'bikes'"),
        ("bikes", {"params": {"sorce": "y"}}, "Did you mean 'source'"),
        ("bikes", {"params": {"source": "y", "depth": "deep"}}, "parameter 'depth' of pipeline 'bikes' is 'deep'"),
        ("bikes", {"params": {"depth": 3}}, "needs the parameter 'source'"),
        ("bikes", {"params": {"source": {"$event": "x"}}}, "stands for event_data"),
        ("bikes", {"max_parallel": 0}, "max_parallel is 0"),
        ("bikes", {"when_full": "quue"}, "Did you mean 'queue'"),
        ("bikes", {"name": "a b"}, "cannot name a trigger"),
        (7, {}, "7 is not a pipeline"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_when_it_is_declared(root, pipeline, how, said):
    with pytest.raises(DeclarationError, match=said):
        ps.open(root).on(ps.every("1h"), pipeline, **how)
    with pytest.raises(DeclarationError, match=r"say when with every, cron"):
        ps.on("1h", "bikes")


def test_two_triggers_of_one_name_are_an_error(root):
    with pytest.raises(DeclarationError, match="two triggers are named 'files'"):
        _ = write(root, "nightly = ", "files = ").triggers["files"]


def test_firing_by_hand_starts_a_run_with_its_cause(root):
    fired = ps.open(root).triggers["files"].fire(path="in/a.csv")
    project = ps.open(root)
    run = project.get_run(fired.run).wait(60)
    assert (run.state, run.params) == ("succeeded", {"source": "in/a.csv", "depth": 6})
    assert (run.cause["trigger"], run.cause["event"]["data"]) == ("files", {"path": "in/a.csv"})
    (recorded,) = project.triggers["files"].history
    assert (recorded.run, recorded.state) == (run.id, "succeeded")
    with pytest.raises(ConflictError):
        project.run("bikes", source="again", run_id=run.id)
    wrong = project.triggers["files"].fire(path=7)
    assert wrong.state == "failed"
    assert "parameter 'source' of pipeline 'bikes' is 7" in wrong.reason
