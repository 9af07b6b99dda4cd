"""What the engine adds to a container: a step in one against bare `podman run` of the same image and imports."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Figure, paired
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Step
from penstock.core.ports import Context, Task
from penstock.engines.container import ContainerEngine, Containers
from penstock.images import find_runtime
from penstock.images.build import build_image
from penstock.images.packages import wanted
from penstock.project.worker import ENTRY
from penstock.stores import LocalArtifactStore

REPEATS = 11


def figures() -> Iterator[Figure]:
    """Measure a step that does nothing; both sides import what a worker imports, and run one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    folder.chmod(0o755)
    runtime = find_runtime(state=folder / "state")
    built = build_image(
        wanted(folder), name="localhost/penstock-bench:latest", runtime=runtime, scratch=folder / "image"
    )
    options, module = ("--rm", "--network", "none", "--log-driver", "none"), ENTRY.partition(":")[0]
    arguments = ("run", *options, built.image.id, "python3", "-c", f"import {module}")
    runtime.call(*arguments)
    bare = find_runtime(state=folder / "state").command(*arguments)  # with what this host was found to need
    containers = Containers(image=built.image.id, state=folder / "state", store=LocalArtifactStore(folder / "store"))
    with ContainerEngine(slots=1, containers=containers) as engine:
        ours, theirs, ratio = paired(
            lambda: _run(engine, _task(folder)), lambda: subprocess.run(bare, check=True), repeats=REPEATS
        )
    shutil.rmtree(folder)
    yield Figure(what="a step in a container, nothing to do", value=ratio, unit="x bare `podman run`", goal="< 1.3 x",
                 beside=f"ours {1000 * ours:.0f} ms, bare, the same imports {1000 * theirs:.0f} ms",
                 met=ratio < 1.3)  # fmt: skip


def _task(folder: Path) -> Task:
    step = Step(name="answer", call=dict, inputs=FrozenMap(), outputs=FrozenMap({"result": "json"}))
    context = Context(root=str(folder), metadata="", artifacts=str(folder / "store"))
    return Task(id="t1", entry=ENTRY, run="r1", step=step, arguments={}, context=context, log=folder / "t1.log")


def _run(engine: ContainerEngine, task: Task) -> None:
    engine.submit(task)
    (outcome,) = engine.wait()
    if outcome.state != "succeeded":
        raise SystemExit(f"the step {outcome.state}: {outcome.error}")
