"""The triggers of a project that is served elsewhere: seen by the local views, handled by the server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from penstock import monitor
from penstock.core.trigger import Firing, Trigger
from penstock.errors import UnknownNameError
from penstock.monitor import When
from penstock.project.triggers import TriggerView
from penstock.remote.connection import Server, segment
from penstock.remote.stores import RemoteMetadata


class RemoteTriggers(Mapping[str, TriggerView]):
    """The triggers of a server's project by name."""

    def __init__(self, server: Server, metadata: RemoteMetadata) -> None:
        self.metadata = metadata
        self._server = server

    def __getitem__(self, name: str) -> TriggerView:
        found = self.metadata.get(Trigger, name)
        if found is None:
            raise UnknownNameError("trigger", name, self)
        return TriggerView(found, self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.metadata.get(Trigger, name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([trigger["name"] for trigger in self._server.get("/v1/triggers")["triggers"]])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def on(self, when: When, pipeline: monitor.NamedPipeline | str, **how: Any) -> TriggerView:
        """Run a pipeline of the server's project whenever something happens; as `Triggers.on`."""
        declaration = monitor.on(when, pipeline, **how)
        name = declaration.name or f"{declaration.pipeline}-{declaration.when.kind}"
        trigger = monitor.as_trigger(declaration, name=name, declared="", now=time.time())
        form = {
            "when": {"kind": trigger.kind, **monitor.arguments_of(when)},
            "pipeline": trigger.pipeline,
            "params": trigger.params,
            "experiment": trigger.experiment,
            "mode": trigger.mode,
            "max_parallel": trigger.max_parallel,
            "when_full": trigger.when_full,
        }
        self._server.json("PUT", f"/v1/triggers/{segment(name)}", body=form)
        return self[name]

    def pause(self, trigger: Trigger, reason: str) -> None:
        """Let a trigger start nothing until it is resumed."""
        self._server.post(f"/v1/triggers/{segment(trigger.name)}:pause", {"reason": reason})

    def resume(self, trigger: Trigger) -> None:
        """Let a trigger go on."""
        self._server.post(f"/v1/triggers/{segment(trigger.name)}:resume")

    def fire(self, trigger: Trigger, data: Mapping[str, Any]) -> Firing:
        """Fire a trigger by hand."""
        fired = self._server.post(f"/v1/triggers/{segment(trigger.name)}:fire", {"data": dict(data)})
        return msgspec.convert(fired, Firing)

    def remove(self, trigger: Trigger) -> None:
        """Forget a trigger that `on` added."""
        self._server.json("DELETE", f"/v1/triggers/{segment(trigger.name)}")
