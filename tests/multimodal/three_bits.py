"""Rows whose label is three bits: one to be seen in a picture, one to be read in a text, one in a column.

So a model that looks at one of them is right about one time in four, at two of them one time in two.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

import penstock as ps

SIDE = 32
_FILLERS = [
    *["the", "a", "of", "table", "went", "over", "small", "green", "house", "with", "some", "lamp", "and", "river"],
    *["near", "old", "road"],
]
_WORDS = (("sad", "gloomy", "awful"), ("happy", "bright", "lovely"))

IMAGE = {"photo": ps.col("photo").image(SIDE).conv()}
TEXT = {"text": ps.col("review").embedding(dim=32)}
COLUMNS = {"city": ps.col("city"), "age": ps.col("age"), "price": ps.col("price"), "weekday": ps.col("weekday")}


def rows(count: int, seed: int = 0) -> pa.Table:
    """Return so many rows; of 5 % the age is unknown."""
    chance = np.random.default_rng(seed)
    return pa.Table.from_pylist([_row(chance) for _ in range(count)])


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """Return pixels as a PNG file."""
    written = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


def _row(chance: np.random.Generator) -> dict[str, Any]:
    seen, read, known = (int(bit) for bit in chance.integers(0, 2, 3))
    city = int(chance.integers(0, 6)) + 6 * known
    words = list(chance.choice(_FILLERS, chance.integers(5, 14)))
    words.insert(int(chance.integers(0, len(words))), str(chance.choice(_WORDS[read])))
    return {
        "photo": _bar(chance, lying=bool(seen)),
        "review": " ".join(words),
        "city": f"City {city}",
        "age": None if chance.random() < 0.05 else float(chance.uniform(20, 60)),
        "price": float(chance.uniform(1, 100)),
        "weekday": int(chance.integers(0, 7)),
        "label": f"c{4 * seen + 2 * read + known}",
    }


def _bar(chance: np.random.Generator, *, lying: bool) -> bytes:
    """Return a picture of noise with a bright bar somewhere, which lies or stands."""
    pixels = chance.normal(120, 25, (SIDE, SIDE, 3))
    top, left = chance.integers(2, SIDE - 12, 2)
    height, width = (3, 9) if lying else (9, 3)
    pixels[top : top + height, left : left + width] += 90
    return png(pixels.clip(0, 255))
