"""The component that asks a person: approve."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from blake3 import blake3

from penstock.components.blessing import Blessing
from penstock.components.pushing import why_not, wired
from penstock.core.artifact import Artifact
from penstock.core.units import seconds
from penstock.pipelines import decline, step, wait_for


@step(modes={"train"}, ignore=["blessings", "timeout"])
def approve(
    graph: Artifact,
    *,
    message: str = "",
    blessings: dict[str, Any] | list[Any] | tuple[Any, ...] | None = (),
    timeout: float | str | None = None,
) -> Blessing:
    """Ask a person whether something may be used, and wait: the run ends in the state `waiting`, without any process.

        approval = ps.approve(graph, message="the new flights model", blessings=[blessing, infra], timeout="2d")
        ps.push(graph, name="flights", blessings=[blessing, infra, approval])

    `penstock approve RUN` (in Python `run.steps["approve"].approve(reason=...)`, or `POST
    /v1/runs/{id}/steps/{step}:approve`) lets the run go on; `penstock reject RUN` has it failed; who, when and why is
    recorded. Nobody is asked where one of `blessings` is not given. After `timeout` without a decision the run has
    failed; another decision in the same run does not begin that time anew. What was approved once is not asked again.
    `graph` may be anything that a step gives; `ps.approve.map(graphs)` asks about each of a list: `approve[0]`, ...
    """
    given, (digest, kind, name) = wired(blessings), _asked_about(graph)
    if why := why_not(given, digest, name):
        decline(f"nobody is asked: {why}")
    now = time.time()
    expires = None if timeout is None else now + seconds(timeout, "timeout of approve")
    what = message or f"may {kind} {digest[:12]} be used?"
    told = [check["why"] for each in given for check in each["checks"]]
    print(f"waits for a person: {what}", *told, sep="\n")
    request = {"message": message, "graph": digest, "kind": kind, "asked": now, "checks": told}
    return wait_for(f"waits for a person: {what}", request, expires=expires)


def _asked_about(thing: Any) -> tuple[str, str, str]:
    """Return digest, kind and name; a plain value (an item of a list, a part of a result) is no artifact by itself."""
    if isinstance(thing, Artifact):
        return thing.digest, thing.kind, str(thing.facts.get("name", thing.kind))
    return blake3(msgspec.json.encode(thing, order="deterministic")).hexdigest(), "value", repr(thing)[:80]
