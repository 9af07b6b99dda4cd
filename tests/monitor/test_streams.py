"""A real Redis stream: read by several servers, acknowledged once recorded, taken over from those that died."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from trigger_worlds import World

from penstock.monitor import event, on, streams
from penstock.monitor.streams import _parts

EVENT = {"specversion": "1.0", "type": "t", "source": "/s", "data": {"n": 1}}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def redis_at(port: int, password: str = "") -> Iterator[object]:
    redis = pytest.importorskip("redis")
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    command += ["--requirepass", password] if password else []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        with redis.Redis(port=port, decode_responses=True, password=password or None) as client:
            until(lambda: answers(redis, client))
            yield client
        process.terminate()


def answers(redis, client) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@pytest.mark.server
@pytest.mark.parametrize("password", ["", "hush"])
def test_each_entry_is_recorded_once_and_acknowledged(world: World, monkeypatch, caplog, password):
    monkeypatch.setenv("REDISCLI_AUTH", password)
    monkeypatch.setattr(streams, "_TAKE_OVER_MILLISECONDS", 0)
    world.now, port = time.time() - 5, free_port()
    world.declare(on(event("t", stream=f"redis://127.0.0.1:{port}/orders"), "p", max_parallel=99))
    with world.server() as one, world.server() as other:
        one.tick()  # the server of the stream is not there yet
        with redis_at(port, password) as client:
            until(lambda: client.exists("orders") == 1)
            other.tick()
            for number in range(10):
                client.xadd("orders", {"event": json.dumps({**EVENT, "id": str(number)})})
            attributes = {name: value for name, value in EVENT.items() if name != "data"}
            client.xadd("orders", {**attributes, "id": "10", "data": '{"n": 2}'})
            client.xadd("orders", {"event": json.dumps({**EVENT, "id": "3"})})  # once more
            client.xadd("orders", {"event": json.dumps({**EVENT, "id": "11", "type": "other"})})
            client.xadd("orders", {"event": "no event"})
            (group,) = client.xinfo_groups("orders")
            client.xreadgroup(group["name"], "one that dies", {"orders": ">"}, count=3)  # perhaps there is nothing left
            until(lambda: len(world.firings()) == 12)
            until(lambda: client.xpending("orders", group["name"])["pending"] == 0)
            assert client.xinfo_groups("orders")[0]["lag"] == 0
            one.tick(), other.tick()
            one.close(), other.close()
    fired = {firing.occurrence: firing for firing in world.firings()}
    assert {f"/s {number}" for number in range(11)} < set(fired)
    assert fired["/s 10"].event["data"] == {"n": 2}
    (wrong,) = [firing for firing in fired.values() if firing.state == "failed"]
    assert "the entry is no CloudEvent" in wrong.reason
    assert len(world.started) == 11
    assert "cannot be read" in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("address", "server", "name"),
    [
        ("redis://h:6379/orders", "redis://h:6379/", "orders"),
        ("redis://u@h/2/orders", "redis://u@h/2", "orders"),
    ],
)
def test_the_address_of_a_stream_is_a_server_and_a_name(address, server, name):
    assert _parts(address) == (server, name)
