"""Bytes as they are shown to people: what they are, how large, and nothing of their content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SHOWN = 16
_UNITS = ("bytes", "kB", "MB", "GB")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's segments that begin with the size of the image


def glimpse(content: bytes) -> str:
    """Show bytes in a few signs: `<PNG 64x64, 3.1 kB>`, `<5,000 bytes>`; short ones as they are, `b'\\x00\\x01'`."""
    kind, size = _recognised(content)
    if not kind and len(content) <= _SHOWN:
        return repr(content)
    what = f"{kind} {size[0]}x{size[1]}, " if size else f"{kind}, " if kind else ""
    return f"<{what}{_amount(len(content))}>"


def without_bytes(value: Any) -> Any:
    """Return a value with a glimpse of the bytes in it, in their place."""
    match value:
        case bytes() | bytearray() | memoryview():
            return glimpse(bytes(value))
        case dict():
            return {key: without_bytes(each) for key, each in value.items()}
        case list() | tuple():
            return [without_bytes(each) for each in value]
    return value


def size_in_pixels(content: bytes) -> tuple[int, int] | None:
    """Return the width and height that an image says it has; None where that is not known without reading it."""
    return _recognised(content)[1]


def _amount(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    unit = 1 if count < 10**6 else 2 if count < 10**9 else 3
    return f"{count / 1000**unit:.1f} {_UNITS[unit]}"


def _recognised(content: bytes) -> tuple[str, tuple[int, int] | None]:
    """Return the kind of a file by how it begins, and the width and height of an image."""
    head = content[:32]
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return "PNG", (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        return "GIF", (int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG", next(_frames(content), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP", _webp(head)
    if head[:2] in (b"P5", b"P6", b"P7"):
        return _uncompressed(content)
    kinds = {
        b"BM": "BMP",
        b"%PDF": "PDF",
        b"II*\x00": "TIFF",
        b"MM\x00*": "TIFF",
        b"RIFF": "RIFF",
        b"PK\x03\x04": "ZIP",
    }
    return next((kind for magic, kind in kinds.items() if head.startswith(magic)), ""), None


def _frames(content: bytes) -> Iterator[tuple[int, int]]:
    """Give the sizes that the segments of a JPEG file say."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            yield int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        if marker == 0xFF:  # a filling byte
            at += 1
        else:
            at += 2 + length


def _webp(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            wide, high = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
            return wide, high
    return None


def _uncompressed(content: bytes) -> tuple[str, tuple[int, int] | None]:
    words = content[:128].split()
    kind = {b"P5": "PGM", b"P6": "PPM"}.get(words[0], "PAM")
    named = dict(zip(words[1::2], words[2::2], strict=False)) if kind == "PAM" else {}
    given = [named.get(b"WIDTH", b""), named.get(b"HEIGHT", b"")] if named else words[1:3]
    if len(given) == 2 and all(each.isdigit() for each in given):
        return kind, (int(given[0]), int(given[1]))
    return "", None
