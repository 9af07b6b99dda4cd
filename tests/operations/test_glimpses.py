"""Bytes as they are shown: what they are and how large, never their content."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from penstock.operations.glimpses import glimpse, size_in_pixels, without_bytes


def written(format: str, width: int = 40, height: int = 30, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "options", "shown"),
    [
        ("PNG", {}, "PNG"),
        ("GIF", {}, "GIF"),
        ("JPEG", {}, "JPEG"),
        ("JPEG", {"progressive": True}, "JPEG"),
        ("JPEG", {"exif": b"Exif\x00\x00" + bytes(5000)}, "JPEG"),
        ("WEBP", {}, "WebP"),
        ("WEBP", {"lossless": True}, "WebP"),
        ("WEBP", {"exif": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"}, "WebP"),
        ("PPM", {}, "PPM"),
    ],
)
def test_an_image_is_told_by_its_kind_and_size(format: str, options: dict, shown: str) -> None:
    content = written(format, **options)
    assert size_in_pixels(content) == (40, 30)
    assert glimpse(content).startswith(f"<{shown} 40x30, ")


def test_amounts_are_in_units() -> None:
    assert glimpse(bytes(999)) == "<999 bytes>"
    assert glimpse(bytes(3_149)) == "<3.1 kB>"
    assert glimpse(bytes(2_500_000)) == "<2.5 MB>"


def test_few_bytes_are_shown_as_they_are() -> None:
    assert glimpse(b"\x00\xff") == r"b'\x00\xff'"


@pytest.mark.parametrize("format", ["PNG", "GIF", "JPEG", "WEBP", "PPM"])
def test_an_image_cut_off_anywhere_is_shown_all_the_same(format: str) -> None:
    content = written(format)
    for end in range(len(content)):
        assert "red" not in glimpse(content[:end])


@pytest.mark.parametrize("content", [b"\xff\xd8\xff" * 9, b"\xff\xd8" + b"\xff" * 90, b"P6\n", b"P7\nWIDTH x HEIGHT y"])
def test_what_only_begins_as_an_image_has_no_size(content: bytes) -> None:
    assert size_in_pixels(content) is None


def test_bytes_within_values_are_shown_too() -> None:
    value = {"a": [b"x" * 20, 1], "b": {"c": b"y" * 2_000}, "d": "text"}
    assert without_bytes(value) == {"a": ["<20 bytes>", 1], "b": {"c": "<2.0 kB>"}, "d": "text"}
