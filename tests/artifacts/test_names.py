"""Artifacts with names: in pipelines and outside, versions, aliases, expiry."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.core.artifact import Artifact
from penstock.core.run import NamedVersion
from penstock.errors import CorruptArtifactError, DeclarationError, UnknownNameError


def test_a_step_names_what_another_made(project: ps.Project) -> None:
    run = project.run("making")
    assert run.result("name") == {
        "name": "prices", "version": 1, "alias": "latest", "digest": run.artifact("prices").digest,
    }  # fmt: skip
    assert project.repository["prices@latest"].load().equals(run.artifact("prices").load())


def test_versions_count_up_and_the_same_artifact_keeps_its_version(project: ps.Project) -> None:
    for n in (10, 20, 10):
        project.run("making", n=n)
    prices = project.repository.names["prices"]
    assert [version.version for version in prices.versions] == [1, 2]
    assert [change.version for change in prices.history] == [1, 2, 1]
    assert project.repository["prices"].load().num_rows == 10
    assert project.repository["prices/2"].load().num_rows == 20


def test_naming_runs_again_only_when_the_alias_was_moved(project: ps.Project) -> None:
    project.run("making")
    assert project.run("making").steps["name"].state == "up_to_date"
    project.repository.name("latest/report", "prices", alias="latest")
    again = project.run("making")
    assert again.steps["name"].state == "succeeded"
    assert "name prices@latest" in again.steps["name"].reason
    assert project.repository["prices@latest"].record.kind == "table"


def test_a_named_artifact_is_an_input_whose_content_is_in_the_key(project: ps.Project) -> None:
    project.run("making", n=7)
    first = project.run("reading")
    assert first.result("mean") == 3.0
    assert project.plan("reading").up_to_date
    project.run("making", n=3)
    assert [step.state for step in project.plan("reading").steps] == ["stale", "unknown"]
    second = project.run("reading")
    assert second.result("mean") == 1.0
    assert second.steps["named"].reason == "source prices@latest changed"
    assert project.run("reading", what="prices/1").result("mean") == 3.0


def test_a_named_artifact_is_passed_on_as_it_is(project: ps.Project) -> None:
    made = project.run("making")
    read = project.run("reading")
    assert read.artifact("named").digest == made.artifact("prices").digest
    assert project.repository["prices"].record.made_by == f"{made.id}/prices"


def test_an_unknown_name_fails_the_step_that_asks_for_it(project: ps.Project) -> None:
    project.run("making")
    run = project.run("reading", what="price@latest")
    assert run.state == "failed"
    assert "no artifact named 'price'; there are: prices. Did you mean 'prices'?" in run.record.error


def test_outside_a_pipeline_named_says_what_to_do_instead() -> None:
    with pytest.raises(DeclarationError, match=r"project\.repository\['prices'\]\.load\(\)"):
        ps.named("prices")


def test_a_name_keeps_the_longest_time_it_was_given(project: ps.Project) -> None:
    project.run("making")
    first = project.repository.name("latest/report", "counts", expires="1d")
    assert first.expires is not None
    assert project.repository.name("latest/report", "counts", expires="1h").expires == first.expires
    longer = project.repository.name("latest/report", "counts", expires="30d")
    assert longer.expires is not None
    assert longer.expires > first.expires
    assert project.repository.name("latest/report", "counts").expires is None
    assert project.repository.name("latest/report", "counts", expires="1d").expires is None
    assert len(project.repository.names["counts"].versions) == 1


def test_naming_again_a_name_that_expired_runs_again(project: ps.Project) -> None:
    project.run("making")
    (version,) = project.repository.names["prices"].versions
    project.metadata.write(NamedVersion(name="prices", version=1, digest=version.digest, expires=1.0))
    assert project.run("making").steps["name"].state == "succeeded"
    assert project.repository.names["prices"].versions[0].expires is None


def test_an_alias_is_moved_by_hand_and_the_history_says_why(project: ps.Project) -> None:
    for n in (10, 20):
        project.run("making", n=n)
    project.repository.alias("prices/1", "reviewed", reason="looked at")
    assert project.repository["prices@reviewed"].load().num_rows == 10
    assert [(c.alias, c.version, c.reason) for c in project.repository.names["prices"].history][-1] == (
        "reviewed", 1, "looked at",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["", "a@b", "a/b"])
def test_a_name_that_could_not_be_asked_for_is_refused(project: ps.Project, name: str) -> None:
    project.run("making")
    with pytest.raises(DeclarationError, match="artifact name"):
        project.repository.name("latest/report", name)


def test_an_artifact_without_bytes_cannot_be_named(project: ps.Project) -> None:
    with pytest.raises(CorruptArtifactError, match="its bytes are not in the store"):
        project.repository.name(Artifact(digest="ab" * 32, kind="json", uri=""), "counts")


def test_a_name_or_an_alias_that_is_not_there_names_the_near_one(project: ps.Project) -> None:
    project.run("making")
    with pytest.raises(UnknownNameError, match=r"no alias named 'lastest' in artifact 'prices'.*Did you mean 'latest'"):
        project.repository["prices@lastest"]
    with pytest.raises(UnknownNameError, match="no version named '9' in artifact 'prices'; there are: 1"):
        project.repository["prices/9"]
    with pytest.raises(UnknownNameError, match="no artifact named 'prise'"):
        project.repository.names["prise"]
