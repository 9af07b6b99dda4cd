"""A person decides over REST: the run goes on in a process of its own, in the name of who decided."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
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


@ps.step
def numbers() -> list:
    return [1, 2]


@ps.pipeline
def asking_each():
    ps.approve.map(numbers(), message="may it?")
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
        remote.server.post(f"/v1/runs/{third.id}/steps/approve:reject", {})
        assert "rejected by somebody over REST" in third.record.error


@pytest.mark.parametrize(("button", "state"), [("approve", "succeeded"), ("reject", "failed")])
def test_the_page_of_a_run_that_waits_has_buttons_that_decide(project: ps.Project, button: str, state: str):
    with serving(project) as remote:
        run = project.run("asking")
        page = remote.server.content("GET", f"/runs/{run.id}").decode()
        assert "waits for a person: may it?" in page
        address = f"/v1/runs/{run.id}/steps/approve:{button}"
        assert f'action="{address}"' in page
        headers = {"content-type": "application/x-www-form-urlencoded"}
        url = f"{remote.server.url}{address}"
        sent = urllib.request.Request(url, data=b"by=Zo%C3%AB&reason=on+the+page", headers=headers)
        with urllib.request.urlopen(sent, timeout=60) as answer:  # a redirect to the page, which is followed
            assert answer.url == f"{remote.server.url}/runs/{run.id}"
        assert run.wait(60).state == state
        record = run.steps["approve"].record
        assert "by Zo\u00eb, 20" in record.reason + record.error
        assert (record.reason + record.error).endswith(": on the page")
        foreign = urllib.request.Request(url, data=b"", headers={**headers, "origin": "https://evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=60)


def test_items_of_a_mapped_question_are_decided_over_rest_also_at_once(project: ps.Project):
    with serving(project) as remote:
        run = remote.get_run(project.run("asking_each").id)
        page = remote.server.content("GET", f"/runs/{run.id}").decode()
        assert page.count("waits for a person: may it?") == 2
        assert f"/v1/runs/{run.id}/steps/approve%5B1%5D:approve" in page
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: run.steps[name].approve(by=name), ("approve[0]", "approve[1]")))
        until = time.monotonic() + 60
        while run.state in ("waiting", "running") and time.monotonic() < until:
            time.sleep(0.05)
        assert run.state == "succeeded"
        assert [each["by"] for each in run.artifact("approve").load()] == ["approve[0]", "approve[1]"]
