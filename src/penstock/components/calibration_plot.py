"""A component that shows whether what is predicted is what is observed: plot_calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.components.canvas import ACCENT, FAINT, QUIET, drawing, headline, shortened
from penstock.models import ModelGraph
from penstock.pipelines import step
from penstock.tables import Table
from penstock.values import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

_MEANS = ("predicted", "observed")
_PANELS = 9
_ACROSS = 3
_NAMED_BINS = 12
_SURE = 1.96  # of a normal distribution, 95 % lie within so many deviations
_DASHED = "Dashed: observed as predicted"
_ERROR = "expected_calibration_error"

Bins = Sequence[dict[str, Any]]


@step(modes={"train"})
def plot_calibration(graph: ModelGraph, rows: Table, bins: int = 10) -> Figure:
    """Show what was observed of rows against what they were predicted as, in bins: of a good model on the diagonal.

    Of a classifier that is the share of rows that have a label against its probability, with a 95 % interval, a panel
    for each class if there are more than two; of a regression the mean of the values, and where the middle 80 % of them
    lie. Below is how many rows each bin has. Needs the extra `plots`.
    """
    found = graph.calibration(rows, bins).to_pylist()
    if "class_label" not in found[0]:
        return drawing(5.0, 6.0, lambda drawn: _draw_values(drawn, graph, found))
    of_class: dict[Any, list[dict[str, Any]]] = {}
    for each in found:
        of_class.setdefault(each["class_label"], []).append(each)
    panels = sorted(of_class.values(), key=lambda panel: -panel[0][_ERROR])[:_PANELS]
    panels = [panel for panel in of_class.values() if any(panel is shown for shown in panels)]
    if len(panels) == 1:
        return drawing(5.0, 6.0, lambda drawn: _draw_classes(drawn, graph, panels, len(of_class)))
    across, down = min(len(panels), _ACROSS), math.ceil(len(panels) / _ACROSS)
    size = (3.0 * across + 0.4, 3.6 * down + 0.9)
    return drawing(*size, lambda drawn: _draw_classes(drawn, graph, panels, len(of_class)))


def _draw_classes(drawn: Drawn, graph: ModelGraph, panels: Sequence[Bins], classes: int) -> None:
    label, one = shortened(graph.label or ""), len(panels) == 1
    asked = f"{label} = {shortened(str(panels[0][0]['class_label']))}" if one else label
    error = _percent(panels[0]) if one else "above each class"
    left_out = [f"The {len(panels)} of {classes} classes whose error is the largest"] if len(panels) < classes else []
    headline(
        drawn,
        f"Observed against predicted: {asked}",
        _of_rows(graph, panels[0], error),
        f"{_DASHED}; upright lines: 95 % intervals of the shares",
        *left_out,
    )
    across = min(len(panels), _ACROSS)
    down = math.ceil(len(panels) / across)
    grid = drawn.subplots(2 * down, across, squeeze=False, height_ratios=[4, 1] * down)
    for number in range(across * down):
        main, counts = (grid[2 * (number // across) + part][number % across] for part in (0, 1))
        if number >= len(panels):
            main.remove()
            counts.remove()
            continue
        _draw_shares(main, counts, panels[number])
        if not one:
            name = shortened(str(panels[number][0]["class_label"]))
            main.set_title(f"{name}: error {_percent(panels[number])}", loc="left", fontsize=9)
        if number % across == 0:
            main.set_ylabel("Observed share of rows (%)")
            counts.set_ylabel("Rows")
        if number + across >= len(panels):
            counts.set_xlabel("Predicted probability (%)")
    drawn.align_ylabels()


def _draw_shares(main: Axes, counts: Axes, panel: Bins) -> None:
    _draw_diagonal(main, 0, 100)
    _draw_means(main, panel, [_interval(each["observed"], each["rows"]) for each in panel], scale=100)
    _draw_counts(counts, panel, scale=100)
    for axes in (main, counts):
        axes.set_xlim(-3, 103)
        axes.set_xticks(range(0, 101, 20))
    main.set_ylim(-3, 103)
    main.set_yticks(range(0, 101, 20))
    main.tick_params(labelbottom=False)
    if len(panel) > _NAMED_BINS:
        return
    counts.set_yticks([])
    counts.margins(y=0.35)
    for each in panel:
        middle = 50 * (each["lower"] + each["upper"])
        how: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 6.5, "color": QUIET}
        counts.annotate(_short(each["rows"]), (middle, each["rows"]), xytext=(0, 2), **how)


def _draw_values(drawn: Drawn, graph: ModelGraph, panel: Bins) -> None:
    label = shortened(graph.label or "")
    headline(
        drawn,
        f"Observed against predicted: {label}",
        _of_rows(graph, panel, f"{panel[0][_ERROR]:.3g}"),
        f"{_DASHED}; upright lines: 80 % of what was observed",
    )
    main, counts = drawn.subplots(2, sharex=True, height_ratios=[4, 1])
    _draw_means(main, panel, [(each["observed_p10"], each["observed_p90"]) for each in panel], scale=1)
    _draw_diagonal(main, panel[0]["lower"], panel[-1]["upper"])
    _draw_counts(counts, panel, scale=1)
    main.set_ylabel(f"Observed {label}")
    counts.set_ylabel("Rows")
    counts.set_xlabel(f"Predicted {label}")
    drawn.align_ylabels()


def _draw_means(axes: Axes, bins: Bins, ranges: Sequence[tuple[float, float]], *, scale: float) -> None:
    """Draw the means as dots; the line breaks off where a bin has no rows."""
    across, up = ([math.nan if each[name] is None else scale * each[name] for each in bins] for name in _MEANS)
    lows, highs = ([scale * ends[side] for ends in ranges] for side in (0, 1))
    axes.vlines(across, lows, highs, color=ACCENT, alpha=0.35, linewidth=2.5)
    axes.plot(across, up, "o-", color=ACCENT, markersize=5, linewidth=1.2)
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_major_formatter("{x:,g}")


def _draw_diagonal(axes: Axes, start: float, end: float) -> None:
    axes.plot([start, end], [start, end], color=QUIET, linewidth=0.8, dashes=(4, 3), zorder=1)


def _draw_counts(axes: Axes, bins: Bins, *, scale: float) -> None:
    lefts = [scale * each["lower"] for each in bins]
    widths = [scale * (each["upper"] - each["lower"]) for each in bins]
    axes.bar(lefts, [each["rows"] for each in bins], widths, align="edge", color=FAINT, edgecolor="white")
    axes.locator_params(axis="y", integer=True)
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _of_rows(graph: ModelGraph, panel: Bins, error: str) -> str:
    rows = sum(each["rows"] for each in panel)
    return f"Expected calibration error {error}, {rows:,} rows, model {shortened(graph.name)}"


def _percent(panel: Bins) -> str:
    percent = 100 * panel[0][_ERROR]
    return "<0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


def _short(rows: int) -> str:
    """Write a number of rows in the width of a bin."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if rows >= 10 * unit:
            return f"{rows / unit:,.0f}{name}"
    return f"{rows:,}" if rows else ""


def _interval(share: float | None, rows: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share: it stays within 0 and 1, and is right for few rows too."""
    if share is None:
        return math.nan, math.nan
    weight = _SURE**2 / rows
    middle = (share + weight / 2) / (1 + weight)
    half = _SURE / (1 + weight) * math.sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return max(0.0, middle - half), min(1.0, middle + half)
