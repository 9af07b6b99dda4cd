"""Triggers of a server's project, through the client; the server is in process, and answers by its own application."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

import penstock as ps
from penstock.serving.application import application

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))
from serving_fakes import FakeProject, Multiply


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[ps.RemoteProject]:
    project = FakeProject(tmp_path)

    @ps.pipeline
    def rides(source: str = "x", depth: int = 6) -> None:
        """Ride."""

    project.pipelines["rides"] = rides
    server = uvicorn.Server(uvicorn.Config(application(project, Multiply), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    opened = ps.open(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    yield opened
    opened.server.close()
    server.should_exit = True
    thread.join()
    project.metadata.close()


def test_a_trigger_is_added_changed_paused_and_forgotten(remote):
    when = ps.event("com.shop.order", filter={"country": "CH"})
    added = remote.on(when, "rides", params={"source": ps.event_data("path"), "depth": 4}, name="orders")
    assert (added.record.kind, added.record.pipeline, added.paused) == ("event", "rides", False)
    assert added.record.params == {"source": {"$event": ["path"], "default": []}, "depth": 4}
    assert list(remote.triggers) == ["orders"]
    added.pause("a holiday")
    assert remote.triggers["orders"].paused
    added.resume()
    assert not added.paused
    again = remote.on(ps.every("1d"), "rides", name="orders")
    assert again.next is not None
    again.remove()
    assert len(remote.triggers) == 0


@pytest.mark.parametrize(
    "when",
    [
        ps.every("90s", catch_up="all"),
        ps.cron("30 2 * * *", zone="Europe/Berlin", catch_up="none"),
        ps.new_file("in/*.parquet", debounce="5s", batch=True, existing=False),
        ps.event("a.*", source="s", filter={"x": 1}),
        ps.new_artifact("bicycle"),
        ps.run_finished("rides", state="any"),
    ],
    ids=lambda when: when.kind,
)
def test_every_kind_of_trigger_arrives_as_it_was_written(remote, when):
    assert remote.on(when, "rides").record.spec == dict(when.spec)


def test_what_is_wrong_with_a_trigger_is_said_by_the_server(remote):
    with pytest.raises(ps.errors.UnknownNameError, match=r"no pipeline named 'ridse'.*Did you mean 'rides'"):
        remote.on(ps.every("1d"), "ridse")
    with pytest.raises(ps.errors.UnknownNameError, match="no parameter named 'dept'"):
        remote.on(ps.every("1d"), "rides", params={"dept": 1})
    with pytest.raises(ps.errors.UnknownNameError, match="no trigger named 'orders'"):
        remote.triggers["orders"]
