"""Containers by real podman: what every engine promises, what a step is kept from, and that nothing stays behind."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import penstock as ps
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Needs, Step
from penstock.core.ports import Context, Engine, Task
from penstock.engines.container import ContainerEngine, Containers
from penstock.engines.exchange import orphans
from penstock.images import find_runtime
from penstock.testing import IsolatedEngineContract
from penstock.testing.isolated_engine import PATIENCE_SECONDS, await_end, pids_in

HERE = Path(__file__).parent

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, container_image: str) -> Path:
    """The folder of what is under way. It remembers what this host needs: a first container has found that out, for an
    engine learns it while it waits, and some of these tests look for what a task does before they wait."""
    folder = tmp_path_factory.mktemp("containers")
    find_runtime(state=folder).call("run", "--rm", "--network", "none", container_image, "python3", "-c", "")
    return folder


@pytest.fixture
def engine(tmp_path: Path, state: Path, container_image: str) -> Iterator[Engine]:
    tmp_path.chmod(0o777)
    containers = Containers(image=container_image, state=state, mounts=(f"{tmp_path}:rw",))
    with ContainerEngine(slots=2, containers=containers, grace_seconds=0.3) as engine:
        yield engine


class TestContainerEngine(IsolatedEngineContract):
    """The contract, in containers."""


def make_task(folder: Path, call: Callable[..., Any], *, needs: Needs | None = None, **given: Any) -> Task:
    return Task(
        id="t1",
        entry="penstock.testing.tasks:call_the_step",
        run="r1",
        step=Step(
            name="s", call=call, inputs=FrozenMap(), outputs=FrozenMap({"result": "json"}), needs=needs or Needs()
        ),
        arguments=given,
        context=Context(root=str(folder), metadata="", artifacts=""),
        log=folder / "t1.log",
        paths=(str(HERE.parent.parent), str(HERE)),  # this module is there in a container too
    )


def value(engine: Engine, task: Task) -> Any:
    engine.submit(task)
    (outcome,) = engine.wait(PATIENCE_SECONDS)
    assert outcome.error == ""
    return eval(outcome.outputs["result"].digest)  # the entry of these tests puts the repr there


def look_around(project: str, elsewhere: str, port: int) -> dict[str, Any]:
    def refused(attempt: Callable[[], Any]) -> str:
        try:
            attempt()
        except OSError as error:
            return type(error).__name__
        return ""

    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "user": os.getuid(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16),
        "no new privileges": status["NoNewPrivs"],
        "write to the image": refused(lambda: Path("/usr/new").touch()),
        "write to the project": refused(lambda: Path(project, "new").touch()),
        "temporary file": refused(lambda: Path("/tmp/new").touch()),
        "elsewhere": Path(elsewhere).exists(),
        "state": os.listdir(f"{project}/.penstock"),
        "network": refused(lambda: socket.create_connection(("127.0.0.1", port), timeout=2)),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "secret": os.environ.get("SECRET_OF_THE_DRIVER"),
    }


def test_a_step_sees_and_may_do_little(
    tmp_path: Path, state: Path, container_image: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SECRET_OF_THE_DRIVER", "hush")
    project = tmp_path / "project"
    (project / ".penstock").mkdir(parents=True)
    (project / ".penstock" / "metadata.db").touch()
    (tmp_path / "elsewhere").touch()
    listening = socket.create_server(("127.0.0.1", 0))
    containers = Containers(image=container_image, state=state)
    project.chmod(0o755)
    with listening, ContainerEngine(slots=1, containers=containers) as engine:
        task = make_task(
            project, look_around, project=str(project), elsewhere=str(tmp_path / "elsewhere"),
            port=listening.getsockname()[1],
        )  # fmt: skip
        seen = value(engine, task)
    assert seen["user"] != 0
    assert seen["capabilities"] == 0
    assert seen["no new privileges"] == "1"
    assert seen["write to the image"] == "OSError"  # read-only file system
    assert seen["write to the project"] == "OSError"
    assert seen["temporary file"] == ""
    assert seen["elsewhere"] is False
    assert seen["state"] == []
    assert seen["network"] == "ConnectionRefusedError"  # the loopback of its own
    assert seen["interfaces"] == ["lo"]
    assert seen["processes"] < 10
    assert seen["secret"] is None


def read_secrets(mine: ps.Secret, file: str) -> list[Any]:
    print("the secret is", mine.get())
    return [len(mine.get()), Path(file).read_text(), "OTHER" in os.environ]


def test_a_step_gets_its_own_secrets_and_no_others(engine: Engine, tmp_path: Path):
    file = tmp_path / "secrets.toml"
    file.write_text('MINE = "abracadabra"\nOTHER = "not for this one"\n')
    task = make_task(tmp_path, read_secrets, mine=ps.secret("MINE"), file=str(file))
    task = replace(task, context=replace(task.context, secrets={"": str(file)}))
    assert value(engine, task) == [11, "", False]
    assert task.log.read_text() == "the secret is ***\n"


def interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def test_a_step_that_asks_has_a_network(engine: Engine, tmp_path: Path):
    assert len(value(engine, make_task(tmp_path, interfaces, needs=Needs(network=True)))) > 1


def groups() -> str:
    names = ("pids/pids.max", "pids.max", "cpu/cpu.cfs_quota_us", "cpu.max")
    files = [Path("/sys/fs/cgroup", name) for name in names]
    return " ".join(file.read_text().strip() for file in files if file.exists())


def test_processors_and_processes_are_limited(engine: Engine, tmp_path: Path):
    assert value(engine, make_task(tmp_path, groups, needs=Needs(cpus=0.5))).split()[:2] in (
        ["1024", "50000"],
        ["1024", "max"],
    )


def test_a_container_out_of_memory_leaves_no_file_where_the_driver_stands(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from penstock.testing import tasks

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    engine.submit(make_task(tmp_path, tasks.take_memory, megabytes=2048, needs=Needs(memory_bytes=64 << 20)))
    (outcome,) = engine.wait(PATIENCE_SECONDS)
    assert "memory" in outcome.error
    assert os.listdir() == []


def test_an_image_that_is_not_there_is_named(tmp_path: Path, state: Path):
    with ContainerEngine(slots=1, containers=Containers(image="localhost/no-such:1", state=state)) as engine:
        tmp_path.chmod(0o755)
        engine.submit(make_task(tmp_path, interfaces))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
    assert outcome.state == "failed"
    assert outcome.final
    assert "no-such" in outcome.error
    assert "penstock image build" in outcome.error


@pytest.mark.skipif(os.getuid() != 0, reason="steps run as the calling user, who may read what is theirs")
def test_a_project_that_the_step_s_user_may_not_read_is_named(tmp_path: Path, state: Path, container_image: str):
    tmp_path.chmod(0o700)
    with ContainerEngine(slots=1, containers=Containers(image=container_image, state=state)) as engine:
        engine.submit(make_task(tmp_path, interfaces))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
    assert outcome.state == "failed"
    assert f"may not read {tmp_path}; let everybody read it: chmod" in outcome.error


def names_of_containers(state: Path) -> list[str]:
    listed = find_runtime(state=state).call("ps", "--all", "--format", "{{.Names}}")
    return [name for name in listed.splitlines() if name.startswith("penstock-") and (state / name).is_dir()]


def only_container(state: Path) -> str:
    """Return the name of the container that runs, once those of earlier tests have been removed."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(names := names_of_containers(state)) != 1:
        assert time.monotonic() < limit, names
    return names[0]


