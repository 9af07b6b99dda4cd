"""Worker processes: where they come from, what they see, and that nothing stays behind."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Needs, Step
from penstock.core.ports import Context, Outcome, Task
from penstock.engines import LocalEngine
from penstock.testing import tasks
from penstock.testing.isolated_engine import await_death, pids_in

PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(slots=2, grace_seconds=0.3) as engine:
        yield engine


def open_descriptors() -> int:
    gc.collect()  # connections that earlier tests dropped would close at any moment
    return len(os.listdir("/proc/self/fd"))


def make_task(
    folder: Path,
    call: Any,
    *,
    id: str = "t1",
    paths: tuple[str, ...] = (),
    needs: Needs | None = None,
    **arguments: Any,
) -> Task:
    return Task(
        id=id,
        entry="penstock.testing.tasks:call_the_step",
        run="r1",
        step=Step(
            name="s",
            call=call,
            inputs=FrozenMap(),
            outputs=FrozenMap({"result": "json"}),
            needs=needs or Needs(),
        ),
        arguments=arguments,
        context=Context(root=str(folder), metadata="", artifacts=""),
        log=folder / f"{id}.log",
        paths=paths,
    )


def run(engine: LocalEngine, task: Task) -> Outcome:
    engine.submit(task)
    (outcome,) = engine.wait(PATIENCE_SECONDS)
    return outcome


def value(outcome: Outcome) -> Any:
    assert outcome.error == ""
    return eval(outcome.outputs["result"].digest)  # the entry of these tests puts the repr there


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def look_at_the_template() -> dict[str, Any]:
    parent = os.getppid()
    return {
        "pid": parent,
        "modules": sorted(sys.modules),
        "children": len(children_of(parent)),
        "descriptors": len(os.listdir(f"/proc/{parent}/fd")),
        "mine": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    }


def test_a_worker_finds_the_libraries_loaded(engine: LocalEngine, tmp_path: Path):
    seen = value(run(engine, make_task(tmp_path, look_at_the_template)))
    assert {"numpy", "pyarrow", "duckdb"} <= set(seen["modules"])


def test_a_module_that_was_edited_is_seen_by_the_next_task(engine: LocalEngine, tmp_path: Path):
    module = tmp_path / "edited_module.py"
    text = (
        "from penstock.core.ports import Outcome\n"
        "def work(task): return Outcome(task='t', state='succeeded', error={!r})\n"
    )
    for version in ("first", "the second"):
        module.write_text(text.format(version))
        task = make_task(tmp_path, len, paths=(str(tmp_path),))
        task = Task(**{name: getattr(task, name) for name in Task.__slots__} | {"entry": "edited_module:work"})
        assert run(engine, task).error == version


def test_a_hundred_tasks_leave_no_descriptor_and_no_zombie(engine: LocalEngine, tmp_path: Path):
    before = value(run(engine, make_task(tmp_path, look_at_the_template)))
    ours = open_descriptors()
    for number in range(100):
        engine.submit(make_task(tmp_path, len, obj="abc", id=f"t{number}"))
    left = 100
    while left:
        left -= len(engine.wait(PATIENCE_SECONDS))
    after = value(run(engine, make_task(tmp_path, look_at_the_template)))
    assert after["children"] <= 2  # the task itself, and a recruit for the next one
    assert after["descriptors"] <= before["descriptors"] + 2  # what leads to the recruit
    assert len(after["mine"]) == len(before["mine"])
    assert open_descriptors() == ours
    assert engine.wait(0) == []


def test_closing_leaves_no_process_and_no_descriptor(tmp_path: Path):
    before = open_descriptors(), children_of(os.getpid())
    with LocalEngine(slots=2) as engine:
        template = value(run(engine, make_task(tmp_path, os.getppid)))
    assert not Path(f"/proc/{template}").exists()
    assert (open_descriptors(), children_of(os.getpid())) == before


def draw_numbers() -> tuple[float, float]:
    return random.random(), float(np.random.random())


def test_two_workers_do_not_draw_the_same_random_numbers(engine: LocalEngine, tmp_path: Path):
    first, second = (value(run(engine, make_task(tmp_path, draw_numbers))) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def where_am_i() -> tuple[str, str | None, bool, str, str]:
    gone = "PENSTOCK_GONE" in os.environ
    return os.getcwd(), os.environ.get("PENSTOCK_TEST"), gone, tempfile.gettempdir(), time.tzname[0]


def test_a_worker_has_the_folder_and_the_environment_of_the_moment(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PENSTOCK_GONE", "yes")
    run(engine, make_task(tmp_path, where_am_i))
    monkeypatch.delenv("PENSTOCK_GONE")
    monkeypatch.setenv("PENSTOCK_TEST", "now")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("TZ", "XYZ+3")
    monkeypatch.chdir(tmp_path)
    assert value(run(engine, make_task(tmp_path, where_am_i))) == (
        str(tmp_path),
        "now",
        False,
        str(tmp_path),
        "XYZ",
    )


def fit_in_parallel() -> float:
    import lightgbm

    rows = np.random.default_rng(0).random((2000, 4))
    data = lightgbm.Dataset(rows, rows[:, 0])
    booster = lightgbm.train({"verbose": -1, "num_threads": 2, "seed": 1}, data, num_boost_round=5)
    (rows @ rows.T).sum()  # OpenBLAS's threads
    return float(booster.predict(rows[:1])[0])


def test_openmp_and_blas_work_in_a_forked_worker(engine: LocalEngine, tmp_path: Path):
    assert value(run(engine, make_task(tmp_path, fit_in_parallel))) == fit_in_parallel()


def modules_before(load: str) -> list[str]:
    before = sorted(name for name in sys.modules if name.partition(".")[0] in (load, "scipy"))
    __import__(load)
    return before


def test_what_one_worker_had_to_load_the_next_one_finds_loaded(tmp_path: Path):
    pytest.importorskip("scipy")
    with LocalEngine(slots=1) as engine:
        tries = 0
        while "scipy.linalg" not in value(run(engine, make_task(tmp_path, modules_before, load="scipy.linalg"))):
            tries += 1  # the template loads it after it has passed the outcome on
            assert tries < 50
        assert tries > 0


def threads() -> tuple[str | None, str | None, int, int]:
    import pyarrow

    from penstock.tables import connection

    (found,) = connection().execute("SELECT current_setting('threads')").fetchone() or (0,)
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("MKL_NUM_THREADS"), pyarrow.cpu_count(), int(found)


def test_libraries_use_as_many_threads_as_the_task_asked_for_processors(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    cores = os.cpu_count()
    assert value(run(engine, make_task(tmp_path, threads))) == (None, "7", cores, cores)
    assert value(run(engine, make_task(tmp_path, threads, needs=Needs(cpus=0.5)))) == ("1", "7", 1, 1)


def test_what_hangs_shows_in_the_log_where(engine: LocalEngine, tmp_path: Path):
    for needs in (Needs(timeout_seconds=0.5), Needs(heartbeat_seconds=0.5)):
        task = make_task(tmp_path, tasks.keep_the_lock, needs=needs)
        assert "the end of the step's log shows" in run(engine, task).error
        assert "in keep_the_lock" in task.log.read_text()
        task.log.unlink()


def kill_the_template() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


def test_a_killed_template_fails_its_tasks_and_the_next_task_has_a_new_one(engine: LocalEngine, tmp_path: Path):
    first = value(run(engine, make_task(tmp_path, os.getppid)))
    outcome = run(engine, make_task(tmp_path, kill_the_template))
    assert outcome.state == "failed"
    assert "the process that starts the workers ended" in outcome.error
    assert value(run(engine, make_task(tmp_path, os.getppid))) != first


def test_a_template_killed_between_tasks_is_replaced(engine: LocalEngine, tmp_path: Path):
    template = value(run(engine, make_task(tmp_path, os.getppid)))
    os.kill(template, signal.SIGKILL)
    await_death([template])
    assert value(run(engine, make_task(tmp_path, os.getppid))) != template


def test_a_native_crash_leaves_python_s_stack_in_the_log(engine: LocalEngine, tmp_path: Path):
    outcome = run(engine, make_task(tmp_path, tasks.crash))
    assert "at the end of the step's log" in outcome.error
    assert "in crash" in (tmp_path / "t1.log").read_text()


def test_the_log_can_be_followed_while_the_task_runs(engine: LocalEngine, tmp_path: Path):
    task = make_task(tmp_path, speak_and_wait, go=tmp_path / "go")
    engine.submit(task)
    expected = ["from print", "from C"]
    while not (task.log.exists() and task.log.read_text().split("\n")[:2] == expected):
        assert engine.wait(0.005) == []
    (tmp_path / "go").touch()
    assert engine.wait(PATIENCE_SECONDS)[0].error == ""


def speak_and_wait(go: Path) -> None:
    import ctypes

    print("from print")
    ctypes.CDLL(None).puts(b"from C")
    while not go.exists():
        time.sleep(0.005)


SCRIPT = """
import sys
import tempfile
import time
from pathlib import Path
from penstock.engines import LocalEngine
sys.path.insert(0, {tests!r})
from test_local_engine import make_task, tasks

