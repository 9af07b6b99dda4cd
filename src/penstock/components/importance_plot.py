"""A component that shows how much each feature counts: plot_importance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from penstock.components.canvas import ACCENT, INK, QUIET, drawing, headline, shortened, without_frame
from penstock.errors import DeclarationError
from penstock.models import ModelGraph, Ranking, ranking
from penstock.pipelines import step
from penstock.values import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn


@step(modes={"train"})
def plot_importance(graph: ModelGraph, most: int = 20) -> Figure:
    """Show how much each feature counts, the `most` that count the most as bars, the others summed up in words.

    Of trees that is the share of the gain of all splits; of a linear model by how much one standard deviation of the
    feature moves the prediction. Needs the extra `plots`.
    """
    if most < 1:
        raise DeclarationError(f"plot_importance: most={most}; give how many features are to be shown: 1, 2, ...")
    found = ranking(graph)
    bars = min(most, len(found.features))
    return drawing(6.4, 1.2 + 0.27 * bars, lambda drawn: _draw(drawn, graph, found, most))


def _draw(drawn: Drawn, graph: ModelGraph, found: Ranking, most: int) -> None:
    shown, rest = found.features[:most], found.features[most:]
    more = [f"The first {most:,}; the other {len(rest):,} count less"] if rest else []
    headline(drawn, f"Importance of features: {shortened(graph.name)}", found.measure, *more)
    axes = drawn.subplots()
    places = range(len(shown))
    values = [value for _, value in shown]
    axes.barh(places, values, height=0.62, color=ACCENT)
    axes.set_yticks(places, [shortened(name) for name, _ in shown], color=INK, fontsize=9)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, (max(values) or 1.0) * 1.12)  # room for the numbers
    axes.set_xticks([])
    for place, value in zip(places, values, strict=True):
        how: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": QUIET}
        axes.annotate(_written(value, values[0]), (value, place), xytext=(4, 0), **how)
    without_frame(axes)


def _written(value: float, largest: float) -> str:
    """Write a number as exactly as three digits of the largest one are."""
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest else 0
    least = 10.0**-decimals
    return f"<{least:.{decimals}f}" if 0 < value < least / 2 else f"{value:,.{decimals}f}"
