"""The same promises through the real command, with worker processes: what users run, in fresh processes each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import warm

FILES = {
    "penstock.toml": '[project]\nmodules = ["steps"]\n[engine]\ndefault = "local"\n',
    "limits.txt": "30",
    "helper.py": "FACTOR = 2\n\n\ndef scale(x):\n    return x * FACTOR\n",
    "plug.py": "def apply(x):\n    return x\n",
    "steps.py": """
        import importlib
        import os
        from pathlib import Path

        import helper
        import penstock as ps

        @ps.step
        def scaled(x: int) -> int:
            return helper.scale(x)

        @ps.step
        def limited(x: int, limits: Path) -> int:
            return min(x, int(limits.read_text()))

        @ps.step
        def plugged(x: int) -> int:
            return importlib.import_module("pl" + "ug").apply(x)

        @ps.step
        def told(x: int) -> str:
            return os.environ.get("TOLD_BY_TEST", "") + os.environ.get("OMP_NUM_THREADS", "")

        @ps.pipeline
        def everything(x: int = 1, limits: str = "limits.txt"):
            x = scaled(x)
            limited(x, limits)
            plugged(x)
            told(x)
    """,
}


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            (root / name).write_text(textwrap.dedent(text).lstrip())

    def run(self, *arguments: str, python: str = "", **environment: str) -> dict[str, dict[str, str]]:
        """Return the events of the steps that ran, by step."""
        python = python or warm.python()
        command = [python, "-m", "penstock", "-C", str(self.root), "run", "everything", "--json", *arguments]
        variables = {**os.environ, **environment}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd="/")
        assert ended.returncode == 0, ended.stderr + ended.stdout
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        return {event["step"]: event for event in events if event.get("state") == "succeeded" and "step" in event}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"))
    assert set(made.run(python=sys.executable, PYTHONHASHSEED="1")) == {"scaled", "limited", "plugged", "told"}
    assert made.run(python=sys.executable, PYTHONHASHSEED="2") == {}
    assert made.run() == {}
    return made


def test_a_helper_that_gives_the_same_stops_there(project: Project) -> None:
    project.edit("helper.py", "x * FACTOR", "FACTOR * x")
    assert set(project.run()) == {"scaled"}


def test_a_global_that_changes_the_result_reaches_all_that_need_it(project: Project) -> None:
    project.edit("helper.py", "FACTOR = 2", "FACTOR = 3")
    ran = project.run()
    assert set(ran) == {"scaled", "limited", "plugged", "told"}
    assert "global FACTOR changed 2 -> 3 (helper.py:1)" in ran["scaled"]["reason"]


def test_a_file_named_by_a_parameter_counts_by_its_content(project: Project) -> None:
    project.edit("limits.txt", "30", "31")
    ran = project.run()
    assert set(ran) == {"limited"}
    assert "file limits.txt changed" in ran["limited"]["reason"]


def test_a_plug_in_that_only_a_worker_loads_counts(project: Project) -> None:
    project.edit("plug.py", "return x", "return x + 0")
    ran = project.run()
    assert set(ran) == {"plugged"}
    assert "code of plug.py, which it imports, changed" in ran["plugged"]["reason"]


def test_a_variable_of_the_shell_counts_for_who_reads_it(project: Project) -> None:
    ran = project.run(TOLD_BY_TEST="yes")
    assert set(ran) == {"told"}
    assert "environment variable TOLD_BY_TEST, which it reads, is set" in ran["told"]["reason"]
    assert project.run(TOLD_BY_TEST="yes") == {}
