"""LightGBM's text form of a model, read into trees that are plain values: for those who write them in another form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.errors import CorruptArtifactError

_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT = 1, 2, 2
_MISSING: tuple[Literal["none", "zero", "nan"], ...] = ("none", "zero", "nan")


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a path: what it adds to the sum."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Left where the number of the column is at most `threshold`. A missing one (NaN) goes left or right as
    `left_if_missing` says; where that is None it counts as 0."""

    column: int
    threshold: float
    left_if_missing: bool | None
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Left where the column holds one of these category indices, right for others and for a missing one."""

    column: int
    categories: frozenset[int]
    left: Tree
    right: Tree


Tree: TypeAlias = Leaf | Threshold | Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """All trees. Output k is the sum of trees k, k + outputs, ... in that order, or their mean if `averaged`."""

    trees: tuple[Tree, ...]
    outputs: int
    averaged: bool

    def of(self, output: int) -> tuple[Tree, ...]:
        """Return the trees of one output, in the order in which they are added."""
        return self.trees[output :: self.outputs]


def read_forest(content: bytes) -> Forest:
    """Return the trees of a model's text; raises `CorruptArtifactError` where it is not as LightGBM writes it."""
    header, *parts = content.decode().partition("\nend of trees")[0].split("\nTree=")
    facts = _pairs(header)
    try:
        trees = tuple(_tree(_pairs(part)) for part in parts)
        outputs = int(facts["num_tree_per_iteration"])
    except (KeyError, ValueError, IndexError) as error:
        raise CorruptArtifactError(f"the text of the trees is not as LightGBM writes it: {error!r}") from error
    return Forest(trees=trees, outputs=outputs, averaged="average_output" in header.splitlines())


def splits(tree: Tree) -> Iterator[Threshold | Membership]:
    """Yield every split of a tree, from the root down."""
    if not isinstance(tree, Leaf):
        yield tree
        yield from splits(tree.left)
        yield from splits(tree.right)


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _tree(facts: Mapping[str, str]) -> Tree:
    values = list(map(float, facts["leaf_value"].split()))
    if int(facts["num_leaves"]) == 1:
        return Leaf(values[0])
    columns, lefts, rights, kinds = (
        list(map(int, facts[name].split())) for name in ("split_feature", "left_child", "right_child", "decision_type")
    )
    thresholds = list(map(float, facts["threshold"].split()))
    starts, words = (list(map(int, facts.get(name, "").split())) for name in ("cat_boundaries", "cat_threshold"))

    def build(node: int) -> Tree:
        if node < 0:
            return Leaf(values[~node])
        left, right, kind = build(lefts[node]), build(rights[node]), kinds[node]
        if kind & _CATEGORICAL:
            at = int(thresholds[node])
            return Membership(
                column=columns[node], categories=_members(words[starts[at] : starts[at + 1]]), left=left, right=right
            )
        missing = _MISSING[kind >> _MISSING_SHIFT]
        if missing == "zero":
            raise ValueError("zeros count as missing")
        return Threshold(
            column=columns[node],
            threshold=thresholds[node],
            left_if_missing=bool(kind & _DEFAULT_LEFT) if missing == "nan" else None,
            left=left,
            right=right,
        )

    return build(0)


def _members(words: list[int]) -> frozenset[int]:
    """Return the numbers whose bits are set in a row of 32-bit words."""
    return frozenset(32 * place + bit for place, word in enumerate(words) for bit in range(32) if word >> bit & 1)
