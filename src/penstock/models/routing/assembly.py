"""The graph of a cascade, put together from its stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.core.expression import columns_of
from penstock.core.graph import ModelGraph, Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models.graphs import nodes
from penstock.models.graphs.package import to_files
from penstock.models.routing.routes import ROUTE, Branch, Router, digest_of, router_parts, stage_files


def routed_graph(
    *,
    name: str,
    label: str,
    router: str,
    stages: Mapping[str, ModelGraph],
    branches: Sequence[Branch],
    rows: Schema,
    outputs: Schema,
    classes: Sequence[Any] = (),
    calibration: Mapping[str, Any] | None = None,
    blend: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> ModelGraph:
    """Return a graph that asks the router and hands a row to the stage of the first branch that takes it.

    `stages` has the router among them. `rows` says of what types the columns are that conditions read of the rows;
    `outputs` are the predicted columns, the last of which is the route.
    """
    gives = Router(**router_parts(router, stages[router])).columns
    conditions = [branch.when for branch in branches if branch.when is not None]
    read = [rows[column] for column in columns_of(*conditions) if column not in gives]
    features = {node.name: node for stage in stages.values() for node in stage.of("feature")}
    inputs = _inputs(name, [stage.signature.inputs for stage in stages.values()], read, gives)
    packed = {stage: to_files(graph) for stage, graph in stages.items()}
    made = [
        *(Node(name=f.name, op="input", params=FrozenMap({"type": f.type, "nullable": f.nullable})) for f in inputs),
        *features.values(),
        *(
            Node(
                name=f"stage:{stage}",
                op="stage",
                inputs=tuple(column for column in nodes.inputs(graph).names if column not in gives),
                params=FrozenMap({"stage": stage, "digest": digest_of(packed[stage])}),
            )
            for stage, graph in stages.items()
        ),
        *(_branch(at, branch, gives) for at, branch in enumerate(branches)),
        Node(
            name=ROUTE,
            op=ROUTE,
            inputs=(f"stage:{router}", *(f"branch:{at}" for at in range(len(branches)))),
            params=FrozenMap({"router": router, "calibration": calibration, "blend": blend, "classes": tuple(classes)}),
        ),
        *(
            Node(name=f"output:{field.name}", op="output", inputs=(ROUTE,), params=FrozenMap({"type": field.type}))
            for field in outputs
        ),
    ]
    files = {file: blob for stage in packed for file, blob in stage_files(stage, packed[stage]).items()}
    return ModelGraph(
        name=name,
        label=label,
        signature=Signature(inputs, outputs),
        nodes=tuple(made),
        blobs=FrozenMap(sorted(files.items())),
        facts=FrozenMap(facts or {}),
    )


def _branch(at: int, branch: Branch, gives: Schema) -> Node:
    read = columns_of(branch.when) if branch.when is not None else ()
    parts = {"route": branch.name, "when": branch.when, "stage": branch.stage, "constant": branch.constant}
    return Node(
        name=f"branch:{at}",
        op="branch",
        inputs=tuple(column for column in read if column not in gives),
        params=FrozenMap({**parts, "of": branch.of}),
    )


def _inputs(name: str, of_stages: Iterable[Schema], of_conditions: Iterable[Field], gives: Schema) -> Schema:
    """Return the inputs of all stages and conditions; an input may be absent only where all that read it allow that."""
    found: dict[str, Field] = {}
    for field in (field for fields in (*of_stages, of_conditions) for field in fields if field.name not in gives):
        known = found.setdefault(field.name, field)
        if known.type != field.type:
            raise DataError(
                f"cascade '{name}': its stages read the column '{field.name}' as {known.type} and as {field.type}; "
                "cast it in the rows, so that all of them read one type",
                field=field.name,
            )
        found[field.name] = Field(field.name, field.type, known.nullable and field.nullable)
    return Schema(tuple(found.values()))
