"""A person decides over REST: the run goes on in a process of its own, in the name of who decided."""

from __future__ import annotations

from pathlib import Path

import pytest
from served_projects import serving

import penstock as ps
from penstock.errors import ConflictError

PIPELINES = """
import penstock as ps


@ps.step
def number(x: int) -> int:
    return x


@ps.pipeline
def asking(x: int = 1):
    found = number(x)
    said = ps.approve(found, message="may it?")
    number.configured(name="used")(x + 100, when=said["blessed"])
"""


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    return ps.open(tmp_path)


def test_approved_over_rest_the_run_goes_on_there(project: ps.Project):
    with serving(project) as remote:
        run = remote.get_run(project.run("asking").id)
        assert run.state == "waiting"
        run.steps["approve"].approve(reason="yes", by="dora")
        assert run.wait(60).state == "succeeded"
        assert {name: step.state for name, step in run.steps.items()} == dict.fromkeys(
            ("number", "approve", "used"), "succeeded"
        )
        assert run.artifact("approve").load()["by"] == "dora"
        rejected = remote.get_run(project.run("asking", x=2).id)
        rejected.steps["approve"].reject(by="dora", reason="no")
        assert (rejected.state, rejected.steps["used"].state) == ("failed", "skipped")
        with pytest.raises(ConflictError, match="does not wait for a person; the run is failed"):
            rejected.steps["approve"].approve()
        third = project.run("asking", x=3)
        assert f"penstock approve {third.id} approve" in remote.server.content("GET", f"/runs/{third.id}").decode()
        remote.server.post(f"/v1/runs/{third.id}/steps/approve:reject", {})
        assert "rejected by somebody over REST" in third.record.error
