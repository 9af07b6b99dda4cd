"""Which edits of a user's project make a step run again, and which do not: each on real modules in a fresh process."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from project_runs import run_project

from penstock.core.run import StepRun

FILES = {
    "limits.json": '{"most": 30}',
    "rows.csv": "km\n1\n2\n",
    "inner.py": """
        OFFSET = 1

        def shift(x):
            return x + OFFSET
    """,
    "helpers.py": """
        import inner

        FACTOR = 1.6
        TABLE = {"a": 1, "b": [1, 2]}

        def to_miles(km):
            '''Kilometres to miles.'''
            return inner.shift(km) / FACTOR

        def unused(x):
            return x * 2
    """,
    "shapes.py": """
        from dataclasses import dataclass
        from enum import Enum

        class Unit(Enum):
            KM = "km"
            MILE = "mile"

        class Parent:
            def scale(self):
                return 2

        @dataclass(frozen=True)
        class Limit(Parent):
            most: float = 24.0

            def keep(self, x):
                return x if x <= self.most * self.scale() else None
    """,
    "lazy.py": """
        def late(x):
            return x + 100

        def never(x):
            return x
    """,
    "plugin_a.py": """
        def apply(x):
            return x
    """,
    "steps.py": """
        import functools
        import importlib
        import json
        import math

        import helpers
        import penstock as ps
        from shapes import Limit, Unit

        def bounded(most):
            def check(x):
                return min(x, most)
            return check

        check = bounded(50)
        twice = functools.partial(pow, 2)
        halve = lambda x: x / 2

        def logged(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        @ps.step
        @logged
        def clean(km: float, rounds: int = 1) -> float:
            '''Clean it.'''
            # a comment
            from lazy import late
            limit = Limit()
            for _ in range(rounds):
                km = check(helpers.to_miles(km)) + twice(3) + halve(km)
            return late(limit.keep(km) or 0.0) + len(helpers.TABLE) + len(Unit.KM.value)

        @ps.step(depends_on=["limits.json"])
        def declared(x: float) -> float:
            return x

        @ps.step
        def opens(x: float) -> float:
            with open("limits.json") as file:
                return x + json.load(file)["most"]

        @ps.step
        def plugs(x: float, plugin: str = "plugin_a") -> float:
            return importlib.import_module(plugin).apply(x)

        @ps.step
        def reads(source: ps.Source) -> int:
            return len(open(source.uris[0]).read())

        @ps.pipeline
        def all_steps(km: float = 10.0):
            x = clean(km)
            declared(x)
            opens(x)
            plugs(x)
            reads("rows.csv")
    """,
}


@dataclass(frozen=True)
class Case:
    """An edit, the steps that must run again because of it, and a word of the reason."""

    file: str
    old: str
    new: str
    reruns: tuple[str, ...]
    reason: str = ""


CASES = {
    "nothing": Case("steps.py", "", "", ()),
    "a comment": Case("steps.py", "# a comment", "# another, longer comment", ()),
    "formatting": Case("steps.py", "km: float, rounds: int = 1", "km: float,\n    rounds: int = 1,\n", ()),
    "blank lines": Case("helpers.py", "def to_miles", "\n\n\ndef to_miles", ()),
    "docstring of the step": Case("steps.py", "'''Clean it.'''", "'''Clean it well.'''", ()),
    "docstring of a helper": Case("helpers.py", "'''Kilometres to miles.'''", "'''km.'''", ()),
    "a helper that is not used": Case("helpers.py", "return x * 2", "return x * 3", ()),
    "an unused helper of a lazy module": Case(
        "lazy.py", "def never(x):\n    return x", "def never(x):\n    return -x", ()
    ),
    "the step's own body": Case("steps.py", "+ twice(3)", "- twice(3)", ("clean",), "code of clean changed: steps.py:"),
    "a helper's body": Case("helpers.py", "(km) / FACTOR", "(km) * FACTOR", ("clean",), "helpers.py:6 to_miles"),
    "the helper of a helper": Case("inner.py", "x + OFFSET", "x - OFFSET", ("clean",), "inner.py:3 shift"),
    "a global of a helper": Case(
        "helpers.py", "FACTOR = 1.6", "FACTOR = 1.7", ("clean",), "FACTOR changed 1.6 -> 1.7 (helpers.py:3)"
    ),
    "a global of the inner helper": Case(
        "inner.py", "OFFSET = 1", "OFFSET = 2", ("clean",), "OFFSET changed 1 -> 2 (inner.py:1)"
    ),
    "the type of a global": Case("inner.py", "OFFSET = 1", "OFFSET = 1.0", ("clean",), "1 -> 1.0"),
    "inside a global dict": Case("helpers.py", "[1, 2]", "[1, 3]", ("clean",), "global TABLE changed"),
    "a closure's value": Case(
        "steps.py", "bounded(50)", "bounded(60)", ("clean",), "captured most changed 50 -> 60 (steps.py:11)"
    ),
    "a partial's argument": Case("steps.py", "partial(pow, 2)", "partial(pow, 3)", ("clean",), "global twice changed"),
    "a lambda": Case("steps.py", "lambda x: x / 2", "lambda x: x / 3", ("clean",), "code of clean changed: steps.py:"),
    "a default argument": Case(
        "steps.py", "rounds: int = 1", "rounds: int = 2", ("clean",), "parameter rounds changed 1"
    ),
    "a decorator's body": Case("steps.py", "function(*args, **kwargs)\n", "-function(*args, **kwargs)\n", ("clean",)),
    "a method": Case("shapes.py", "x <= self.most", "x < self.most", ("clean",), "keep"),
    "a method of the parent class": Case("shapes.py", "return 2", "return 3", ("clean",), "scale"),
    "a field's default": Case("shapes.py", "24.0", "25.0", ("clean",), "Limit"),
    "an enum's value": Case("shapes.py", '"km"', '"kilometre"', ("clean",), "Unit"),
    "an import inside the function": Case("lazy.py", "x + 100", "x + 101", ("clean",), "late"),
    "a new global": Case("lazy.py", "return x + 100", "return x + MORE\n\nMORE = 100", ("clean",), "late"),
    "a file that is declared": Case("limits.json", "30", "31", ("declared", "opens"), "limits.json"),
    "a plug-in imported by its name": Case("plugin_a.py", "return x", "return x + 0.5", ("plugs",), "plugin_a.py"),
    "a comment in that plug-in": Case("plugin_a.py", "return x", "return x  # the same", ()),
    "rows of a source": Case("rows.csv", "2", "3", ("reads",), "source rows.csv changed"),
}


def _write(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(textwrap.dedent(text).lstrip())


def _run(folder: Path) -> dict[str, StepRun]:
    steps = run_project(folder)
    assert not [step.error for step in steps.values() if step.error]
    return steps


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    _write(folder)
    assert {step.state for step in _run(folder).values()} == {"succeeded"}
    shutil.copytree(folder, folder.with_name("as it was"))
    return folder


@pytest.fixture
def project(first: Path) -> Path:
    """The project as it was after its first run, at the same path."""
    shutil.rmtree(first)
    shutil.copytree(first.with_name("as it was"), first)
    return first


@pytest.mark.parametrize("name", CASES)
def test_a_step_reruns_exactly_when_something_it_depends_on_changed(name: str, project: Path) -> None:
    case = CASES[name]
    path = project / case.file
    text = path.read_text()
    assert case.old in text
    path.write_text(text.replace(case.old, case.new, 1))
    result = _run(project)
    downstream = {"declared", "opens", "plugs"} if "clean" in case.reruns else set()
    reran = {name for name, step in result.items() if step.state == "succeeded"}
    assert reran - downstream == set(case.reruns) - downstream, result
    if case.reruns:
        assert case.reason in result[case.reruns[0]].reason


def test_a_helper_module_may_be_renamed(project: Path) -> None:
    (project / "inner.py").rename(project / "innermost.py")
    helpers = project / "helpers.py"
    helpers.write_text(helpers.read_text().replace("import inner\n", "import innermost as inner\n"))
    assert _run(project)["clean"].state == "up_to_date"
