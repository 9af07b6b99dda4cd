"""What a user reads when a worker died."""

from __future__ import annotations

import signal

import pytest

from penstock.engines.deaths import explanation
from penstock.engines.messages import Cause, Ended


def death(exit_code: int, cause: Cause = "") -> str:
    ended = Ended(task="t", outcome=b"", exit_code=exit_code, cause=cause, started=0.0, peak_memory_bytes=3_200_000_000)
    return explanation(ended, timeout_seconds=600)


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


def test_a_timeout_says_how_long_it_was():
    assert "600 s" in death(-signal.SIGKILL, "timeout")
