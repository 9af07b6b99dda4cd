"""The nodes of a model graph, put together from what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.core.expression import Expr, columns_of
from penstock.core.graph import Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.models.fitting.preparation import Prepared
from penstock.models.graph import ModelGraph
from penstock.models.graphs.heads import Head, heads_json
from penstock.models.learning.learner import Task
from penstock.models.learning.learners import LEARNERS
from penstock.operations import col, type_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a graph predicts: by which task, of which classes or labels, into which columns; the files are the
    estimator's."""

    task: Task
    outputs: Schema
    classes: tuple[Any, ...] = ()
    heads: tuple[Head, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def assemble(model: Model, prepared: Prepared, made: Made, *, facts: Mapping[str, Any]) -> ModelGraph:
    """Return the graph: inputs, features, what enters the estimator, the estimator, and what it predicts.

    Without anything that enters an estimator there is none, and the outputs are the features.
    """
    inputs = [
        Node(name=each.name, op="input", params=FrozenMap({"type": each.type, "nullable": each.nullable}))
        for each in prepared.inputs
    ]
    expressions = [*_features(prepared), *_entering(prepared)]
    encoders = _encoders(prepared, {node.name for node in expressions} | {*prepared.inputs.names})
    expressions += encoders.values()
    taken = {node.name for node in expressions} | {*prepared.inputs.names}
    gathered = tuple(encoders[name].name if name in encoders else name for name in prepared.entering)
    params = {"kinds": prepared.kinds, "widths": prepared.widths}
    params |= {"fusion": facts["learner"]["fusion"]} if prepared.branches else {}
    concat = Node(
        name=_free("features", taken | {*made.outputs.names}), op="concat", inputs=gathered, params=FrozenMap(params)
    )
    ends = _estimated(model, concat, made, taken) if gathered else _transformed(prepared, taken)
    return ModelGraph(
        name=model.name,
        label=model.label,
        signature=Signature(prepared.inputs, made.outputs),
        nodes=(*inputs, *expressions, *ends),
        blobs=FrozenMap(sorted(made.files.items())),
        facts=FrozenMap(facts),
    )


def _estimated(model: Model, concat: Node, made: Made, taken: set[str]) -> list[Node]:
    predictor = _free("estimator", taken | {*made.outputs.names})
    task: dict[str, Any] = {} if made.task == LEARNERS[model.type].task else {"task": made.task}
    task |= {"labels": heads_json(made.heads)} if made.heads else {}
    return [
        concat,
        Node(
            name=predictor,
            op="estimator",
            inputs=(concat.name,),
            params=FrozenMap({"learner": model.type, "classes": made.classes, **task}),
        ),
        *(
            Node(name=each.name, op="output", inputs=(predictor,), params=FrozenMap({"type": each.type}))
            for each in made.outputs
        ),
    ]


def _encoders(prepared: Prepared, taken: set[str]) -> dict[str, Node]:
    """Return the nodes of the encoders by the nodes that they read."""
    found: dict[str, Node] = {}
    for name, owner in zip(prepared.entering, prepared.owners, strict=False):
        branch = prepared.branches[owner]
        if branch.encoder is not None:
            settings = {"encoder": branch.encoder, "settings": branch.settings}
            wanted = f"{prepared.names[branch.name]}__{branch.encoder}"
            own = _free(wanted, taken | {node.name for node in found.values()})
            found[name] = Node(name=own, op="encoder", inputs=(name,), params=FrozenMap(settings))
    return found


def _transformed(prepared: Prepared, taken: set[str]) -> list[Node]:
    return [
        Node(
            name=_free(f"{column}__output", taken),
            op="output",
            inputs=(node,),
            params=FrozenMap({"type": prepared.types[node], "column": column}),
        )
        for column, node in prepared.names.items()
    ]


def _features(prepared: Prepared) -> list[Node]:
    return [
        _expression(name, expr, prepared.types[name])
        for name, expr in prepared.features.items()
        if name not in prepared.inputs
    ]


def _entering(prepared: Prepared) -> list[Node]:
    """Return the nodes of the automatic preprocessing; a feature that enters as it is has its node already."""
    schema = Schema(tuple(Field(name, type) for name, type in prepared.types.items()))
    return [
        _expression(name, expr, type_of(expr, schema)) for name, expr in prepared.entering.items() if expr != col(name)
    ]


def _expression(name: str, expr: Expr, type: str) -> Node:
    return Node(name=name, op="expression", inputs=columns_of(expr), params=FrozenMap({"expr": expr, "type": type}))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
