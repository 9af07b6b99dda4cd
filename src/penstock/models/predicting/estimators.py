"""The estimator of a graph: which learner's it is, and what it gives for many rows."""

from __future__ import annotations

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.learning.learner import Estimator, Method, Task
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.matrix import Features, Floats
from penstock.multimodal.running import GRAPH_FILE


def task_of(graph: ModelGraph) -> Task:
    """Return what the graph's estimator does."""
    if graph.of("route"):
        return "classification" if nodes.classes(graph) else "regression"
    if not graph.of("estimator"):
        return "imported"
    params = nodes.estimator(graph).params
    own: Task = params.get("task", LEARNERS[params["learner"]].task)
    return own


def method_of(graph: ModelGraph) -> Method:
    """Return how the graph's estimator was learned, and estimates."""
    learner = LEARNERS[nodes.estimator(graph).params["learner"]]
    method = learner.branched if is_branched(graph) else learner.method
    assert method is not None  # noqa: S101 - a learner without a method makes no estimator
    return method


def is_branched(graph: ModelGraph) -> bool:
    """Tell whether the graph's estimator is a network of branches: one with encoders, or of several labels."""
    return GRAPH_FILE in graph.blobs


def estimator_of(graph: ModelGraph) -> Estimator:
    """Return the fitted estimator, as its method reads it."""
    params = nodes.concat(graph).params
    return Estimator(
        files=graph.blobs, kinds=params["kinds"], widths=params["widths"], classes=len(nodes.classes(graph))
    )


def estimate(graph: ModelGraph, features: Features) -> Floats:
    """Return the estimator's numbers: a row for each row of the features."""
    return method_of(graph).estimate(estimator_of(graph), features)
