"""The one look of our plots, and how a drawing becomes a figure: the same bytes for the same drawing, anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.errors import MissingExtraError
from penstock.values import Figure, as_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

INK, QUIET, FAINT, ACCENT = "#1f2933", "#66727f", "#d5dbe1", "#1f6fb4"
"""The colours: of text, of what explains, of what is behind, of what is shown."""

_LOOK: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelpad": 6.0,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.12,
    "font.size": 9,
    "svg.fonttype": "none",  # texts stay texts: they can be read aloud, searched, and drawn in any alphabet
    "text.color": INK,
    "text.parse_math": False,  # a feature may be called a$b
    "xtick.color": FAINT,
    "xtick.labelcolor": QUIET,
    "xtick.labelsize": 8,
    "ytick.color": FAINT,
    "ytick.labelcolor": QUIET,
    "ytick.labelsize": 8,
}
_LONGEST, _ENDING = 36, 12


def drawing(width: float, height: float, draw: Callable[[Drawn], None]) -> Figure:
    """Return as a figure, of a size in inches, what `draw` draws; `MissingExtraError` without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure as Drawn
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", extra="plots", purpose="a plot") from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's own settings are, or those of a notebook
        matplotlib.rcParams.update(_LOOK)
        # what the font here lacks, the one of whoever looks at the SVG may have
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        drawn = Drawn(figsize=(width, height))
        draw(drawn)
        return as_figure(drawn)


def headline(drawn: Drawn, title: str, *explanation: str) -> None:
    """Write above all what is shown, and below it in quiet letters what helps to read it."""
    width, height = drawn.get_size_inches()
    room = 0.45 + 0.18 * len(explanation)
    drawn.set_layout_engine("constrained", rect=(0, 0, 1, 1 - room / height))
    title = _cut(title, int(10 * width))  # as many letters as there is room for
    drawn.text(0.14 / width, 1 - 0.14 / height, title, va="top", fontsize=11, fontweight="bold")
    below = "\n".join(_cut(line, int(15 * width)) for line in explanation)
    drawn.text(0.14 / width, 1 - 0.37 / height, below, va="top", fontsize=8.5, color=QUIET, linespacing=1.45)


def shortened(name: str) -> str:
    """Return a name as far as there is room for it: how it begins and how it ends, which tells it from others."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - _ENDING - 1]}…{name[-_ENDING:]}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def without_frame(axes: Axes) -> None:
    """Leave away the lines around."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
