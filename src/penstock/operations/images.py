"""Images: bytes of a picture in any format, brought to a size, and what is to be seen in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import MissingExtraError
from penstock.operations.literals import fails, sql_literal

MODES = ("RGB", "L", "RGBA")
FITS = ("contain", "cover", "stretch")

_CONTENT = Parameter(name="x", types=("bytes",))
_LARGEST = 4096


def size_of(given: int | Sequence[int]) -> tuple[int, int]:
    """Read a size: the side of a square, or [width, height]. Raises `ValueError` if it is none."""
    sizes = (given, given) if isinstance(given, int) else tuple(given)
    if len(sizes) != 2 or not all(1 <= each <= _LARGEST for each in sizes):
        raise ValueError(f"it is the side of a square, or [width, height], from 1 to {_LARGEST}")
    return sizes[0], sizes[1]


def _checked_size(given: int | Sequence[int]) -> None:
    size_of(given)


def seen(function: str, x: str, *constants: str) -> str:
    """Return the text that calls one of our functions of an image, and fails where that gives nothing of something."""
    if importlib.util.find_spec("PIL") is None:  # told here: DuckDB would tell of a value that is no image
        raise MissingExtraError("Pillow", extra="images", purpose="reading an image")
    missing = f"CASE WHEN {x} IS NOT NULL THEN {fails('a value is no image')} END"
    return f"coalesce(penstock_{function}({', '.join((x, *constants))}), {missing})"


def _image_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    width, height = size_of(arguments[1])
    mode, fit = (sql_literal(each, "string") for each in arguments[2:])
    return seen("image", arguments[0], str(width), str(height), mode, fit)


def _image_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    width, height = size_of(arguments[1])
    return f"image({arguments[0]}, {width}, {height}, {arguments[2]!r}, {arguments[3]!r})"


def image(content: bytes, width: int, height: int, mode: str, fit: str) -> bytes:
    """Return the image in a size and mode; NumPy and Pillow are loaded when the first one comes."""
    from penstock.operations import pictures

    return pictures.image(content, width, height, mode, fit)


def pixels(content: bytes) -> list[float]:
    """Return the channels of each pixel, from 0 to 1."""
    from penstock.operations import pictures

    return pictures.pixels(content)


_GREY = b"P5\n2 2\n255\n" + bytes([0, 255, 51, 102])
_DOT = b"P6\n1 1\n255\n" + bytes([255, 0, 51])

NATIVE_FUNCTIONS = (
    (image, ("bytes", "int64", "int64", "string", "string"), "bytes"),
    (pixels, ("bytes",), "array<float64>"),
)
"""Functions that the SQL form calls, with the types that they take and give: NULL for what is no image."""

OPERATIONS = (
    Operation(
        name="image",
        meaning="The picture upright (by EXIF), in a size (the side of a square, or [width, height]) and a mode (L, "
        "RGB, RGBA), as an uncompressed image. contain: all of it, white beside it; cover: its middle; stretch. What "
        "is transparent shows white.",
        parameters=(_CONTENT,
            Parameter(name="size", types=("int64", "array<int64>"), constant=True, prepare=_checked_size),
            Parameter(name="mode", types=("string",), default="RGB", constant=True, choices=MODES),
            Parameter(name="fit", types=("string",), default=FITS[0], constant=True, choices=FITS)),
        result="bytes",
        sql=_image_sql,
        row=_image_row,
        names={"image": image},
        examples=golden(
            (_DOT, 1, "RGB", "contain", _DOT), (_DOT, 2, "L", "cover", b"P5\n2 2\n255\n" + bytes([82] * 4)),
            (_GREY, 2, "L", "stretch", _GREY), (b"", 2, "L", "cover", Raises), (b"no image", 2, "L", "cover", Raises),
            (None, 2, "L", "cover", None), types="bytes; int64; string; string"),
    ),
    Operation(
        name="pixels",
        meaning="The channels of each pixel of an image, row by row, from 0 to 1.",
        parameters=(_CONTENT,),
        result="array<float64>",
        sql=lambda a, t: seen("pixels", a[0]),
        row=lambda a, t: f"pixels({a[0]})",
        names={"pixels": pixels},
        examples=golden((_GREY, [0.0, 1.0, 0.2, 0.4]), (_DOT, [1.0, 0.0, 0.2]), (b"", Raises), (None, None),
            types="bytes"),
    ),
)  # fmt: skip
