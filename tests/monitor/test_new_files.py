"""`new_file`: each file once for its content, when it has stopped changing; batches; restarts; several servers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from trigger_worlds import World

from penstock.errors import DeclarationError
from penstock.monitor import Monitor, event_data, new_file, on
from penstock.monitor.files import watched_folder
from penstock.monitor.watched import RESCAN_SECONDS


@pytest.fixture
def folder(world: World) -> Path:
    (world.root / "in").mkdir()
    return world.root / "in"


def settle(world: World, *servers: Monitor) -> None:
    """Let every server look, and again when what it saw has settled."""
    for seconds in (RESCAN_SECONDS, 2.0):
        world.now += seconds
        for server in servers:
            server.tick()


def paths(world: World) -> list[str]:
    return [firing.event["data"]["path"] for firing in world.firings() if firing.event]


def test_a_file_fires_once_when_it_has_stopped_changing(world: World, folder: Path):
    world.declare(on(new_file("in/*.csv"), "p", params={"source": event_data("path")}))
    with world.server() as server:
        server.tick()
        (folder / "a.csv").write_text("1")
        (folder / "a.csv.part").write_text("1")
        world.now += RESCAN_SECONDS
        server.tick()
        world.now += 1.0
        (folder / "a.csv").write_text("1,2")  # it grows
        assert server.tick() == pytest.approx(1.0)
        world.now += 1.0
        server.tick()  # the debounce of the first look is over, and it has changed
        assert world.firings() == []
        world.now += 2.0
        server.tick()
        settle(world, server)
    assert paths(world) == ["in/a.csv"]
    assert world.params[world.started[0]] == {"source": "in/a.csv"}
    assert world.firings()[0].event["data"]["size_bytes"] == 3


def test_several_servers_and_restarts_fire_once_for_each_file(world: World, folder: Path):
    world.declare(on(new_file("in/**/*.csv"), "p", max_parallel=99))
    (folder / "sub" / "deep").mkdir(parents=True)
    with world.server() as one, world.server() as other:
        for number in range(5):
            (folder / "sub" / f"{number}.csv").write_text(str(number))
        settle(world, one, other)
        (folder / "sub" / "deep" / "5.csv").write_text("5")
        settle(world, other, one)
    (folder / "6.csv").write_text("came while no server was there")
    with world.server() as restarted:
        settle(world, restarted)
        settle(world, restarted)
    assert sorted(paths(world)) == ["in/6.csv", *(f"in/sub/{n}.csv" for n in range(5)), "in/sub/deep/5.csv"]
    assert len(world.started) == 7


def test_the_same_content_is_not_new_and_other_content_is(world: World, folder: Path):
    world.declare(on(new_file("in/*.csv"), "p", max_parallel=99))
    with world.server() as server:
        (folder / "a.csv").write_text("one")
        settle(world, server)
        os.utime(folder / "a.csv", (1, 1))  # touched
        settle(world, server)
        shutil.move(folder / "a.csv", world.root / "away.csv")
        settle(world, server)
        shutil.move(world.root / "away.csv", folder / "a.csv")  # and back
        settle(world, server)
        assert len(world.firings()) == 1
        (folder / "a.csv").write_text("two")
        settle(world, server)
    with world.server() as restarted:
        settle(world, restarted)
    assert paths(world) == ["in/a.csv", "in/a.csv"]


def test_files_moved_in_with_old_times_fire(world: World, folder: Path):
    (world.root / "old.csv").write_text("old")
    os.utime(world.root / "old.csv", (1, 1))
    world.now = (world.root / "old.csv").stat().st_ctime - 1
    world.declare(on(new_file("in/*.csv", existing=False), "p"))
    with world.server() as server:
        (world.root / "old.csv").rename(folder / "old.csv")
        settle(world, server)
    assert paths(world) == ["in/old.csv"]


@pytest.mark.parametrize(("existing", "fired"), [(True, 1), (False, 0)])
def test_files_that_were_there_before_the_trigger(world: World, folder: Path, existing: bool, fired: int):
    (folder / "a.csv").write_text("1")
    world.now = (folder / "a.csv").stat().st_ctime + 60
    world.declare(on(new_file("in/*.csv", existing=existing), "p"))
    with world.server() as server:
        settle(world, server)
    assert len(world.firings()) == fired


def test_a_batch_has_one_run_for_all_files_that_came_together(world: World, folder: Path):
    world.declare(on(new_file("in/*.csv", batch=True), "p", params={"sources": event_data("paths")}, max_parallel=9))
    with world.server() as one, world.server() as other:
        for name in "abc":
            (folder / f"{name}.csv").write_text(name)
        world.now += RESCAN_SECONDS
        one.tick(), other.tick()
        world.now += 1.5
        (folder / "d.csv").write_text("d")
        world.now += RESCAN_SECONDS  # a, b and c have settled, d has just come: they wait for it
        one.tick()
        assert world.started == []
        world.now += 2.0
        one.tick()
        other.tick(), settle(world, other, one)
        assert world.params[world.started[0]] == {"sources": [f"in/{name}.csv" for name in "abcd"]}
        (folder / "e.csv").write_text("e")
        settle(world, other, one)
    with world.server() as restarted:
        settle(world, restarted)
    assert [world.params[run]["sources"] for run in world.started[1:]] == [["in/e.csv"]]
    gathered = [firing for firing in world.firings() if firing.state == "gathered"]
    assert [firing.run for firing in gathered] == [world.started[0]] * 4 + [world.started[1]]


def test_two_servers_that_see_different_bursts_take_no_file_twice(world: World, folder: Path):
    world.declare(on(new_file("in/*.csv", batch=True), "p", params={"sources": event_data("paths")}, max_parallel=9))
    with world.server() as one, world.server() as other:
        (folder / "a.csv").write_text("a")
        world.now += RESCAN_SECONDS
        one.tick(), other.tick()
        world.now += 2.0
        one.tick()  # takes a
        (folder / "b.csv").write_text("b")
        world.now += RESCAN_SECONDS
        other.tick()
        world.now += 2.0
        other.tick(), other.tick(), settle(world, other, one)
    assert [world.params[run]["sources"] for run in world.started] == [["in/a.csv"], ["in/b.csv"]]


def test_a_file_that_cannot_be_read_is_tried_again(world: World, folder: Path, monkeypatch, caplog):
    world.declare(on(new_file("in/*.csv"), "p"))
    (folder / "a.csv").write_text("1")

    def refuse(*_):
        raise PermissionError("not yours")

    with world.server() as server:
        with monkeypatch.context() as patch:
            patch.setattr("penstock.monitor.files._digest", refuse)
            settle(world, server)
        assert "in/a.csv is new, but cannot be read: not yours" in caplog.text
        settle(world, server)
    assert paths(world) == ["in/a.csv"]


def test_the_folder_to_watch_is_the_pattern_without_wildcards():
    assert [watched_folder(each) for each in ("in/*.csv", "in/sub/**/x.csv", "*.csv", "in/a?/b.csv")] == [
        "in", "in/sub", ".", "in",
    ]  # fmt: skip


@pytest.mark.parametrize("pattern", ["", "/etc/*.conf", "../x", "in/../../x"])
def test_patterns_lie_below_the_project(pattern: str):
    with pytest.raises(DeclarationError, match="below the project's root"):
        new_file(pattern)
