"""Rows whose labels are several: which of some tags a thing has, its price, its kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

TAGS = ("far", "hot", "old", "rare")


def rows(count: int, seed: int = 0) -> pa.Table:
    """Return so many rows. Every 20th has no tags known, of the others some have none."""
    chance = np.random.default_rng(seed)
    return pa.Table.from_pylist([_row(chance, at) for at in range(count)])


def _row(chance: np.random.Generator, at: int) -> dict[str, Any]:
    x, y, z = (float(each) for each in chance.normal(size=3))
    city = str(chance.choice(["Ulm", "Bonn"]))
    holds = (x > 0.5, y > 0, z + x > 0, x > 1.6 and city == "Ulm")
    tags = [tag for tag, there in zip(reversed(TAGS), reversed(holds), strict=True) if there]
    return {"x": x, "y": y, "z": z, "city": city, "tags": None if at % 20 == 7 else tags}
