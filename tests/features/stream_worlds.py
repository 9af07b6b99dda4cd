"""A stream that is a list: what a stream must do, in memory, with several sources as Kafka has partitions."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import penstock as ps
from penstock.features import Message
from penstock.features.history.tables import History

EVENTS = ps.feature_set(
    "rides",
    entities={"driver": "int64"},
    timestamp="event",
    features=["fare", "number"],
    columns={"fare": "float64", "number": "int64"},
)


def row(number: int, /, **changed: Any) -> dict[str, Any]:
    return {"driver": number % 7, "event": "2026-11-01T08:00:00Z", "fare": 1, "number": number, **changed}


class ListStream:
    """Messages of several sources, in memory; `empty` is set when everything was read."""

    def __init__(self, sources: Mapping[str, Sequence[bytes]], payload: Any = "json", at_once: int = 1000) -> None:
        self.payload = payload
        self._messages = {
            name: [Message(name, number, {"row": content}) for number, content in enumerate(contents, 1)]
            for name, contents in sources.items()
        }
        self._at_once = at_once
        self.told: list[dict[str, int]] = []
        self.empty = threading.Event()

    def sources(self) -> Sequence[str]:
        return list(self._messages)

    def read(self, after: Mapping[str, int], *, most: int, seconds: float) -> Sequence[Message]:
        found = [message for name, all_ in self._messages.items() for message in all_[after.get(name, 0) :]]
        if not found:
            self.empty.set()
            threading.Event().wait(min(seconds, 0.01))
        return found[: min(most, self._at_once)]

    def stored(self, upto: Mapping[str, int]) -> None:
        self.told.append(dict(upto))

    def close(self) -> None:
        pass


def stream_of(*contents: Any, **options: Any) -> ListStream:
    """A stream of one source; what is no bytes is written as JSON."""
    made = [content if isinstance(content, bytes) else json.dumps(content).encode() for content in contents]
    return ListStream({"s": made}, **options)


def numbers_in(project: ps.Project) -> list[int]:
    history = History(f"{project.root}/.penstock/history/rides")
    return [] if history.version() is None else history.read(["number"]).column("number").to_pylist()
