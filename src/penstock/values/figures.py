"""A figure that a step gives: an image or a page, as bytes with a media type, made of whatever library drew it."""

from __future__ import annotations

import io
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import DataError

SVG, PNG, HTML = "image/svg+xml", "image/png", "text/html"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LENGTH = re.compile(r"^\s*([0-9.]+)\s*(px|pt|)\s*$")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: `content` of the media type `image/svg+xml`, `image/png` or `text/html`. Notebooks show it."""

    media_type: str
    content: bytes

    def save(self, path: str | Path) -> Path:
        """Write the figure to a file, making its folder where there is none; return its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.content)
        return target

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels; None where the figure does not say."""
        if self.media_type == PNG:
            width, height = struct.unpack(">II", self.content[16:24])
            return width, height
        return _svg_size(self.content) if self.media_type == SVG else None

    def _repr_svg_(self) -> str | None:
        return self.content.decode() if self.media_type == SVG else None

    def _repr_png_(self) -> bytes | None:
        return self.content if self.media_type == PNG else None

    def _repr_html_(self) -> str | None:
        return self.content.decode() if self.media_type == HTML else None


def html(text: str) -> Figure:
    """Return a figure of HTML, such as a report: `return ps.html("<p>...</p>")`."""
    return Figure(HTML, text.encode())


def svg(text: str) -> Figure:
    """Return a figure of SVG."""
    if "<svg" not in text:
        raise DataError(f"ps.svg: there is no <svg> in {text[:40]!r}; give the whole text of an SVG file")
    return Figure(SVG, text.encode())


def png(content: bytes) -> Figure:
    """Return a figure of the bytes of a PNG file."""
    if not content.startswith(_PNG_SIGNATURE) or len(content) < 33:
        raise DataError("ps.png: these are not the bytes of a PNG file; give the whole file's")
    return Figure(PNG, content)


def from_bytes(content: bytes) -> Figure:
    """Return the figure that these bytes are, by how they begin."""
    if content.startswith(_PNG_SIGNATURE):
        return Figure(PNG, content)
    head = content.lstrip()[:500]
    return Figure(SVG if head.startswith((b"<?xml", b"<svg", b"<!DOCTYPE svg")) else HTML, content)


def is_drawn(value: Any) -> bool:
    """Tell whether a value is a figure, or something that a plotting library drew.

    What only has an HTML form is none: so has a table, or a fitted estimator. `-> ps.Figure` says that it is meant.
    """
    return isinstance(value, Figure) or _drawing(value) is not None


def as_figure(value: Any) -> Figure:
    """Return a value as a figure; raises `DataError` for what has no form that can be shown."""
    if isinstance(value, Figure):
        return value
    if (draw := _drawing(value)) is not None:
        return draw(value)
    if callable(shown := getattr(value, "_repr_html_", None)) and not isinstance(value, type):
        return html(str(shown()))
    raise DataError(
        f"a {type(value).__module__}.{type(value).__qualname__} is no figure; return a figure of matplotlib, plotly or "
        "altair, or ps.html(text), ps.svg(text), ps.png(content)"
    )


def _drawing(value: Any) -> Callable[[Any], Figure] | None:
    if isinstance(value, type) or hasattr(value, "__arrow_c_stream__"):
        return None
    library = type(value).__module__.partition(".")[0]
    if callable(getattr(value, "savefig", None)) or (library == "matplotlib" and hasattr(value, "figure")):
        return _of_matplotlib
    if callable(getattr(value, "_repr_svg_", None)):
        return lambda drawn: svg(drawn._repr_svg_())
    if callable(getattr(value, "_repr_png_", None)):
        return lambda drawn: png(drawn._repr_png_())
    return _of_page if callable(getattr(value, "to_html", None)) else None


def _of_matplotlib(value: Any) -> Figure:
    """As SVG whose bytes depend on what is drawn alone: no date, no random ids. The figure is closed: it is done."""
    import matplotlib

    drawn = value if callable(getattr(value, "savefig", None)) else value.figure
    written = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "penstock"}):
        drawn.savefig(written, format="svg", metadata={"Date": None})
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close(getattr(drawn, "figure", drawn))
    return Figure(SVG, written.getvalue())


def _of_page(value: Any) -> Figure:
    # plotly would make up an id, and put 4 MB of its own code into each page.
    plotly = type(value).__module__.startswith("plotly.")
    return html(value.to_html(include_plotlyjs="cdn", div_id="figure") if plotly else value.to_html())


def _svg_size(content: bytes) -> tuple[int, int] | None:
    opening = re.search(rb"<svg\b[^>]*>", content)
    tag = opening[0].decode(errors="replace") if opening else ""
    found = [re.search(rf'\b{name}="([^"]*)"', tag) for name in ("width", "height")]
    lengths = [_LENGTH.match(each[1]) for each in found if each]
    if len(lengths) == 2 and lengths[0] and lengths[1]:
        width, height = (round(float(each[1]) * _PIXELS[each[2]]) for each in lengths if each)
        return width, height
    return None
