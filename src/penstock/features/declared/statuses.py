"""Why a feature has a value or none, by the words of Feast's protocol and one of ours for a stored NULL."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa

Status = Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]

STATUSES: tuple[Status, ...] = ("PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE")
PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = STATUSES


def statuses_of(there: Any, fresh: Any, null: Any) -> pa.Array:
    """Return the status of values: whether a row was there, young enough, and NULL in it (arrays of truth values)."""
    codes = np.where(~there, 2, np.where(~fresh, 3, np.where(null, 1, 0))).astype(np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(STATUSES)).dictionary_decode()
