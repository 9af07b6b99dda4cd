"""Images of every kind that people have: read alike, turned upright, and refused by name where they are none."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from penstock.errors import MissingExtraError
from penstock.operations import pictures
from penstock.operations.imagefacts import STATISTICS, color_histogram, image_hash, image_stat, tiles
from penstock.operations.images import image, pixels
from penstock.operations.safe import attempt

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")
FORMATS = {"PNG": set(MODES) - {"CMYK"}, "JPEG": {"L", "RGB", "CMYK"}, "WEBP": {"RGB", "RGBA", "L"},
    "GIF": {"1", "L", "P", "RGB", "RGBA"}, "BMP": {"1", "L", "P", "RGB", "RGBA"}, "TIFF": set(MODES)}  # fmt: skip
_FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def written(made: Image.Image, format: str, **how: Any) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    made.save(file, format, **how)
    return file.getvalue()


def picture(mode: str, width: int, height: int, seed: int = 0) -> Image.Image:
    """Return an image of noise."""
    chance = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(chance.integers(0, 1 << 16, (height, width), dtype=np.uint16))
    return Image.fromarray(chance.integers(0, 256, (height, width, 4), dtype=np.uint8), "RGBA").convert(mode)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, int, int]:
    """Draw a file of any format and mode, of any size, with its width and height."""
    format = draw(st.sampled_from(sorted(FORMATS)))
    mode = draw(st.sampled_from(sorted(FORMATS[format])))
    width, height = draw(
        st.sampled_from([(1, 1), (1, 600), (600, 1), (7, 3), (40, 64)]) | st.tuples(*[st.integers(1, 40)] * 2)
    )
    return written(picture(mode, width, height, draw(st.integers(0, 9))), format), width, height


@_FEW
@given(file=files(), mode=st.sampled_from(["L", "RGB", "RGBA"]), fit=st.sampled_from(["contain", "cover", "stretch"]))
def test_any_file_comes_to_the_size_and_mode_that_are_asked_for(
    file: tuple[bytes, int, int], mode: str, fit: str
) -> None:
    made = image(file[0], 8, 5, mode, fit)
    assert pictures.decoded(made).shape == (5, 8, pictures.CHANNELS[mode])
    assert image(made, 8, 5, mode, fit) is made
    assert len(pixels(made)) == 40 * pictures.CHANNELS[mode]


@_FEW
@given(file=files())
def test_what_is_told_of_any_file_is_within_its_range(file: tuple[bytes, int, int]) -> None:
    content, width, height = file
    told = {statistic: image_stat(content, statistic) for statistic in STATISTICS}
    assert (told["width"], told["height"], told["aspect_ratio"]) == (width, height, width / height)
    shares = ("brightness", "saturation", "edges", "red", "green", "blue", "transparency")
    assert all(0 <= told[name] <= 1 for name in shares)
    assert 0 <= told["contrast"] <= 0.5
    assert 0 <= told["entropy"] <= 8
    assert np.isclose(np.sum(color_histogram(content, 5)), 3)
    assert np.isclose(tiles(content, 1, 1), [told["red"], told["green"], told["blue"]]).all()
    assert all(0 <= each <= 1 for each in tiles(content, 3, 4))


@_FEW
@given(file=files(), cut=st.floats(0, 0.999), junk=st.binary(max_size=8), at=st.floats(0, 1))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    file: tuple[bytes, int, int], cut: float, junk: bytes, at: float
) -> None:
    content = file[0]
    place = int(at * len(content))
    for damaged in (content[: int(cut * len(content))], content[:place] + junk + content[place + len(junk) :]):
        made = attempt(image, damaged, 4, 4, "RGB", "contain")  # None for a ValueError, any other goes through
        assert made is None or len(pixels(made)) == 48


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_as_its_exif_says(orientation: int, format: str) -> None:
    upright = np.zeros((16, 24, 3), dtype=np.uint8)
    upright[:8, :8] = 255  # a bright corner, at the upper left
    turned: dict[int, Callable[[Any], Any]] = {
        1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x), 7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turned[orientation](upright)))
    content = written(stored, format, exif=exif)
    assert tiles(content, 3, 2) == pytest.approx([1.0] * 3 + [0.0] * 15, abs=0.05)
    assert image_stat(content, "width") == 24


def test_damaged_notes_leave_a_picture_as_it_is() -> None:
    content = written(picture("RGB", 6, 4), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff")
    assert image_stat(content, "width") == 6


def test_what_is_transparent_shows_white_in_every_format() -> None:
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30] * 256)
    files = [written(clear, "PNG"), written(clear, "WEBP", lossless=True), written(palette, "GIF", transparency=0),
        written(palette, "PNG", transparency=0), written(clear.convert("LA"), "PNG"),
        written(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        written(Image.new("L", (4, 4), 7), "PNG", transparency=7)]  # fmt: skip
    for content in files:
        assert (image_stat(content, "brightness"), image_stat(content, "transparency")) == (1.0, 1.0)
        assert pictures.decoded(image(content, 2, 2, "RGBA", "stretch"))[:, :, 3].max() == 0


def test_sixteen_bits_of_grey_keep_their_shade() -> None:
    made = Image.fromarray(np.full((3, 3), 32896, dtype=np.uint16))
    for content in (written(made, "PNG"), written(made, "TIFF")):
        assert pixels(image(content, 1, 1, "L", "stretch")) == [128 / 255]


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"P2\n2 1\n10\n0 10\n", [0, 255]),
        (b"P5\n# of a scanner\n2 1\n255\n\0\xff", [0, 255]),
        (b"P5\n2 1 255\n\0\xff", [0, 255]),
        (b"P5\n2 1\n15\n\0\x0f", [0, 255]),
        (b"P5\n2 1\n65535\n\0\0\xff\xff", [0, 255]),
        (b"P4\n8 1\n\x0f", [255] * 4 + [0] * 4),
    ],
)
def test_netpbm_from_elsewhere_is_read_as_it_says(content: bytes, seen: list[int]) -> None:
    assert pictures.decoded(content, "L")[:, :, 0].reshape(-1).tolist() == seen


@pytest.mark.parametrize(
    "content",
    [
        b"P7\nHEIGHT 1\nWIDTH 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(8),
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(8),
        b"P6\n2 2\n255\nshort", b"P5\n0 0\n255\n", b"P5\n-1 -1\n255\n\0", b"P5", b"P7",
    ],
)  # fmt: skip
def test_netpbm_that_says_something_else_than_it_holds_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"image"):
        image(content, 2, 2, "RGB", "contain")


def test_an_image_of_billions_of_pixels_is_refused_before_it_is_decoded() -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    small = bytearray(written(picture("RGB", 4, 4), "BMP"))
    small[18:26] = struct.pack("<ii", 60_000, 60_000)
    gif = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(20)
    for content in (png, bytes(small), gif, b"P6\n60000 60000\n255\n"):
        with pytest.raises(ValueError, match=r"60000 x 60000 pixels; at most 64,000,000|no image: Image size"):
            image(content, 2, 2, "RGB", "contain")


def test_of_what_moves_the_first_picture_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    for format in ("GIF", "WEBP", "PNG"):
        content = written(
            frames[0],
            format,
            save_all=True,
            append_images=frames[1:],
            **({"lossless": True} if format == "WEBP" else {}),
        )
        assert [image_stat(content, channel) for channel in ("red", "green", "blue")] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "an empty value is no image"),
        (b"%PDF-1.7 and so on", r"%PDF-1.7.*is no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "is no image"),  # Pillow would start a program for it
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no image"),
    ],
)
def test_what_is_no_image_is_told_by_what_it_is(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        image(content, 2, 2, "RGB", "contain")


def test_a_picture_made_smaller_or_saved_anew_has_nearly_the_same_hash() -> None:
    shade = np.add.outer(np.arange(96), 2 * np.arange(128)) % 200
    made = Image.fromarray(shade.astype(np.uint8))
    others = [written(made.resize((64, 48)), "PNG"), written(made, "JPEG", quality=60)]
    for kind in ("difference", "average"):
        own = image_hash(written(made, "PNG"), kind)
        apart = [(own ^ image_hash(other, kind)).bit_count() for other in others]
        assert max(apart) <= 6
        assert (own ^ image_hash(written(picture("L", 96, 128), "PNG"), kind)).bit_count() > 12


def test_a_sharp_picture_is_sharper_and_a_flat_one_has_no_edges() -> None:
    noise = picture("L", 32, 32)
    soft = noise.resize((8, 8)).resize((32, 32))
    for statistic in ("sharpness", "edges", "contrast"):
        assert image_stat(written(noise, "PNG"), statistic) > image_stat(written(soft, "PNG"), statistic)
        assert image_stat(written(Image.new("RGB", (9, 9), "teal"), "PNG"), statistic) == 0


def test_the_features_of_a_row_decode_its_picture_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, real = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *given, **how: opened.append(1) or real(*given, **how))
    content = written(picture("RGB", 9, 9), "PNG")
    image(content, 4, 4, "RGB", "contain"), image_stat(content, "edges"), tiles(content, 2, 2)
    assert len(opened) == 1
    image(written(picture("RGB", 9, 9, seed=1), "PNG"), 4, 4, "RGB", "contain")
    assert len(opened) == 2


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="images"):
        image_stat(b"\x89PNG\r\n\x1a\n another one", "brightness")
