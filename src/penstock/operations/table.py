"""The closed table: every operation of every family, by name."""

from __future__ import annotations

from penstock.core.operation import LearnedOperation, Operation
from penstock.operations import (
    arithmetic,
    comparison,
    conditional,
    conversion,
    dates,
    learned,
    logic,
    mathematics,
    scaling,
    strings,
    structures,
)

_FAMILIES = (
    arithmetic,
    comparison,
    logic,
    conditional,
    conversion,
    mathematics,
    strings,
    dates,
    structures,
    scaling,
)

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for family in _FAMILIES for operation in family.OPERATIONS
}
"""Operations that have both forms. What is not here, or in LEARNED, has no meaning."""

LEARNED: dict[str, LearnedOperation] = {operation.name: operation for operation in learned.OPERATIONS}
"""Operations whose constants are found in the training rows; `freeze` turns them into those of OPERATIONS."""


def named(name: str) -> Operation | LearnedOperation | None:
    """Return the operation of that name, learned or not; None if there is none."""
    return OPERATIONS.get(name) or LEARNED.get(name)
