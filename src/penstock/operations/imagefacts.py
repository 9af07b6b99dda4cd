"""What is told of an image in numbers: how bright, how large, of which colours, and which images look alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.operations.images import seen
from penstock.operations.literals import sql_literal

STATISTICS = (
    "brightness",
    "contrast",
    "saturation",
    "colorfulness",
    "edges",
    "sharpness",
    "entropy",
    "red",
    "green",
    "blue",
    "transparency",
    "width",
    "height",
    "aspect_ratio",
)
HASHES = ("difference", "average")
_MOST_BINS, _MOST_TILES = 256, 64

_CONTENT = Parameter(name="x", types=("bytes",))


def grid_of(given: int | Sequence[int]) -> tuple[int, int]:
    """Read a grid: tiles a side, or [across, down]. Raises `ValueError` if it is none."""
    sides = (given, given) if isinstance(given, int) else tuple(given)
    if len(sides) != 2 or not all(1 <= each <= _MOST_TILES for each in sides):
        raise ValueError(f"it is how many tiles a side has, or [across, down], from 1 to {_MOST_TILES}")
    return sides[0], sides[1]


def _checked_grid(given: int | Sequence[int]) -> None:
    grid_of(given)


def _checked_bins(given: int) -> None:
    if not 1 <= given <= _MOST_BINS:
        raise ValueError(f"it is from 1 to {_MOST_BINS}")


def image_stat(content: bytes, statistic: str) -> float:
    """Return one number about an image; NumPy and Pillow are loaded when the first one comes."""
    from penstock.operations import picturefacts

    return picturefacts.STATISTICS[statistic](content)


def color_histogram(content: bytes, bins: int) -> list[float]:
    """Return the share of the pixels in each range of red, of green and of blue."""
    from penstock.operations import picturefacts

    return picturefacts.color_histogram(content, bins)


def tiles(content: bytes, across: int, down: int) -> list[float]:
    """Return the mean red, green and blue of each tile."""
    from penstock.operations import picturefacts

    return picturefacts.tiles(content, across, down)


def image_hash(content: bytes, kind: str) -> int:
    """Return 64 bits that are alike for images that look alike."""
    from penstock.operations import picturefacts

    return picturefacts.HASHES[kind](content)


NATIVE_FUNCTIONS = (
    (image_stat, ("bytes", "string"), "float64"),
    (color_histogram, ("bytes", "int64"), "array<float64>"),
    (tiles, ("bytes", "int64", "int64"), "array<float64>"),
    (image_hash, ("bytes", "string"), "int64"),
)
"""Functions that the SQL form calls, with the types that they take and give: NULL for what is no image."""


def _tiles_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    return seen("tiles", arguments[0], *map(str, grid_of(arguments[1])))


def _tiles_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    across, down = grid_of(arguments[1])
    return f"tiles({arguments[0]}, {across}, {down})"


_GREY = b"P5\n2 2\n255\n" + bytes([0, 255, 51, 102])
_DOT = b"P6\n1 1\n255\n" + bytes([255, 0, 51])
_PAIR = b"P6\n2 1\n255\n" + bytes([255, 0, 51, 0, 0, 0])
_CLEAR = b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes([9, 9, 9, 0] * 2)

OPERATIONS = (
    Operation(
        name="image_stat",
        meaning="One number about a picture. Grey is 0.299 red + 0.587 green + 0.114 blue, rounded to 0 to 255, then "
        "divided by 255. brightness: the mean of grey; contrast: its standard deviation; entropy: of its 256 values, "
        "in bits; edges: the mean absolute difference between a pixel's grey and that of the next to its right or "
        "below; sharpness: the variance of the Laplacian of grey (the four neighbours less four times the pixel; "
        "beyond the edge its last pixel); saturation: the mean of (greatest - least) / greatest channel, 0 for black; "
        "colorfulness: of Hasler and Suesstrunk (2003), divided by 255; red, green, blue: the channel's mean; "
        "transparency: the mean of 1 - alpha; width, height: in pixels, upright; aspect_ratio: width / height. What is "
        "transparent counts as white.",
        parameters=(_CONTENT,
            Parameter(name="statistic", types=("string",), default=STATISTICS[0], constant=True, choices=STATISTICS)),
        result="float64",
        sql=lambda a, t: seen("image_stat", a[0], sql_literal(a[1], "string")),
        row=lambda a, t: f"image_stat({a[0]}, {a[1]!r})",
        names={"image_stat": image_stat},
        examples=golden(
            (_GREY, "brightness", 0.4), (_DOT, "brightness", 82 / 255), (_CLEAR, "brightness", 1.0),
            (_GREY, "contrast", 0.3741657386773941), (_DOT, "contrast", 0.0),
            (_PAIR, "saturation", 0.5), (_GREY, "saturation", 0.0),
            (_DOT, "colorfulness", 0.31320919526731655), (_GREY, "colorfulness", 0.0),
            (_GREY, "edges", 0.5), (_DOT, "edges", 0.0), (_GREY, "sharpness", 1.04), (_GREY, "entropy", 2.0),
            (_DOT, "red", 1.0), (_PAIR, "green", 0.0), (_PAIR, "blue", 0.1), (_GREY, "blue", 0.4),
            (_CLEAR, "transparency", 1.0), (_GREY, "transparency", 0.0),
            (_PAIR, "width", 2.0), (_PAIR, "height", 1.0), (_PAIR, "aspect_ratio", 2.0),
            (b"", "brightness", Raises), (b"no image", "width", Raises), (None, "width", None),
            types="bytes; string"),
    ),
    Operation(
        name="color_histogram",
        meaning="The share of a picture's pixels in each of so many equal ranges of red, then of green, then of blue. "
        "What is transparent counts as white.",
        parameters=(_CONTENT,
            Parameter(name="bins", types=("int64",), default=8, constant=True, prepare=_checked_bins)),
        result="array<float64>",
        sql=lambda a, t: seen("color_histogram", a[0], str(a[1])),
        row=lambda a, t: f"color_histogram({a[0]}, {a[1]})",
        names={"color_histogram": color_histogram},
        examples=golden(
            (_PAIR, 2, [0.5, 0.5, 1.0, 0.0, 1.0, 0.0]), (_GREY, 4, [0.5, 0.25, 0.0, 0.25] * 3), (_DOT, 1, [1.0] * 3),
            (b"", 2, Raises), (b"no image", 2, Raises), (None, 2, None), types="bytes; int64"),
    ),
    Operation(
        name="tiles",
        meaning="The mean red, green and blue, from 0 to 1, of each tile of a grid over a picture (tiles a side, or "
        "[across, down]), row by row. A pixel on a border between tiles belongs to both. What is transparent counts as "
        "white.",
        parameters=(_CONTENT,
            Parameter(name="grid", types=("int64", "array<int64>"), default=4, constant=True, prepare=_checked_grid)),
        result="array<float64>",
        sql=_tiles_sql,
        row=_tiles_row,
        names={"tiles": tiles},
        examples=golden(
            (_DOT, 1, [1.0, 0.0, 0.2]), (_PAIR, (2, 1), [1.0, 0.0, 0.2, 0.0, 0.0, 0.0]), (_GREY, 1, [0.4] * 3),
            (b"", 2, Raises), (b"no image", 2, Raises), (None, 2, None), types="bytes; int64"),
    ),
    Operation(
        name="image_hash",
        meaning="64 bits that are nearly the same for pictures that look alike, whatever their size and file: of the "
        "mean grey of 9 x 8 tiles, whether each is darker than the next to its right (difference); of 8 x 8 tiles, "
        "whether each is brighter than all on the whole (average). How many bits of two differ: "
        "BIT_COUNT(a ^ b).",
        parameters=(_CONTENT,
            Parameter(name="kind", types=("string",), default=HASHES[0], constant=True, choices=HASHES)),
        result="int64",
        sql=lambda a, t: seen("image_hash", a[0], sql_literal(a[1], "string")),
        row=lambda a, t: f"image_hash({a[0]}, {a[1]!r})",
        names={"image_hash": image_hash},
        examples=golden(
            (_DOT, "difference", 0), (_DOT, "average", 0), (_PAIR, "average", -0x0F0F0F0F0F0F0F10),
            (b"", "average", Raises), (b"no image", "difference", Raises), (None, "average", None),
            types="bytes; string"),
    ),
)  # fmt: skip
