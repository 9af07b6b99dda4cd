"""Figures: what counts as one, which bytes it has, and how it is shown."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure as Drawn

import penstock as ps
from penstock.errors import DataError
from penstock.stores import CODECS, LocalArtifactStore
from penstock.values import as_figure, from_bytes, is_drawn

CODEC = next(codec for codec in CODECS if codec.kind == "figure")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"><rect/></svg>'


def drawn() -> Drawn:
    figure = Drawn(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], label="squares")
    axes.legend()
    axes.fill_between([1, 2, 3], [0, 1, 2])
    return figure


def png_bytes() -> bytes:
    written = io.BytesIO()
    drawn().savefig(written, format="png", dpi=50)
    return written.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def test_equal_drawings_of_matplotlib_are_equal_bytes_in_any_process(store: LocalArtifactStore) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_figures; from penstock.values import as_figure; "
        "sys.stdout.buffer.write(as_figure(test_figures.drawn()).content)"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    elsewhere = subprocess.run(command, capture_output=True, check=True).stdout
    here = as_figure(drawn())
    assert here.media_type == "image/svg+xml"
    assert here.content == elsewhere
    assert as_figure(drawn().axes[0]).content == here.content
    assert mpl.rcParams["svg.hashsalt"] is None


def test_a_figure_is_kept_with_its_type_and_size(store: LocalArtifactStore, tmp_path: Path) -> None:
    for value, media_type, size in [
        (drawn(), "image/svg+xml", (384, 288)),
        (ps.svg(SVG), "image/svg+xml", (96, 48)),
        (ps.png(png_bytes()), "image/png", (200, 150)),
        (ps.html("<p>good</p>"), "text/html", None),
    ]:
        assert CODEC.accepts(value)
        artifact = CODEC.save(value, store)
        assert artifact.facts["media_type"] == media_type
        assert (artifact.facts.get("width"), artifact.facts.get("height")) == (size or (None, None))
        back = CODEC.load(artifact, store)
        assert back == as_figure(value)
        assert back.save(tmp_path / "figure").read_bytes() == back.content
        assert from_bytes(back.content).media_type == media_type


def test_a_notebook_shows_a_figure_in_its_own_form() -> None:
    assert ps.svg(SVG)._repr_svg_() == SVG
    assert ps.svg(SVG)._repr_html_() is None
    assert ps.html("<p>")._repr_html_() == "<p>"
    assert ps.png(png_bytes())._repr_png_() == png_bytes()


class Chart:
    def to_html(self) -> str:
        return "<html></html>"


class Estimator:
    def _repr_html_(self) -> str:
        return "<pre>Estimator()</pre>"


def test_what_only_can_be_shown_as_html_is_a_figure_where_it_is_declared_as_one() -> None:
    assert is_drawn(Chart())
    assert as_figure(Chart()).content == b"<html></html>"
    assert not is_drawn(Estimator())
    assert as_figure(Estimator()).media_type == "text/html"


@pytest.mark.parametrize("value", [1, "text", b"x", [1], Chart, {"a": 1}])
def test_other_values_are_no_figures(value: Any) -> None:
    assert not is_drawn(value)
    with pytest.raises(DataError, match=r"is no figure; return a figure of matplotlib.*ps\.html"):
        as_figure(value)


def test_wrong_bytes_are_an_error() -> None:
    with pytest.raises(DataError, match="not the bytes of a PNG"):
        ps.png(b"GIF89a")
    with pytest.raises(DataError, match="no <svg>"):
        ps.svg("<p>")