def test_a_container_killed_from_outside_is_recorded_and_the_next_one_runs(engine: Engine, tmp_path: Path, state: Path):
    from penstock.testing import tasks

    engine.submit(make_task(tmp_path, tasks.wait_for_ever, pids=tmp_path / "pids"))
    pids_in(tmp_path / "pids")
    find_runtime(state=state).call("kill", only_container(state))
    (outcome,) = engine.wait(PATIENCE_SECONDS)
    assert outcome.state == "failed"
    assert not outcome.final
    assert "killed from outside (SIGKILL)" in outcome.error
    await_end(tmp_path / "pids")
    assert value(engine, make_task(tmp_path, interfaces)) == ["lo"]


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_container_engine import ContainerEngine, Containers, make_task
from penstock.testing import tasks
folder = Path({folder!r})
containers = Containers(image={image!r}, state=Path({state!r}), mounts=(f"{{folder}}:rw",))
with ContainerEngine(slots=1, containers=containers, grace_seconds=0.3) as engine:
    engine.submit(make_task(folder, tasks.wait_for_ever, pids=folder / "pids"))
    engine.wait()
"""


def test_a_killed_driver_takes_its_container_with_it_and_the_next_engine_clears_up(
    tmp_path: Path, state: Path, container_image: str
):
    tmp_path.chmod(0o777)
    script = DRIVER.format(tests=str(HERE), folder=str(tmp_path), image=container_image, state=str(state))
    driver = subprocess.Popen([sys.executable, "-c", script])
    pids_in(tmp_path / "pids")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    await_end(tmp_path / "pids")
    limit = time.monotonic() + PATIENCE_SECONDS
    while names_of_containers(state):
        assert time.monotonic() < limit
    assert len(list(orphans(state))) == 1
    containers = Containers(image=container_image, state=state, mounts=(f"{tmp_path}:rw",))
    with ContainerEngine(slots=1, containers=containers) as engine:
        assert value(engine, make_task(tmp_path, interfaces)) == ["lo"]
    assert list(orphans(state)) == []


PROJECT = '''
from pathlib import Path
import penstock as ps

@ps.step(retries=1, retry_delay=0.01)
def numbers(count: int) -> ps.Table:
    """Write a table; the first time somebody kills the container meanwhile."""
    import pyarrow as pa
    mark = Path({marks!r}, "began")
    if not mark.exists():
        mark.touch()
        import time
        time.sleep(600)
    return pa.table({{"n": list(range(count))}})

@ps.step
def total(rows: ps.Table) -> int:
    print("adding up", rows.num_rows)
    ps.log_metric("rows", rows.num_rows)
    return sum(rows["n"].to_pylist())

@ps.pipeline(image={image!r})
def sums(count: int = 1000) -> None:
    total(numbers(count))
'''


def test_a_pipeline_in_containers_survives_a_kill_and_is_up_to_date_then(
    tmp_path: Path, container_image: str, monkeypatch: pytest.MonkeyPatch
):
    root, marks = tmp_path / "project", tmp_path / "marks"
    root.mkdir(mode=0o755)
    marks.mkdir()
    for folder in (tmp_path, root):
        folder.chmod(0o755)
    marks.chmod(0o777)
    (root / "pipelines.py").write_text(PROJECT.format(marks=str(marks), image=container_image))
    (root / "penstock.toml").write_text(f'[engine]\ndefault = "container"\nslots = 1\nmounts = ["{marks}:rw"]\n')
    monkeypatch.syspath_prepend(str(root))
    project = ps.open(root)
    run = project.run("sums", wait=False)
    limit = time.monotonic() + PATIENCE_SECONDS
    while not (marks / "began").exists():
        assert run.state == "running", run.steps["numbers"].record.error
        assert time.monotonic() < limit
        time.sleep(0.05)
    state = root / ".penstock" / "containers"
    find_runtime(state=state).call("kill", *names_of_containers(state))
    run.wait()
    assert run.state == "succeeded"
    assert run.steps["numbers"].record.attempts == 2
    assert run.artifact("total").load() == 499500
    assert "adding up 1000" in run.steps["total"].log()
    assert list(run.steps["total"].metrics) == ["rows"]
    assert run.steps["total"].record.parts["image"].startswith(container_image[:16])
    again = project.run("sums")
    assert {step.state for step in again.steps.values()} == {"up_to_date"}
    assert [path.name for path in state.iterdir() if path.is_dir()] == []
    assert project.plan("sums").up_to_date


WRITING = """
import penstock as ps

