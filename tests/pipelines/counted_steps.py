"""Steps that say when they are called, and fail as often as they are told to; a pipeline of them."""

from __future__ import annotations

from typing import Any

from penstock.pipelines import pipeline, step

CALLS: list[str] = []


FAIL: dict[str, int] = {}  # step -> how often it fails yet


def called(name: str) -> None:
    CALLS.append(name)
    if FAIL.get(name, 0) > 0:
        FAIL[name] -= 1
        raise ValueError(f"{name} broke")


@step(ignore=["CALLS", "FAIL"])
def number(x: int = 1) -> int:
    called("number")
    return x


@step(ignore=["CALLS", "FAIL"])
def sign(x: int) -> int:
    called("sign")
    return (x > 0) - (x < 0)


@step(ignore=["CALLS", "FAIL"])
def report(x: int, depth: int = 6) -> dict[str, Any]:
    called("report")
    return {"mae": x * depth, "best": {"depth": 3}}


@step(ignore=["CALLS", "FAIL"])
def push(report: dict[str, Any], name: str = "m") -> None:
    called("push")


@pipeline
def chain(x: int = 1, depth: int = 6, limit: int = 100) -> None:
    made = report(sign(number(x)), depth)
    push(made, when=made["mae"] < limit)
