"""Artifacts found by digest, by what made them, by name; filtered."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.core.artifact import Artifact
from penstock.errors import DeclarationError, RunError, UnknownNameError


def test_an_artifact_is_found_by_all_that_it_can_be_called(project: ps.Project) -> None:
    run = project.run("making")
    digest = run.artifact("prices").digest
    for reference in (
        digest,
        digest[:10],
        f"{run.id}/prices",
        "latest/prices",
        f"{run.id[:18]}/prices.result",
        "prices",
    ):
        assert project.repository[reference].digest == digest


def test_one_output_of_several_is_named(project: ps.Project) -> None:
    run = project.run("making", n=10)
    assert project.repository["latest/halves.low"].digest == run.artifact("halves", "low").digest
    with pytest.raises(UnknownNameError, match=r"no output named 'result' in step 'halves'.*there are: low, high"):
        project.repository["latest/halves"]
    with pytest.raises(UnknownNameError, match=r"no step named 'halfs' in run .*Did you mean 'halves'"):
        project.repository["latest/halfs"]


def test_a_digest_that_nothing_has_lists_the_newest(project: ps.Project) -> None:
    project.run("making")
    with pytest.raises(UnknownNameError, match=r"no artifact named '000000'; there are: [0-9a-f]{12}, "):
        project.repository["000000"]


def test_a_beginning_of_two_digests_asks_for_more(project: ps.Project) -> None:
    for end in "ab":
        project.metadata.write(Artifact(digest="0123456789" + end * 54, kind="json", uri=""))
    with pytest.raises(DeclarationError, match="'01234567' begins 2 digests: 0123456789aaaaaa, 0123456789bbbbbb"):
        project.repository["01234567"]


def test_a_step_that_gave_nothing_says_how_it_was(project: ps.Project) -> None:
    project.run("making", only="prices")
    with pytest.raises(RunError, match=r"step 'say' of run .* gave nothing: it was skipped: not selected"):
        project.repository["latest/say"]


def test_what_a_run_gave_and_is_recorded_no_more_says_so(project: ps.Project) -> None:
    run = project.run("making")
    project.metadata.delete(Artifact, digest=run.artifact("report").digest)
    with pytest.raises(RunError, match=r"which step 'report' of run .* gave, is not recorded any more"):
        project.repository["latest/report"]


def test_artifacts_are_filtered_by_kind_maker_and_size(project: ps.Project) -> None:
    run = project.run("making", n=1000)
    found = project.repository.find
    assert {view.record.kind for view in found()} == {"table", "json", "text"}
    assert [view.digest for view in found(kind="text")] == [run.artifact("say").digest]
    assert {view.digest for view in found(made_by="halves")} == {
        run.artifact("halves", "low").digest, run.artifact("halves", "high").digest,
    }  # fmt: skip
    assert {view.record.kind for view in found(min_bytes=5000)} == {"table"}
    assert len(found(made_by=run.id)) == len(found())
    assert len(found(limit=2)) == 2
    assert found(made_by="nobody") == []
