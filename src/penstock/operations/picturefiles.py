"""Images that are arrays, files or Pillow's, as the bytes that models take."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import DataError, MissingExtraError
from penstock.operations.pictures import decoded

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def image_bytes(image: Any) -> bytes:
    """Return an image as bytes: files as they are, arrays and Pillow's images as PNG."""
    if isinstance(image, bytes | bytearray | memoryview):
        return _checked(bytes(image), "bytes")
    if isinstance(image, str | Path):
        try:
            return _checked(Path(image).read_bytes(), f"'{image}'")
        except OSError as error:
            raise DataError(f"cannot read the image '{image}': {error.strerror or error}") from error
    return _png(image if type(image).__module__.startswith("PIL.") else _picture(image))


def _checked(content: bytes, what: str) -> bytes:
    try:
        decoded(content)
    except ValueError as error:
        raise DataError(f"{what}: {error}") from error
    return content


def _png(picture: Any) -> bytes:
    written = io.BytesIO()
    clear = picture.mode in ("PA", "La", "RGBa")
    kept = picture if picture.mode in _MODES else picture.convert("RGBA" if clear else "RGB")
    kept.save(written, "PNG")
    return written.getvalue()


def _picture(image: Any) -> Any:
    """Return an array as Pillow's image."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Pillow", extra="images", purpose="making an image") from error
    values = np.asarray(image)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.dtype.kind not in "buif" or not (values.ndim == 2 or (values.ndim == 3 and 2 <= values.shape[2] <= 4)):
        raise DataError(_no_image(values, image))
    if not values.size:
        raise DataError(f"an image has pixels; this array is of shape {values.shape}")
    if values.dtype == np.uint16 and values.ndim == 2:
        return Image.fromarray(values)
    return Image.fromarray(np.ascontiguousarray(_as_uint8(values)))


def _no_image(values: np.ndarray[Any, Any], image: Any) -> str:
    told = f"an array of {values.dtype} and shape {values.shape}" if values.ndim else f"a {type(image).__name__}"
    turn = "; channels come last: array.transpose(1, 2, 0)" if values.ndim == 3 and values.shape[0] <= 4 else ""
    return f"{told} is no image; it is (height, width) or (height, width, channels), with 1 to 4 channels{turn}"


def _as_uint8(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * 255
    most = 1 if values.dtype.kind == "f" else 255
    least_found, most_found = values.min(), values.max()
    if not (least_found >= 0 and most_found <= most):  # NaN neither
        raise DataError(
            f"an image of {values.dtype} has values from 0 to {most}; these go from {least_found} to {most_found}: "
            "scale them, or give uint8"
        )
    return np.rint(values * 255.0).astype(np.uint8) if most == 1 else values.astype(np.uint8)
