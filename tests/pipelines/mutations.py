"""One edit of a small project on disk, between runs in processes that have never loaded it: what ran again, and why."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from project_runs import run_project

from penstock.core.run import StepRun

_PIPELINE = """

@ps.pipeline
def all_steps():
    f()
"""


@dataclass(frozen=True)
class Mutation:
    """A project, an edit of one of its files (a `new` of None: the file goes), the steps that must run again because of
    it, and a word of the reason. `steps` is the text of `steps.py`; without a pipeline, its only step is `f`."""

    steps: str
    old: str
    new: str | None
    file: str = "steps.py"
    reruns: tuple[str, ...] = ("f",)
    reason: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        steps = "import penstock as ps\n" + textwrap.dedent(self.steps).strip("\n")
        everything = {**self.files, "steps.py": steps + ("" if "all_steps" in steps else _PIPELINE)}
        for name, text in everything.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))

    def edit(self, folder: Path) -> None:
        path = folder / self.file
        if self.new is None:
            path.unlink()
            return
        text = path.read_text() if path.exists() else ""
        assert self.old in text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(self.old, self.new, 1) if self.old else self.new)


def harmless(steps: str, old: str, new: str | None, **more: object) -> Mutation:
    """A mutation after which nothing may run."""
    return Mutation(steps, old, new, reruns=(), **more)  # type: ignore[arg-type]


def reran(folder: Path) -> dict[str, StepRun]:
    """Run the project; return the steps that ran."""
    steps = run_project(folder)
    assert not [step.error for step in steps.values() if step.error], steps
    return {name: step for name, step in steps.items() if step.state == "succeeded"}


def check(mutation: Mutation, folder: Path) -> None:
    """Run the project, run it again as it is, edit it, run it once more."""
    mutation.write(folder)
    assert reran(folder)
    again = reran(folder)
    assert not again, f"ran again though nothing changed: {[step.reason for step in again.values()]}"
    mutation.edit(folder)
    found = reran(folder)
    assert set(found) == set(mutation.reruns), {name: step.reason for name, step in found.items()}
    if mutation.reruns:
        assert mutation.reason in found[mutation.reruns[0]].reason
