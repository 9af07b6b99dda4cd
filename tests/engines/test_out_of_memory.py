"""A worker that the kernel really kills because its control group has no memory left."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT_BYTES = 400 << 20

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_local_engine import make_task, tasks
from penstock.engines import LocalEngine
from penstock.engines.machine import capacity

print(int(capacity().memory_bytes))
with LocalEngine(slots=2) as engine:
    folder = Path({folder!r})
    engine.submit(make_task(folder, tasks.take_memory, megabytes=1000))
    print(engine.wait()[0].error)
    engine.submit(make_task(folder, tasks.sleep, seconds=0))
    (outcome,) = engine.wait()
    print(outcome.error or outcome.state)
"""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with little memory; only where this machine lets us make one."""
    for mounted, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        folder = Path("/sys/fs/cgroup", mounted, f"penstock-{secrets.token_hex(4)}")
        try:
            folder.mkdir()
            (folder / limit).write_text(str(LIMIT_BYTES))
        except OSError:
            if folder.is_dir():
                folder.rmdir()
            continue
        yield folder
        folder.rmdir()
        return
    pytest.skip("no control group can be made here (needs root and a writable /sys/fs/cgroup)")


def test_a_worker_that_the_kernel_kills_for_memory_is_recorded_as_that(small_group: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))

    def enter() -> None:
        (small_group / "cgroup.procs").write_text(str(os.getpid()))

    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        preexec_fn=enter,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    limit, error, state = done.stdout.splitlines()
    assert int(limit) == LIMIT_BYTES
    assert error.startswith("out of memory: the kernel killed the worker process (SIGKILL)")
    assert "memory=" in error
    assert state == "succeeded"
