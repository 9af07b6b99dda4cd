"""What enters a network with encoders, as its tensors: of many rows, and of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.errors import DataError
from penstock.models.learning.encoded import Encoded, one_image
from penstock.models.learning.learner import Estimator
from penstock.models.learning.matrix import PLAIN, Features, Sparse
from penstock.multimodal import Branch, Columns, Ragged, Spec
from penstock.multimodal.encoders import FORMS
from penstock.multimodal.running import network_of
from penstock.multimodal.tensors import NO_NUMBER, NO_TOKEN, Batch

ENTRIES = ("category", "sparse")
"""The kinds of columns of which a row has a few entries among many."""


def columns_of(spec: Spec, kinds: Sequence[str], widths: Sequence[int], features: Features) -> Columns:
    """Return the columns that enter as the network takes them."""
    plain = [(kind, width) for kind, width in zip(kinds, widths, strict=True) if kind in PLAIN]
    given = list(zip(plain, features.columns, strict=True))
    numbers = [column for (kind, _), column in given if kind == "number"]
    matrix = np.empty((features.rows, len(numbers)), dtype=np.float32)
    for place, column in enumerate(numbers):
        assert not isinstance(column, Sparse)  # noqa: S101 - the kind says so
        with np.errstate(over="ignore"):
            matrix[:, place] = column
    entries, weights = _entries([(width, column) for (kind, width), column in given if kind != "number"], features.rows)
    present = np.ones((features.rows, len(spec.branches)), dtype=np.float32)
    inputs = []
    for place, read in zip(spec.encoded, features.encoded, strict=True):
        present[:, place] = read.present
        inputs.append(_input(spec.branches[place], read))
    return Columns(numbers=matrix, entries=entries, weights=weights, inputs=tuple(inputs), present=present)


def _input(branch: Branch, column: Encoded) -> np.ndarray[Any, Any] | Ragged:
    """Return what an encoder reads; where no row has a value, the column cannot know its shape."""
    if isinstance(column.values, Ragged) or column.values.shape[1:] == branch.shape:
        return column.values
    if column.present.any():
        raise DataError(
            f"feature '{branch.name}' is of shape {column.values.shape[1:]}; in training it was {branch.shape}"
        )
    return np.zeros((len(column.present), *branch.shape), dtype=FORMS[branch.encoder or ""].dtype)


def _entries(columns: Sequence[tuple[int, Any]], rows: int) -> tuple[Ragged, Ragged]:
    """Return the places and weights of the entries of each row; what training did not see has none."""
    own, at, values, start = [], [], [], 0
    for width, column in columns:
        if isinstance(column, Sparse):
            known = column.indices < width
            own.append(column.rows[known])
            at.append(start + column.indices[known])
            values.append(column.values[known])
        else:
            known = column < width
            own.append(np.flatnonzero(known))
            at.append(start + column[known])
            values.append(np.ones(int(known.sum())))
        start += width
    if not columns:
        starts = np.zeros(rows + 1, dtype=np.int64)
        return Ragged(starts, np.zeros(0, np.int64)), Ragged(starts, np.zeros(0, np.float32))
    row = np.concatenate(own)
    order = np.argsort(row, kind="stable")
    starts = np.searchsorted(row[order], np.arange(rows + 1))
    places, weights = np.concatenate(at)[order], np.concatenate(values)[order].astype(np.float32)
    return Ragged(starts, places), Ragged(starts, weights)


def row_totals(estimator: Estimator) -> Callable[[tuple[Any, ...]], list[float]]:
    """Return the function from the entering values of one row to the totals."""
    network = network_of(estimator.files)
    spec, starts, start = network.spec, [], 0
    for kind, width in zip(estimator.kinds, estimator.widths, strict=True):
        starts.append(start)
        start += width if kind in ENTRIES else 0
    kinds = list(zip(estimator.kinds, estimator.widths, starts, strict=True))
    readers = [_row_reader(spec.branches[place]) for place in spec.encoded]
    encoded = [at for at, kind in enumerate(estimator.kinds) if kind not in PLAIN]
    read = list(zip(encoded, (f"input_{at}" for at in range(len(encoded))), readers, spec.encoded, strict=True))
    numbers_at = [at for at, kind in enumerate(estimator.kinds) if kind == "number"]
    everything = np.ones((1, len(spec.branches)), dtype=np.float32)

    @np.errstate(over="ignore")  # what is beyond single precision is infinite in it
    def totals(values: tuple[Any, ...]) -> list[float]:
        given: Batch = {"numbers": np.array([[values[at] for at in numbers_at]], dtype=np.float32)}
        places, weights = [], []
        for value, (kind, width, start) in zip(values, kinds, strict=True):
            if kind == "category" and value < width:
                places.append(start + value)
                weights.append(1.0)
            elif kind == "sparse":
                for entry in value or ():
                    if entry["index"] < width:
                        places.append(start + entry["index"])
                        weights.append(entry["value"])
        given["entries"] = np.array([places or [0]], dtype=np.int64)
        given["weights"] = np.array([weights or [0.0]], dtype=np.float32)
        present = everything
        for at, name, reader, place in read:
            value = values[at]
            given[name] = reader(value)
            if value is None:
                present = present.copy()
                present[0, place] = 0.0
        given["present"] = present
        found: list[float] = network.totals(given)[0].tolist()
        return found

    return totals


def _row_reader(branch: Branch) -> Callable[[Any], np.ndarray[Any, Any]]:
    """Return the function from the value of one row to the tensor that the encoder reads."""
    dtype = FORMS[branch.encoder or ""].dtype
    if dtype == "uint8":
        return lambda value: one_image(value, branch.shape)[np.newaxis]
    if dtype == "int64":
        most = branch.settings["most_tokens"]
        return lambda value: np.array([(value or ())[:most] or [NO_TOKEN]], dtype=np.int64)
    if not branch.shape:
        most = branch.settings["most_tokens"]
        return lambda value: _finite(np.array([(value or ())[:most] or [NO_NUMBER]], dtype=np.float32))
    zeros = np.zeros((1, *branch.shape), dtype=np.float32)
    return lambda value: (
        zeros if value is None else np.nan_to_num(np.array([value], dtype=np.float32), posinf=0.0, neginf=0.0)
    )


def _finite(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the numbers of a sequence, NaN for those that are not finite."""
    return np.where(np.isfinite(numbers), numbers, np.float32(NO_NUMBER))
