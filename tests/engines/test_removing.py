"""Containers that podman itself does not know: it was killed between making one and recording it."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Step
from penstock.core.ports import Context, Task
from penstock.engines.container import ContainerEngine, Containers
from penstock.images import find_runtime
from penstock.testing import tasks
from penstock.testing.isolated_engine import PATIENCE_SECONDS

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("containers")]


def waiting(folder: Path, number: int) -> Task:
    step = Step(name="s", call=tasks.wait_for_ever, inputs=FrozenMap(), outputs=FrozenMap({"result": "json"}))
    return Task(
        id=f"t{number}",
        entry="penstock.testing.tasks:call_the_step",
        run="r1",
        step=step,
        arguments={"pids": folder / f"pids-{number}"},
        context=Context(root=str(folder), metadata="", artifacts=""),
        log=folder / f"t{number}.log",
    )


def of_container(name: str) -> dict[str, int]:
    """Return the processes of podman that have to do with a container: program -> pid."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        if name in words:
            found[os.path.basename(words[0])] = int(entry.name)
    return found


def test_a_container_that_podman_was_killed_before_it_knew_of_is_taken_away(
    tmp_path: Path, container_image: str
) -> None:
    tmp_path.chmod(0o777)
    state = tmp_path / "containers"
    # What this host needs is found out first: else the engine learns it from the first container, and starts it anew.
    find_runtime(state=state).call("run", "--rm", "--network", "none", container_image, "python3", "-c", "")
    containers = Containers(image=container_image, state=state, mounts=(f"{tmp_path}:rw",))
    if find_runtime(state=state).program != "podman":
        pytest.skip("docker's containers are made by its daemon, which is not ours to kill")
    delays = random.Random(7)
    with ContainerEngine(slots=1, containers=containers, grace_seconds=0.3) as engine:
        for number in range(10):
            engine.submit(waiting(tmp_path, number))
            (name,) = [path.name for path in state.glob("penstock-*-*-*") if path.is_dir()]
            limit = time.monotonic() + PATIENCE_SECONDS
            while "conmon" not in (there := of_container(name)):
                assert time.monotonic() < limit, "podman makes no container"
            time.sleep(delays.uniform(0, 0.06))  # it is made now, and not started yet
            os.kill(there["podman"], signal.SIGKILL)
            (outcome,) = engine.wait(PATIENCE_SECONDS)
            assert outcome.failed_of == ("killed",)
            while of_container(name):
                assert time.monotonic() < limit, f"left behind: {of_container(name)}"
                time.sleep(0.02)
