"""Which way training rows go, by what is estimated of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.cascades.learning import router_of
from penstock.core.expression import Expr
from penstock.core.model import Model
from penstock.models.learning.matrix import Floats, Integers
from penstock.models.routing import Branch, calibrated, chosen, router_values, with_columns

TAKEN = "penstock:route"
"""The column with the number of the branch that a training row takes; -1 where no router that may tell has seen it."""


def router_columns_of(
    router: Model, rows: pa.Table, estimates: Floats, calibration: Mapping[str, Any] | None
) -> dict[str, pa.Array]:
    """Return the columns of a router for rows; NULL where nothing is estimated."""
    there = ~np.isnan(estimates[:, 0])
    index = pa.array(np.cumsum(there) - 1, mask=~there)
    columns = router_values(router_of(router, rows), calibrated(calibration, estimates[there]))
    return {name: column.take(index) for name, column in columns.items()}


def taken_by(rows: pa.Table, columns: Mapping[str, pa.Array], conditions: Sequence[Expr]) -> Integers:
    """Return the number of the branch that each row takes, whose router's columns these are; -1 where they are NULL."""
    there = next(iter(columns.values())).is_valid()
    branches = [Branch(name=str(at), when=when) for at, when in enumerate((*conditions, None))]
    taken = np.full(rows.num_rows, -1, dtype=np.int64)
    given = {name: column.filter(there) for name, column in columns.items()}
    taken[there.to_numpy(zero_copy_only=False)] = chosen(branches, with_columns(rows.filter(there), given))
    return taken
