"""LightGBM's trees as tensors: thresholds, leaves and sums in double precision, sets of categories as sets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.models.learning.boosters import MODEL_FILE
from penstock.models.learning.learner import EnteringTensor, Estimator
from penstock.models.learning.lowerings.entering import index, matrix, number, spread
from penstock.models.learning.lowerings.linear import probabilities
from penstock.models.learning.tree_text import Forest, Leaf, Membership, Threshold, Tree, read_forest
from penstock.operations.tensors import Constant, Recorder

_AT_MOST, _MEMBER = 0, 6  # BRANCH_LEQ, BRANCH_MEMBER


def lower_trees(t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
    """Return the value, or the probability of each class."""
    forest = read_forest(estimator.files[MODEL_FILE])
    constants = [
        math.fsum(tree.value for tree in forest.of(at) if isinstance(tree, Leaf)) for at in range(forest.outputs)
    ]
    sums = _sums(t, forest, _matrix(t, columns), columns[0].rows)
    totals = t.node("Add", sums, t.tensor("float64", constants, (1, forest.outputs)))
    if forest.averaged:
        totals = t.node("Div", totals, t.number(float(len(forest.trees) // forest.outputs)))
    return probabilities(t, totals, estimator.classes) if estimator.classes else totals


def _matrix(t: Recorder, columns: Sequence[EnteringTensor]) -> str:
    """Return the matrix that the trees read: lists spread out, categories by their index."""
    plain = {
        place: t.to("float64", index(t, column)) if column.kind == "category" else number(t, column)
        for place, column in enumerate(columns)
        if column.kind != "sparse"
    }
    if len(plain) == len(columns):
        return matrix(t, list(plain.values()))
    parts = [matrix(t, [plain[place]]) if place in plain else spread(t, column) for place, column in enumerate(columns)]
    return parts[0] if len(parts) == 1 else t.node("Concat", *parts, axis=1)


def _sums(t: Recorder, forest: Forest, given: str, rows: str) -> str:
    """Return the sum of the trees of each output, without those that are a single leaf."""
    arrays = _Arrays()
    for at, tree in enumerate(forest.trees):
        if not isinstance(tree, Leaf):
            arrays.roots.append(arrays.split(tree, at % forest.outputs))
    if not arrays.roots:
        return t.node("Expand", t.number(0.0), t.node("Concat", rows, t.tensor("int64", [1]), axis=0))
    count, leaves = len(arrays.splits), len(arrays.leaves)
    members = Constant("float64", tuple(arrays.members), (len(arrays.members),))
    sets = {"membership_values": members} if arrays.members else {}
    return t.learned(
        "TreeEnsemble",
        given,
        n_targets=forest.outputs,
        aggregate_function=1,
        post_transform=0,
        tree_roots=arrays.roots,
        nodes_featureids=arrays.columns,
        nodes_modes=Constant("uint8", tuple(arrays.modes), (count,)),
        nodes_splits=Constant("float64", tuple(arrays.splits), (count,)),
        nodes_missing_value_tracks_true=arrays.missing,
        nodes_truenodeids=arrays.left,
        nodes_trueleafs=arrays.left_is_leaf,
        nodes_falsenodeids=arrays.right,
        nodes_falseleafs=arrays.right_is_leaf,
        leaf_targetids=arrays.targets,
        leaf_weights=Constant("float64", tuple(arrays.leaves), (leaves,)),
        **sets,
    )


class _Arrays:
    """The nodes and leaves of all trees, as ONNX lists them: a node before what is below it."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.columns: list[int] = []
        self.modes: list[int] = []
        self.splits: list[float] = []
        self.missing: list[int] = []
        self.left: list[int] = []
        self.left_is_leaf: list[int] = []
        self.right: list[int] = []
        self.right_is_leaf: list[int] = []
        self.members: list[float] = []
        self.targets: list[int] = []
        self.leaves: list[float] = []

    def split(self, tree: Threshold | Membership, target: int) -> int:
        """Add a split and all below it; return its place."""
        at = len(self.splits)
        self.columns.append(tree.column)
        if isinstance(tree, Membership):
            self.modes.append(_MEMBER)
            self.splits.append(0.0)
            self.missing.append(0)
            self.members += [*map(float, sorted(tree.categories)), math.nan]  # NaN ends a set
        else:
            self.modes.append(_AT_MOST)
            self.splits.append(tree.threshold)
            missing = tree.threshold >= 0.0 if tree.left_if_missing is None else tree.left_if_missing
            self.missing.append(int(missing))
        for below in (self.left, self.left_is_leaf, self.right, self.right_is_leaf):
            below.append(0)
        self.left[at], self.left_is_leaf[at] = self._below(tree.left, target)
        self.right[at], self.right_is_leaf[at] = self._below(tree.right, target)
        return at

    def _below(self, tree: Tree, target: int) -> tuple[int, int]:
        if not isinstance(tree, Leaf):
            return self.split(tree, target), 0
        self.leaves.append(tree.value)
        self.targets.append(target)
        return len(self.leaves) - 1, 1
