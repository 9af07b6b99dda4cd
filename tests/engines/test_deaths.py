"""What a user reads when a worker died."""

from __future__ import annotations

import signal

import pytest

from penstock.engines.deaths import explanation
from penstock.engines.machine import Share
from penstock.engines.messages import Cause, Ended, Start

START = Start(
    task="t",
    payload=b"",
    entry="",
    log="",
    import_path=(),
    directory="",
    environment={},
    share=Share(memory_bytes=2_000_000_000),
    cpus=None,
    timeout_seconds=600,
    heartbeat_seconds=120,
)


def death(exit_code: int, cause: Cause = "") -> str:
    ended = Ended(task="t", outcome=b"", exit_code=exit_code, cause=cause, started=0.0, peak_memory_bytes=3_200_000_000)
    return explanation(ended, START)


@pytest.mark.parametrize(
    ("exit_code", "parts"),
    [
        (-signal.SIGKILL, ["SIGKILL", "3,200 MB", "memory runs out", "fewer rows"]),
        (-signal.SIGSEGV, ["SIGSEGV", "native library", "step's log"]),
        (-signal.SIGABRT, ["SIGABRT", "native library"]),
        (-signal.SIGTERM, ["SIGTERM", "Somebody"]),
        (7, ["exit code 7", "os._exit"]),
    ],
)
def test_a_death_is_named_with_its_likely_cause(exit_code: int, parts: list[str]):
    for part in parts:
        assert part in death(exit_code)


@pytest.mark.parametrize(
    ("cause", "parts"),
    [
        ("timeout", ["600 s", "timeout=", "the step's log"]),
        ("hung", ["hung", "120 s", "heartbeat=", "the step's log"]),
        ("memory", ["3,200 MB", "2,000 MB", "memory="]),
        ("out of memory", ["out of memory", "kernel", "3,200 MB", "memory="]),
    ],
)
def test_a_worker_that_was_stopped_is_told_why_and_what_to_change(cause: Cause, parts: list[str]):
    for part in parts:
        assert part in death(-signal.SIGKILL, cause)
