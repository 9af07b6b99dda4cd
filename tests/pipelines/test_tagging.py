"""Tags and notes: given with a run, changed later, filtered by."""

from __future__ import annotations

import pytest

import penstock as ps


@ps.step
def double(n: int) -> int:
    """Double a number."""
    return 2 * n


@ps.pipeline
def doubled(n: int = 1) -> None:
    """One step."""
    double(n)


@pytest.fixture
def project(tmp_path):
    return ps.open(tmp_path)


def test_a_run_has_the_tags_and_the_note_it_was_given(project):
    run = project.run(doubled, engine="inline", tags={"team": "delays", "fold": 3}, notes="a first try")
    assert run.tags == {"team": "delays", "fold": "3"}
    assert run.record.notes == "a first try"


def test_tags_change_later_and_are_removed_with_none(project):
    run = project.run(doubled, engine="inline", tags={"team": "delays", "old": "yes"})
    run.tag({"team": "fares", "old": None}, note="better")
    assert run.tags == {"team": "fares"}
    assert run.record.notes == "better"
    assert run.tag({"kept": 1}).record.notes == "better"


def test_runs_are_found_by_all_of_the_tags_given(project):
    one = project.run(doubled, engine="inline", tags={"team": "delays", "kind": "a"})
    two = project.run(doubled, engine="inline", n=2, tags={"team": "delays", "kind": "b"})
    project.run(doubled, engine="inline", n=3)
    assert [run.id for run in project.runs(tags={"team": "delays"})] == [two.id, one.id]
    assert [run.id for run in project.runs(tags={"team": "delays"}, limit=1)] == [two.id]
    assert [run.id for run in project.runs(tags={"team": "delays", "kind": "a"}, pipeline="doubled")] == [one.id]
    assert project.runs(tags={"team": "nobody"}) == []


def test_a_tag_given_while_the_run_goes_on_is_kept_when_it_ends(project):
    def tag(event):
        if type(event).__name__ == "StepEnded":
            project.get_run(event.step.run).tag({"seen": "yes"}, note="meanwhile")

    run = project.run(doubled, engine="inline", on_event=tag, tags={"first": "1"})
    assert (run.state, run.tags, run.record.notes) == ("succeeded", {"first": "1", "seen": "yes"}, "meanwhile")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"a b": "x"}, "'a b' is no name of a tag"),
        ({"a=b": "x"}, "'a=b' is no name of a tag"),
        ({"a": None}, "tag 'a' is None, a NoneType; give a text or a number"),
        ({"a": ["x"]}, "tag 'a' is .'x'., a list; give a text or a number"),
    ],
)
def test_what_is_no_tag_is_refused_before_anything_runs(project, tags, said):
    with pytest.raises(ps.errors.DeclarationError, match=said):
        project.run(doubled, engine="inline", tags=tags)
    assert project.runs() == []


def test_tagging_a_run_that_is_not_there_names_those_that_are(project):
    run = project.run(doubled, engine="inline")
    with pytest.raises(ps.errors.UnknownNameError, match=run.id):
        project.get_run("nothing").tag({"a": "b"})
