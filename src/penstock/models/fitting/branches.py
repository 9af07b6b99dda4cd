"""The branches of a network: each declared feature is one, with what of the entering columns belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.core.expression import Expr
from penstock.errors import DataError
from penstock.models.fitting.modalities import modality_of, with_facts_of_texts
from penstock.models.learning.encoded import Encoded
from penstock.models.learning.matrix import PLAIN, Features
from penstock.models.learning.preprocess import Entry
from penstock.multimodal import Branch, Ragged
from penstock.operations.modules import named_code
from penstock.pipelines.fingerprint import fingerprint


def branches_of(
    nodes: Mapping[str, str],
    declared: Mapping[str, Expr],
    entered: Sequence[Entry],
    frozen: Sequence[Expr],
    features: Features,
) -> tuple[tuple[Branch, ...], tuple[int, ...]]:
    """Return a branch for each declared feature, and the place of its branch for each column that enters.

    `nodes` are those of the features by their names, `frozen` the entries' expressions with their constants.
    """
    names = list(declared)
    owners = [_owner(entry.name, [nodes[name] for name in names]) for entry in entered]
    encoded = iter(features.encoded)
    columns = [None if entry.kind in PLAIN else next(encoded) for entry in entered]
    first = [owners.index(place) for place in range(len(names))]
    shows = {
        name: modality_of(declared[name], frozen[own], is_category=_is_category(frozen[own], columns[own]))
        for name, own in zip(names, first, strict=True)
    }
    shows = with_facts_of_texts(shows, declared)
    branches = []
    for name, own in zip(names, first, strict=True):
        entry, column = entered[own], columns[own]
        if column is not None and not column.present.any():
            raise DataError(f"feature '{name}' has no value in any training row; leave it out", field=name)
        shape = () if column is None else _shape(entry.kind, column, frozen[own])
        settings = {**entry.settings, **_code(declared[name])}
        branches.append(Branch(name=name, modality=shows[name], encoder=entry.encoder, settings=settings, shape=shape))
    return tuple(branches), tuple(owners)


def _owner(entry: str, nodes: Sequence[str]) -> int:
    """Return the place of the feature's node that an entry is made of: its name begins with the node's."""
    found = [place for place, node in enumerate(nodes) if entry == node or entry.startswith(f"{node}__")]
    return max(found, key=lambda place: len(nodes[place]))


def _code(declared: Expr) -> dict[str, str]:
    """Return the digest of the code that a feature names, if it names some."""
    found = named_code(declared)
    return {} if found is None else {"code": fingerprint(found).digest}


def _shape(kind: str, column: Encoded, frozen: Expr) -> tuple[int, ...]:
    if kind == "tokens":
        return (len(frozen.args[1].args[0]) + 1,)
    if kind == "sequence":
        return ()
    assert isinstance(column.values, np.ndarray)  # noqa: S101 - what is no list is an array
    return tuple(map(int, column.values.shape[1:]))


def _is_category(frozen: Expr, column: Encoded | None) -> bool:
    """Tell whether most rows have a text whose whole value is in the vocabulary, as '=New York'."""
    if column is None or frozen.op != "lookup_indices" or not isinstance(column.values, Ragged):
        return False
    vocabulary: tuple[Any, ...] = frozen.args[1].args[0]
    whole = np.array([0, *(str(entry).startswith("=") for entry in vocabulary)], dtype=bool)
    starts, lengths = column.values.starts[:-1], np.diff(column.values.starts)
    first = column.values.values[starts[lengths > 0]]
    return bool(whole[first].sum() * 2 > len(column.present))
