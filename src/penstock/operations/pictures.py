"""Images as bytes: decoded, turned upright, brought to a size. Made images are bytes too: uncompressed PNM or PAM.

Every function takes an image in any form that Pillow reads (PNG, JPEG, WebP, ...) or one of those that are made here,
so that they follow one another. Pillow is loaded when the first compressed image comes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.errors import MissingExtraError
from penstock.operations.glimpses import size_in_pixels

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""Height, width, channels."""

CHANNELS: Mapping[str, int] = {"L": 1, "RGB": 3, "RGBA": 4}
"""Mode, by Pillow's names -> how many numbers a pixel has."""
MOST_PIXELS = 64_000_000
"""An image that says it has more is refused before it is decoded: a few bytes can say billions."""

_MAGIC = {b"P5": 1, b"P6": 3, b"P7": 4}


def image(content: bytes, width: int, height: int, mode: str, fit: str) -> bytes:
    """Return the image upright, in a mode and a size; raises `ValueError` for what is no image.

    What is transparent shows white, unless the mode has alpha. `contain` keeps all of the image, in the middle and
    with white beside it; `cover` keeps its middle; `stretch` changes its proportions.
    """
    head = _head(width, height, CHANNELS[mode])
    if content.startswith(head) and len(content) == len(head) + width * height * CHANNELS[mode]:
        return content  # one that was made here, as it is wanted
    from PIL import ImageOps

    with _opened(content) as found:
        upright = _in_mode(_upright(found), mode)
        if upright.size == (width, height):
            made = upright
        elif fit == "stretch":
            made = upright.resize((width, height), _filter())
        elif fit == "cover":
            made = ImageOps.fit(upright, (width, height), _filter())
        else:
            made = ImageOps.pad(upright, (width, height), _filter(), color=(255,) * CHANNELS[mode])
        return head + bytes(made.tobytes())


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
    channels = _MAGIC.get(content[:2])
    if channels is not None and (mode is None or CHANNELS[mode] == channels):
        made = _raw(content, channels)
        if made is not None:
            return made
    with _opened(content) as found:
        upright = _upright(found)
        wanted = mode or ("L" if upright.mode in ("1", "L", "I;16", "LA") else "RGB")
        made = np.asarray(_in_mode(upright, wanted), dtype=np.uint8)
        return made.reshape(*made.shape[:2], CHANNELS[wanted])


def shape_of(content: bytes) -> tuple[int, int, int]:
    """Return the height, width and channels of an image that was made here."""
    height, width, channels = decoded(content).shape
    return height, width, channels


def _raw(content: bytes, channels: int) -> Pixels | None:
    """Read an image that was made here without Pillow; None for one of that form from elsewhere."""
    if channels == 4:
        head, end, body = content.partition(b"\nENDHDR\n")
        words = head.split()
        if not end or len(words) < 5:
            return None
        width, height = int(words[2]), int(words[4])
    else:
        parts = content.split(b"\n", 3)
        if len(parts) < 4 or parts[2] != b"255":
            return None
        width, height = map(int, parts[1].split())
        body = parts[3]
    if len(body) != width * height * channels:
        return None
    return np.frombuffer(body, dtype=np.uint8).reshape(height, width, channels)


def _opened(content: bytes) -> Any:
    """Return Pillow's image, its header read; raises `ValueError` where there is none, or too large a one."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Pillow", extra="images", purpose="reading an image") from error
    raw = _raw(content, 4) if content[:2] == b"P7" else None
    if raw is not None:
        return Image.fromarray(raw, "RGBA")
    _check_size(*(size_in_pixels(content) or (1, 1)))  # before Pillow, whose own limit is higher, warns of it
    try:
        found = Image.open(io.BytesIO(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{_described(content)} is no image: {error}".partition(" <_io")[0]) from error
    _check_size(found.width, found.height)
    try:
        found.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"an image of {len(content):,} bytes that cannot be decoded: {error}") from error
    return found


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(f"an image of {width} x {height} pixels; at most {MOST_PIXELS:,} are read")


def _upright(found: Any) -> Any:
    """Turn Pillow's image as its EXIF says."""
    from PIL import ImageOps

    ImageOps.exif_transpose(found, in_place=True)
    return found


def _described(content: bytes) -> str:
    return f"what begins with {content[:16]!r}, {len(content):,} bytes," if content else "an empty value"


def _in_mode(found: Any, mode: str) -> Any:
    """Return Pillow's image in a mode; what is transparent shows white where the mode has no alpha."""
    from PIL import Image

    if found.mode in ("I;16", "I", "F"):  # 16 bits of grey: Pillow's own conversion cuts at 255
        found = Image.fromarray((np.asarray(found).clip(0, 65535) / 257).round().astype(np.uint8), "L")
    if mode == "RGBA":
        return found.convert("RGBA")
    if found.mode in ("RGBA", "LA", "PA") or "transparency" in found.info:
        clear = found.convert("RGBA")
        found = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return found if found.mode == mode else found.convert(mode)


def _filter() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR  # over all pixels that fall on one: what is made smaller is not jagged
