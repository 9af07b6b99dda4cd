"""The engine in this process: what it borrows it gives back."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Step
from penstock.core.ports import Context, Task
from penstock.engines import InlineEngine


def open_descriptors() -> int:
    gc.collect()  # connections that earlier tests dropped would close at any moment
    return len(os.listdir("/proc/self/fd"))


def make_task(folder: Path, call: Any, **arguments: Any) -> Task:
    return Task(
        id="t1",
        entry="penstock.testing.tasks:call_the_step",
        run="r1",
        step=Step(name="s", call=call, inputs=FrozenMap(), outputs=FrozenMap({"result": "json"})),
        arguments=arguments,
        context=Context(root=str(folder), metadata="", artifacts=""),
        log=folder / "t1.log",
        paths=(str(folder / "code"),),
    )


def interrupt() -> None:
    print("before")
    raise KeyboardInterrupt


def test_ctrl_c_goes_through_and_the_output_is_ours_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    streams, path = (sys.stdout, sys.stderr), list(sys.path)
    with pytest.raises(KeyboardInterrupt), InlineEngine() as engine:
        engine.submit(make_task(tmp_path, interrupt))
    assert ((sys.stdout, sys.stderr), sys.path) == (streams, path)
    print("after")
    assert capfd.readouterr() == ("after\n", "")
    assert (tmp_path / "t1.log").read_text() == "before\n"


def draw(descriptor: int) -> None:
    print("into the log")
    os.write(descriptor, b"on the screen")


def test_a_display_on_a_duplicate_of_standard_error_stays_visible(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    screen = os.dup(2)
    InlineEngine().submit(make_task(tmp_path, draw, descriptor=screen))
    os.close(screen)
    assert capfd.readouterr() == ("", "on the screen")
    assert (tmp_path / "t1.log").read_text() == "into the log\n"


def test_what_was_printed_before_the_task_is_not_in_its_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    sys.stdout.write("no newline, so still in a buffer")
    InlineEngine().submit(make_task(tmp_path, print))
    assert capfd.readouterr().out == "no newline, so still in a buffer"
    assert (tmp_path / "t1.log").read_text() == "\n"


def test_tasks_leave_no_descriptor_open(tmp_path: Path):
    before = open_descriptors()
    engine = InlineEngine()
    for _ in range(20):
        engine.submit(make_task(tmp_path, len, obj="abc"))
    assert open_descriptors() == before
    assert len(engine.wait()) == 20
