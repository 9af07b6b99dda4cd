"""A lineage as OpenLineage events, for catalogs and lineage tools that read them (https://openlineage.io, 2-0-2)."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from penstock.artifacts.lineage import Lineage, Node

_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_PRODUCER = "urn:penstock"
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, _PRODUCER)
_TYPES = {"failed": "FAIL", "cancelled": "ABORT", "running": "RUNNING", "waiting": "START"}


def openlineage_events(found: Lineage, *, namespace: str) -> list[dict[str, Any]]:
    """Return one run event for each step of a lineage: a job is a step of a pipeline, a dataset an artifact (named by
    its digest) or a source. Ids are made of ours, so that the same lineage gives the same events."""
    return [_event(found, step, namespace) for step in found.of_kind("step")]


def _event(found: Lineage, step: Node, namespace: str) -> dict[str, Any]:
    facts = step.facts
    ended = datetime.datetime.fromtimestamp(facts["ended"] or facts["started"] or 0.0, datetime.UTC)
    return {
        "eventType": _TYPES.get(facts["state"], "COMPLETE"),
        "eventTime": ended.isoformat(),
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
        "run": {"runId": str(uuid.uuid5(_IDS, step.id))},
        "job": {"namespace": namespace, "name": f"{facts['pipeline']}.{step.label}"},
        "inputs": [_dataset(node, namespace) for _, node in found.above(step.id)],
        "outputs": [_dataset(node, namespace) for _, node in found.below(step.id)],
    }


def _dataset(node: Node, namespace: str) -> dict[str, Any]:
    if node.kind == "source":
        return {"namespace": namespace, "name": node.label}
    return {"namespace": namespace, "name": node.id.removeprefix("artifact:")}
