"""How a model graph is read: the expressions that its estimator reads, its classes, what it gives."""

from __future__ import annotations

from typing import Any

from penstock.core.expression import Expr, transform
from penstock.core.graph import ModelGraph, Node
from penstock.core.schema import Field, Schema
from penstock.operations import col


def only_transforms(graph: ModelGraph) -> bool:
    """Tell whether the graph ends with its expressions: it has no estimator, and its outputs are expressions."""
    return not any(graph.of(op) for op in ("estimator", "onnx", "route"))


def is_imported(graph: ModelGraph) -> bool:
    """Tell whether a graph is a file that came from elsewhere."""
    return bool(graph.of("onnx"))


def estimator(graph: ModelGraph) -> Node:
    """Return the node that predicts."""
    return graph.of("estimator")[0]


def concat(graph: ModelGraph) -> Node:
    """Return the node that gathers what enters the estimator."""
    return graph.of("concat")[0]


def classes(graph: ModelGraph) -> tuple[Any, ...]:
    """Return the labels that a classifier tells apart, in their order; every other graph has none."""
    return () if is_multilabel(graph) else _known(graph)


def several_classes(graph: ModelGraph) -> tuple[Any, ...]:
    """Return the classes of which any number may hold in a row, in their order; of other graphs none."""
    return _known(graph) if is_multilabel(graph) else ()


def is_multilabel(graph: ModelGraph) -> bool:
    """Tell whether the graph predicts arrays of classes."""
    return any(node.params.get("task") == "multilabel" for node in graph.of("estimator"))


def _known(graph: ModelGraph) -> tuple[Any, ...]:
    ends = (*graph.of("estimator"), *graph.of("route"))
    return tuple(ends[0].params["classes"]) if ends else ()


def inputs(graph: ModelGraph) -> Schema:
    """Return the columns that expressions read, as a row or batch may bring them: any of them NULL, whatever training
    saw. They are the raw ones, and the features that are looked up; not what features alone are looked up by."""
    features = graph.of("feature")
    read = {name for node in graph.nodes if node.op != "feature" for name in node.inputs}
    raw = (field for field in graph.signature.inputs if not features or field.name in read)
    return Schema(
        (
            *(Field(field.name, field.type) for field in raw),
            *(Field(node.name, node.params["type"]) for node in features),
        )
    )


def entering(graph: ModelGraph) -> dict[str, Expr]:
    """Return what is computed of a row, each over raw inputs alone: the expressions that enter the estimator by their
    nodes' names, or, where there is none, the outputs by their columns' names."""
    known = expressions(graph)
    if only_transforms(graph):
        return {node.params["column"]: known[node.inputs[0]] for node in graph.of("output")}
    return {name: known[name] for name in entering_names(graph)}


def entering_names(graph: ModelGraph) -> tuple[str, ...]:
    """Return the nodes whose values enter the estimator, or its encoders, in the order of the concat's inputs."""
    read = {node.name: node.inputs[0] for node in graph.of("encoder")}
    return tuple(read.get(name, name) for name in concat(graph).inputs)


def expressions(graph: ModelGraph) -> dict[str, Expr]:
    """Return every input, feature and expression node as an expression over inputs and features alone."""
    known: dict[str, Expr] = {node.name: col(node.name) for op in ("input", "feature") for node in graph.of(op)}
    for node in graph.of("expression"):
        known[node.name] = transform(
            node.params["expr"], lambda expr: known[expr.args[0]] if expr.op == "column" else expr
        )
    return known