print("the script runs")
rate = 3
class Shape:
    def area(self, side): return rate * side
def double(side): return 2 * Shape().area(side)
def wait(pids): tasks.wait_for_ever(pids)

with LocalEngine(slots=2, grace_seconds=0.3) as engine:
    folder = Path({folder!r})
    engine.submit(make_task(folder, double, side=7))
    print(engine.wait()[0].outputs["result"].digest, flush=True)
    if {then_wait}:
        engine.submit(make_task(folder, wait, pids=folder / "pids"))
        engine.wait()
"""


def start_script(folder: Path, *, then_wait: bool) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parent)
    (folder / "script.py").write_text(SCRIPT.format(tests=tests, folder=str(folder), then_wait=then_wait))
    return subprocess.Popen([sys.executable, str(folder / "script.py")], stdout=subprocess.PIPE, text=True)


def test_functions_and_classes_of_a_script_work_and_the_script_runs_once(tmp_path: Path):
    with start_script(tmp_path, then_wait=False) as script:
        output, _ = script.communicate(timeout=PATIENCE_SECONDS)
    assert output == "the script runs\n42\n"


def test_a_killed_driver_takes_template_and_workers_with_it(tmp_path: Path):
    with start_script(tmp_path, then_wait=True) as script:
        pids = pids_in(tmp_path / "pids")
        parent = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
        script.kill()
        await_death([*pids, parent])
