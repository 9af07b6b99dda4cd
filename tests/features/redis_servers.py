"""Real Redis servers with options of their own, for a test each."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def everything_in(address: str) -> dict[str, bytes]:
    """Return all that a server holds, by key."""
    import redis

    with redis.Redis.from_url(address) as client:
        found = {}
        for key in client.scan_iter():
            match client.type(key):
                case b"string":
                    found[repr(key)] = client.get(key)
                case b"hash":
                    found[repr(key)] = repr(client.hgetall(key)).encode()
                case b"zset":
                    found[repr(key)] = repr(client.zrange(key, 0, -1)).encode()
                case kind:
                    raise AssertionError(f"{key} is a {kind}")
        return found


@contextmanager
def redis_at(port: int, *options: str, address: str = "") -> Iterator[None]:
    """Run a server until the block ends; `address` is how it is reached, where that takes more than the port."""
    redis = pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        if "PENSTOCK_TEST_SERVERS" in os.environ:
            pytest.fail("Redis is not here; `make servers` installs it")
        pytest.skip("Redis is not here; `make servers` installs it")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options]
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis.from_url(address or f"redis://127.0.0.1:{port}", retry=retry) as client:
                client.ping()
            yield
        finally:
            process.terminate()
