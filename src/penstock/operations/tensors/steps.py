"""Step functions: how many of ascending points a number has reached, found in as few comparisons as a tree needs."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.operations.tensors.recording import Constant, Recorder

_LESS = 1  # BRANCH_LT


def places(t: Recorder, x: str, points: Sequence[float]) -> str:
    """Return how many of the points are at most x, a float; all of them for NaN."""
    return t.to("int64", steps(t, x, points, [float(place) for place in range(len(points) + 1)]))


def steps(t: Recorder, x: str, points: Sequence[float], values: Sequence[float]) -> str:
    """Return the value of the step that x is on: the first before the first point.

    It is a balanced tree: ONNX has an operator for trees, in double precision, and none that searches.
    """
    if not points:
        return t.node("Add", t.node("Mul", t.to("float64", t.node("IsNaN", x)), t.number(0.0)), t.number(values[0]))
    splits: list[float] = []
    branches: list[list[int]] = [[], [], [], []]  # true: node, whether a leaf; false: node, whether a leaf

    def grown(low: int, high: int) -> int:
        middle = (low + high) // 2
        at = len(splits)
        splits.append(points[middle])
        for branch in branches:
            branch.append(0)
        for side, (first, last) in enumerate(((low, middle), (middle + 1, high))):
            leaf = first == last
            branches[2 * side][at] = first if leaf else grown(first, last)
            branches[2 * side + 1][at] = int(leaf)
        return at

    grown(0, len(points))
    count = len(splits)
    found = t.learned(
        "TreeEnsemble",
        t.node("Unsqueeze", x, t.tensor("int64", [1])),
        n_targets=1,
        aggregate_function=1,
        post_transform=0,
        tree_roots=[0],
        nodes_featureids=[0] * count,
        nodes_modes=Constant("uint8", (_LESS,) * count, (count,)),
        nodes_splits=Constant("float64", tuple(splits), (count,)),
        nodes_truenodeids=branches[0],
        nodes_trueleafs=branches[1],
        nodes_falsenodeids=branches[2],
        nodes_falseleafs=branches[3],
        leaf_targetids=[0] * len(values),
        leaf_weights=Constant("float64", tuple(values), (len(values),)),
    )
    return t.node("Squeeze", found, t.tensor("int64", [1]))