@ps.step
def rows(count: int) -> ps.Table:
    import numpy as np, pyarrow as pa
    return pa.table({"n": np.arange(count) % 1009})

@ps.step
def doubled(rows: ps.Table) -> ps.Table:
    import pyarrow.compute as pc
    return rows.append_column("m", pc.multiply(rows["n"], 2))

@ps.pipeline
def writing(count: int = 3_000_000) -> None:
    doubled(rows(count))
"""


def test_containers_killed_at_any_moment_leave_a_whole_store_and_the_run_completes_then(
    tmp_path: Path, container_image: str, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "killed"
    root.mkdir()
    for folder in (tmp_path, root):
        folder.chmod(0o755)
    (root / "writing.py").write_text(WRITING)
    settings = f'[project]\nmodules = ["writing"]\n[engine]\ndefault = "container"\nimage = "{container_image}"\n'
    (root / "penstock.toml").write_text(settings)
    monkeypatch.syspath_prepend(str(root))
    project = ps.open(root)
    runtime = find_runtime(state=root / ".penstock" / "containers")
    delays = random.Random(3)
    for _ in range(6):
        run = project.run("writing", wait=False)
        while run.state == "running" and not (names := names_of_containers(root / ".penstock" / "containers")):
            time.sleep(0.01)
        time.sleep(delays.uniform(0.0, 1.5))
        subprocess.run(runtime.command("kill", *names), capture_output=True, check=False)  # it may have ended by itself
        run.wait()
        cas = root / ".penstock" / "artifacts" / "cas"
        for blob in cas.glob("*/*"):
            project.artifacts.verify(blob.parent.name + blob.name)
    run = project.run("writing")
    assert run.state == "succeeded"
    result = run.artifact("doubled").load()
    assert (result.num_rows, result["m"][1008].as_py()) == (3_000_000, 2016)
    assert [path for path in (root / ".penstock" / "containers").iterdir() if path.name.startswith("penstock-")] == []
