"""The triggers of a project that is served elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from penstock.core.ports import MetadataStore
from penstock.core.trigger import Firing, Trigger
from penstock.errors import ForbiddenError, UnknownNameError
from penstock.project.triggers import TriggerView
from penstock.remote.connection import Server, segment


class RemoteTriggers(Mapping[str, TriggerView]):
    """Triggers by name: seen, fired, paused and resumed from here; declared where the project is."""

    def __init__(self, server: Server, metadata: MetadataStore) -> None:
        self._server, self.metadata = server, metadata

    def __getitem__(self, name: str) -> TriggerView:
        found = self.metadata.get(Trigger, name)
        if found is None:
            raise UnknownNameError("trigger", name, self)
        return TriggerView(found, self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.metadata.get(Trigger, name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([trigger.name for trigger in self.metadata.find(Trigger)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def on(self, *_: Any, **__: Any) -> TriggerView:
        """Refuse: what a server runs by itself is declared in its project."""
        raise ForbiddenError(
            "triggers are declared where the project is, in its modules (nightly = ps.on(...)) or by project.on there"
        )

    def pause(self, trigger: Trigger, reason: str) -> None:
        """Let a trigger start nothing until it is resumed."""
        self._server.post(f"{_path(trigger)}:pause", {"reason": reason})

    def resume(self, trigger: Trigger) -> None:
        """Let a trigger go on."""
        self._server.post(f"{_path(trigger)}:resume")

    def fire(self, trigger: Trigger, data: Mapping[str, Any]) -> Firing:
        """Fire a trigger by hand."""
        return msgspec.convert(self._server.post(f"{_path(trigger)}:fire", {"data": dict(data)}), Firing)

    def remove(self, trigger: Trigger) -> None:
        """Refuse: see `on`."""
        raise ForbiddenError(f"trigger '{trigger.name}' is removed where the project is: penstock trigger remove")


def _path(trigger: Trigger) -> str:
    return f"/v1/triggers/{segment(trigger.name)}"
