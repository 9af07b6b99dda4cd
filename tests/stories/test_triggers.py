"""Triggers as they live: servers as processes of their own, files that come, events, servers that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import penstock as ps
import warm
from penstock.cli import main
from penstock.core.run import Lease
from penstock.core.trigger import Firing
from penstock.monitor import Monitor
from penstock.monitor.firing import TAKE_OVER_SECONDS

MODULE = """
import penstock as ps

@ps.step
def count(source: str) -> int:
    return len(open(source).read())

@ps.step
def note(what: str) -> str:
    return what

@ps.pipeline
def counting(source: str):
    count(source)

@ps.pipeline
def noting(what: str = "nothing"):
    note(what)

arrivals = ps.on(ps.new_file("in/**/*.txt", debounce=0.3), counting, params={"source": ps.event_data("path")},
                 max_parallel=2)
orders = ps.on(ps.event("com.shop.*"), noting, params={"what": ps.event_data("item")})
after = ps.on(ps.run_finished("counting"), noting, params={"what": ps.event_data("run")}, max_parallel=4)
"""
ORDER = {"specversion": "1.0", "type": "com.shop.order", "source": "/shop", "id": "1", "data": {"item": "bell"}}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "pipelines.py").write_text(MODULE)
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (tmp_path / "in").mkdir()
    yield tmp_path
    sys.modules.pop("pipelines", None)


def spawn(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [warm.python(), "-m", "penstock", "-C", str(root), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.first = process.stdout.readline()
    assert process.first, process.communicate()[1]
    return process


def stop(process: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    process.send_signal(number)
    process.communicate(timeout=60)


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.2)


def post(url: str, event: dict) -> list[dict]:
    headers = {"content-type": "application/cloudevents+json"}
    request = urllib.request.Request(f"{url}/v1/events", json.dumps(event).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["firings"]


def test_a_server_and_a_watcher_on_one_store_fire_once_for_each_thing_that_happens(root):
    server, watcher = spawn(root, "serve", "--port", "0"), spawn(root, "trigger", "run")
    try:
        url = server.first.split()[1]
        assert "watching" in watcher.first
        project = ps.open(root)
        (root / "in" / "sub").mkdir()
        for number in range(3):
            (root / "in" / "sub" / f"{number}.txt").write_text("x" * number)
        assert [firing["new"] for _ in range(2) for firing in post(url, ORDER)] == [True, False]

        def done() -> bool:
            states = Counter((name, each.state) for name, one in project.triggers.items() for each in one.history)
            return states == {("arrivals", "succeeded"): 3, ("orders", "succeeded"): 1, ("after", "succeeded"): 3}

        until(done)
        far = ps.open(url).triggers
        assert list(far) == ["arrivals", "orders", "after"]
        assert far["orders"].history[0].run == project.triggers["orders"].history[0].run
        far["orders"].pause("holidays")
        assert far["orders"].paused
        assert project.triggers["orders"].paused
        assert post(url, {**ORDER, "id": "2"})[0]["state"] == "waiting"
        assert far["orders"].fire(item="by hand").state in ("running", "succeeded")
        far["orders"].resume()
        until(lambda: [each.state for each in far["orders"].history] == ["succeeded"] * 3)
    finally:
        stop(server), stop(watcher)
    assert (server.returncode, watcher.returncode) == (0, 0)
    runs = project.runs()
    assert Counter(run.cause["trigger"] for run in runs) == {"arrivals": 3, "orders": 3, "after": 3}
    *_, order = project.triggers["orders"].history
    assert project.get_run(order.run).params == {"what": "bell"}
    counted = {firing.event["data"]["path"]: firing.run for firing in project.triggers["arrivals"].history}
    assert {path: project.get_run(run).artifact("count").load() for path, run in counted.items()} == {
        f"in/sub/{number}.txt": number for number in range(3)
    }
    assert {firing.event["data"]["run"] for firing in project.triggers["after"].history} == set(counted.values())


def test_servers_that_are_killed_lose_no_file_and_start_no_run_twice(root):
    project = ps.open(root)
    moments = (
        lambda number: True,  # the file has just come
        lambda number: len(project.metadata.find(Firing, trigger="arrivals")) > number,  # its firing is recorded
        lambda number: len(project.metadata.find(Lease, key=places)) > 0,  # its run is being started
        lambda number: len(project.runs(pipeline="counting")) > 0,  # and has begun
    )
    places = [f"trigger:arrivals:{number}" for number in range(2)]
    for number, moment in enumerate(moments):
        watcher = spawn(root, "trigger", "run")
        (root / "in" / f"{number}.txt").write_text(str(number))
        until(partial(moment, number))
        stop(watcher, signal.SIGKILL)

    def started() -> bool:
        firings = project.metadata.find(Firing, trigger="arrivals")
        return len(firings) == len(moments) and all(firing.state == "started" for firing in firings)

    # Those that died claimed what they claimed a while ago, as this one's clock says.
    ahead = replace(project.triggers.services, clock=lambda: time.time() + TAKE_OVER_SECONDS)
    with Monitor(ahead) as last:
        last.start()
        until(started)
        until(lambda: all(run.state == "succeeded" for run in project.runs(pipeline="counting")))
    runs = project.runs(pipeline="counting")
    assert sorted(run.params["source"] for run in runs) == [f"in/{number}.txt" for number in range(len(moments))]


def test_what_the_command_line_says_of_triggers(root):
    def penstock(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["-C", str(root), "trigger", *arguments])

    listed = json.loads(penstock("list", "--json").stdout)
    assert [(each["name"], each["paused"]) for each in listed] == [
        ("arrivals", False), ("orders", False), ("after", False),
    ]  # fmt: skip
    assert penstock("pause", "orders", "--reason", "holidays").exit_code == 0
    assert "paused" in penstock("list").stdout
    fired = json.loads(penstock("fire", "orders", "-d", "item=bell", "--json").stdout)
    assert ps.open(root).get_run(fired["run"]).wait(60).state == "succeeded"
    (recorded,) = json.loads(penstock("history", "orders", "--json").stdout)
    assert (recorded["run"], recorded["event"]["data"]) == (fired["run"], {"item": "bell"})
    assert fired["run"] in penstock("history", "orders").stdout
    assert penstock("resume", "orders").exit_code == 0
    assert "in/**/*.txt" in penstock("show", "arrivals").stdout
    refused = penstock("fire", "orders", "-d", "itm=bell")
    assert (refused.exit_code, "no value named 'item'" in refused.stderr) == (1, True)
    assert "Did you mean 'orders'" in penstock("show", "order").stderr
