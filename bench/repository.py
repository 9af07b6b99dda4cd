"""What the repository's commands cost where many runs are recorded: garbage collection, lineage, lists."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import penstock as ps
from bench.measure import Figure, fresh_folder
from penstock.core.artifact import Artifact
from penstock.core.run import CacheEntry, Run, StepRun

RUNS = int(os.environ.get("BENCH_RUNS", "2000"))
"""How many runs the store has that is measured; BENCH_RUNS=20000 is the figure of docs/benchmarks.md."""

STEPS = ("load", "clean", "split", "fit", "evaluate")
_OWN = ("fit", "evaluate")  # steps whose outputs differ from run to run; those of the others repeat every hundred runs
_AT_ONCE = 500
_DAY = 86400.0


def generate(folder: Path, runs: int) -> ps.Project:
    """Return a project with so many runs of five steps, a day's worth an hour apart, as if they had been run."""
    (folder / "penstock.toml").write_text('[project]\nname = "many"\n')
    project = ps.open(folder)
    began = time.time() - runs * 3600.0
    digests: dict[str, str] = {}
    for first in range(0, runs, _AT_ONCE):
        records: list[Run | StepRun | Artifact | CacheEntry] = []
        for number in range(first, min(first + _AT_ONCE, runs)):
            records += _one_run(project, number, began + number * 3600.0, digests)
        project.metadata.write(*records)
    return project


def _one_run(
    project: ps.Project, number: int, created: float, digests: dict[str, str]
) -> Iterator[Run | StepRun | Artifact | CacheEntry]:
    run = f"r{number:08}"
    yield Run(
        id=run, pipeline=f"pipeline-{number % 10}", state="succeeded", params={"n": number}, created=created,
        ended=created + 60,
    )  # fmt: skip
    before: dict[str, str] = {}
    for position, step in enumerate(STEPS):
        content = f"{step} {number if step in _OWN else number % 100}"
        made = content not in digests
        digest = digests[content] if made is False else project.artifacts.put(content.encode())
        digests[content] = digest
        yield StepRun(
            run=run, step=step, position=position, state="succeeded" if made else "up_to_date", key=f"key of {content}",
            parts={"code": "c" * 32, "param:n": str(number)}, artifacts={"result": digest}, inputs=before,
            started=created + position, ended=created + position + 1, attempts=int(made),
        )  # fmt: skip
        if made:
            facts = {"size_bytes": len(content)}
            yield Artifact(
                digest=digest, kind="bytes", uri=project.artifacts.path(digest).as_uri(), made_by=f"{run}/{step}",
                created=created, facts=facts,
            )  # fmt: skip
            yield CacheEntry(
                key=f"key of {content}", pipeline=f"pipeline-{number % 10}", step=step, outputs={"result": digest},
                run=run, created=created,
            )  # fmt: skip
        before = {"rows": digest}


def measured(runs: int) -> dict[str, float]:
    """Return the seconds of each command on a store of so many runs."""
    project = generate(fresh_folder(), runs)
    repository, middle = project.repository, f"r{runs // 2:08}"
    found: dict[str, float] = {}

    def clock(name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        found[name] = time.perf_counter() - started

    clock("runs", lambda: project.runs(limit=20))
    clock("find", lambda: repository.find(limit=20))
    clock("lineage up", lambda: repository.lineage(f"{middle}/evaluate", down=False))
    clock("lineage", lambda: repository.lineage(f"{middle}/load"))
    clock("usage", repository.usage)
    clock("dry run", lambda: repository.gc(keep_runs=runs // 20, runs_older_than="1d", grace=0))
    clock("delete", lambda: repository.gc(dry_run=False, keep_runs=runs // 20, runs_older_than="1d", grace=0))
    return found


_GOALS = {
    "runs": ("`penstock runs`", 0.2),
    "find": ("`penstock artifacts`", 0.2),
    "lineage up": ("`penstock lineage RUN/STEP --up`", 0.2),
    "lineage": ("`penstock lineage RUN/STEP`, of what half a percent of all steps reads", 4.0),
    "usage": ("`penstock artifacts usage`", 8.0),
    "dry run": ("`penstock gc`, half of all runs would go", 8.0),
    "delete": ("`penstock gc --delete` of them, records and bytes", 40.0),
}


def figures() -> Iterator[Figure]:
    """Measure at a quarter of the runs too: what is linear takes four times as long for all."""
    few, many = measured(RUNS // 4), measured(RUNS)
    for name, (what, seconds) in _GOALS.items():
        goal = max(seconds * RUNS / 20_000, 0.05)
        yield Figure(
            what=f"{what}, {RUNS:,} runs of {len(STEPS)} steps",
            value=many[name],
            unit="s",
            goal=f"< {goal:.3g}",
            met=many[name] < goal,
            beside=f"a quarter of the runs: {few[name]:.3g} s ({many[name] / few[name]:.1f} x for 4 x)",
        )
