"""Images as bytes: decoded, turned upright, brought to a size. Made images are bytes too: uncompressed PNM or PAM.

Every function takes an image in any form that Pillow reads (PNG, JPEG, WebP, ...) or one of those that are made here,
so that they follow one another. Pillow is loaded when the first compressed image comes. Of what several features read
of one image, it is decoded once: the last one is kept.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from penstock.errors import MissingExtraError
from penstock.operations.glimpses import glimpse, size_in_pixels

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""Height, width, channels."""

CHANNELS: Mapping[str, int] = {"L": 1, "RGB": 3, "RGBA": 4}
"""Mode, by Pillow's names -> how many numbers a pixel has."""
MOST_PIXELS = 64_000_000
"""An image that says it has more is refused before it is decoded: a few bytes can say billions."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO")
"""What is read, by Pillow's names: nothing for which it starts another program, as it does for EPS."""

_MADE = re.compile(
    rb"P5\n(?P<w1>\d{1,9}) (?P<h1>\d{1,9})\n255\n|P6\n(?P<w3>\d{1,9}) (?P<h3>\d{1,9})\n255\n|"
    rb"P7\nWIDTH (?P<w4>\d{1,9})\nHEIGHT (?P<h4>\d{1,9})\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
)
"""How an image begins that was made here: one of these forms from elsewhere may have comments, or other maxima."""
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_CLEAR = ("RGBA", "LA", "PA", "La", "RGBa")
_KEPT_PIXELS = 16_000_000
_BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError),
    *(struct.error, zlib.error, Warning),  # warnings where the process makes them errors
)
"""What Pillow raises for bytes that are not as their format wants them."""


def image(content: bytes, width: int, height: int, mode: str, fit: str) -> bytes:
    """Return the image upright, in a mode and a size; raises `ValueError` for what is no image.

    What is transparent shows white, unless the mode has alpha. `contain` keeps all of the image, in the middle and
    with white beside it; `cover` keeps its middle; `stretch` changes its proportions.
    """
    head = _head(width, height, CHANNELS[mode])
    if content.startswith(head) and len(content) == len(head) + width * height * CHANNELS[mode]:
        return content  # one that was made here, as it is wanted
    picture = _in_mode(_upright(content), mode)
    if picture.size != (width, height):
        picture = _FITS[fit](picture, (width, height))
    return head + bytes(picture.tobytes())


def _contained(picture: Any, size: tuple[int, int]) -> Any:
    """Return all of an image in the middle of one of a size, whose rest is white."""
    from PIL import Image

    scale = min(size[0] / picture.width, size[1] / picture.height)
    inner = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    found = Image.new(picture.mode, size, (255,) * CHANNELS[picture.mode])
    found.paste(picture.resize(inner, _filter()), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return found


def _covering(picture: Any, size: tuple[int, int]) -> Any:
    from PIL import ImageOps

    return ImageOps.fit(picture, size, _filter())


_FITS: Mapping[str, Callable[[Any, tuple[int, int]], Any]] = {
    "contain": _contained,
    "cover": _covering,
    "stretch": lambda picture, size: picture.resize(size, _filter()),
}


def pixels(content: bytes) -> list[float]:
    """Return the channels of each pixel, row by row, from 0 to 1."""
    values: list[float] = (decoded(content).reshape(-1) / 255.0).tolist()
    return values


def encoded(picture: Pixels) -> bytes:
    """Return pixels as an uncompressed image: PGM of one channel, PPM of three, PAM of four."""
    height, width, channels = picture.shape
    return _head(width, height, channels) + np.ascontiguousarray(picture).tobytes()


def _head(width: int, height: int, channels: int) -> bytes:
    if channels == 4:
        return b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % (width, height)
    return b"P%d\n%d %d\n255\n" % (5 if channels == 1 else 6, width, height)


def decoded(content: bytes, mode: str | None = None) -> Pixels:
    """Return the pixels of an image, upright; in a mode, if one is asked for, else in L or RGB, as it is."""
    made = _raw(content)
    if made is not None and (mode is None or CHANNELS[mode] == made.shape[2]):
        return made
    picture = _upright(content)
    wanted = mode or ("L" if picture.mode in _GREY else "RGB")
    found = np.asarray(_in_mode(picture, wanted), dtype=np.uint8)
    return found.reshape(*found.shape[:2], CHANNELS[wanted])


def shape_of(content: bytes) -> tuple[int, int, int]:
    """Return the height, width and channels of an image that was made here."""
    height, width, channels = decoded(content).shape
    return height, width, channels


def _raw(content: bytes) -> Pixels | None:
    """Read an image that was made here without Pillow; None for any other."""
    if content[:2] not in (b"P5", b"P6", b"P7"):
        return None
    head = _MADE.match(content)
    if head is None:
        return None
    width, height = (int(each) for each in head.groups() if each is not None)
    channels = {b"P5": 1, b"P6": 3, b"P7": 4}[content[:2]]
    if not width * height or len(content) - head.end() != width * height * channels:
        return None
    return np.frombuffer(content, dtype=np.uint8, offset=head.end()).reshape(height, width, channels)


_last: tuple[bytes, Any] | None = None
"""The image that was decoded last, with the very bytes that it was in: a row's features read the same ones."""


def _upright(content: bytes) -> Any:
    """Return Pillow's image, decoded and turned as its EXIF says; nobody may change it."""
    global _last
    last = _last  # one look: other threads put theirs there
    if last is not None and last[0] is content:
        return last[1]
    found = _opened(content)
    _last = (content, found) if found.width * found.height <= _KEPT_PIXELS else None
    return found


def _opened(content: bytes) -> Any:
    """Read and decode an image; raises `ValueError` where there is none, or too large a one."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Pillow", extra="images", purpose="reading an image") from error
    made = _raw(content)
    if made is not None:
        return Image.fromarray(made[:, :, 0] if made.shape[2] == 1 else made)
    _check_size(*(size_in_pixels(content) or (1, 1)))  # before Pillow, whose own limit is higher, warns of it
    try:
        found = Image.open(io.BytesIO(content), formats=FORMATS)
    except (*_BROKEN, Image.DecompressionBombError) as error:
        why = str(error).partition(" <_io")[0]
        raise ValueError(f"{_described(content)} is no image: {why}") from error
    _check_size(found.width, found.height)
    try:
        found.load()
    except _BROKEN as error:
        raise ValueError(f"an image, {glimpse(content)}, that cannot be decoded: {error}") from error
    return _turned(found)


def _turned(found: Any) -> Any:
    """Return Pillow's image as its EXIF says; as it is, where nothing readable is said."""
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(found, in_place=True)
    except _BROKEN:
        return found  # a picture whose notes are damaged is still a picture
    return found


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(f"an image of {width} x {height} pixels; at most {MOST_PIXELS:,} are read")


def _described(content: bytes) -> str:
    return f"what begins with {content[:16]!r}, {len(content):,} bytes," if content else "an empty value"


def _in_mode(found: Any, mode: str) -> Any:
    """Return Pillow's image in a mode; what is transparent shows white where the mode has no alpha."""
    from PIL import Image

    if found.mode in _DEEP_GREY:  # 16 bits of grey: Pillow's own conversion cuts at 255
        found = Image.fromarray((np.asarray(found).clip(0, 65535) / 257).round().astype(np.uint8), "L")
    if mode == "RGBA":
        return found.convert("RGBA")
    if found.mode in _CLEAR or "transparency" in found.info:
        clear = found.convert("RGBA")
        found = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return found if found.mode == mode else found.convert(mode)


def _filter() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR  # over all pixels that fall on one: what is made smaller is not jagged
