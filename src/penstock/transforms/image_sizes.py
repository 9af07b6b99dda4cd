"""Formats and sizes of images, read from their first bytes: no picture is decoded."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

_START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def image_sizes(column: pa.ChunkedArray) -> dict[str, Any]:
    """Return `formats` (name -> how many), `width` and `height` (each `min`, `max`, `mean`) of the images in a column
    of bytes, and how many values are none (`unknown`); an empty dict where not one is an image."""
    formats: Counter[str] = Counter()
    widths: list[int] = []
    heights: list[int] = []
    unknown = 0
    for value in column:
        if not value.is_valid:
            continue
        found = image_size(value.as_buffer())
        if found is None:
            unknown += 1
            continue
        formats[found[0]] += 1
        widths.append(found[1])
        heights.append(found[2])
    if not formats:
        return {}
    return {
        "formats": dict(sorted(formats.items())),
        "width": _range(widths),
        "height": _range(heights),
        "unknown": unknown,
    }


def image_size(content: Any) -> tuple[str, int, int] | None:
    """Return the format, width and height that the bytes of an image name; None where they are of no image we know."""
    bytes_ = memoryview(content).cast("B")  # Arrow says that bytes have signs
    head = bytes(bytes_[:32])
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return ("png", *struct.unpack(">II", head[16:24]))
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        return ("gif", *struct.unpack("<HH", head[6:10]))
    if head.startswith(b"BM") and len(head) >= 26:
        width, height = struct.unpack("<ii", head[18:26])
        return "bmp", width, abs(height)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    return _jpeg(bytes_) if head.startswith(b"\xff\xd8\xff") else None


def _webp(head: bytes) -> tuple[str, int, int] | None:
    match head[12:16]:
        case b"VP8X" if len(head) >= 30:
            return "webp", 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L" if len(head) >= 25:
            bits = int.from_bytes(head[21:25], "little")
            return "webp", 1 + (bits & 0x3FFF), 1 + ((bits >> 14) & 0x3FFF)
        case b"VP8 " if len(head) >= 30:
            width, height = struct.unpack("<HH", head[26:30])
            return "webp", width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(content: memoryview) -> tuple[str, int, int] | None:
    """Go from segment to segment to the one that begins a frame."""
    place = 2
    while place + 9 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", bytes(content[place + 5 : place + 9]))
            return "jpeg", width, height
        length = 0 if marker == 0xFF else 2 + int.from_bytes(content[place + 2 : place + 4])
        place += length or 1
    return None


def _range(values: Iterable[int]) -> dict[str, Any]:
    found = list(values)
    return {"min": min(found), "max": max(found), "mean": sum(found) / len(found)}
