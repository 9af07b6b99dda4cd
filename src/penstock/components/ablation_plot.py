"""A component that shows what each feature and each modality is worth: plot_ablation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.components.canvas import ACCENT, FAINT, INK, QUIET, drawing, headline, shortened, without_frame
from penstock.models.judging.scores import is_rising
from penstock.pipelines import step
from penstock.tables import Table
from penstock.values import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

_MODALITY = "#c2571a"

Rows = list[dict[str, Any]]


@step(modes={"train"})
def plot_ablation(ablation: Table, name: str = "") -> Figure:
    """Show by how much a model is worse without each modality and each feature, and how good each is by itself; upright
    to the bars' ends are two standard errors. Needs the extra `plots`."""
    rows = ablation.to_pylist()
    whole, others = rows[0], rows[1:]
    without = [row for row in others if not row["alone"] and row["difference"] is not None]
    alone = [row for row in others if row["alone"] and row["value"] is not None]
    worse = -1.0 if is_rising(whole["metric"].rpartition(".")[2]) else 1.0
    without.sort(key=lambda row: -worse * row["difference"])
    alone.sort(key=lambda row: worse * row["value"])
    panels = [panel for panel in (without, alone) if panel]
    height = 1.5 + 0.27 * sum(map(len, panels)) + 0.6 * len(panels)
    return drawing(6.8, height, lambda drawn: _draw(drawn, name, whole, without, alone, worse))


def _draw(drawn: Drawn, name: str, whole: dict[str, Any], without: Rows, alone: Rows, worse: float) -> None:
    metric = whole["metric"]
    better = "more" if worse < 0 else "less"
    headline(
        drawn,
        f"What features are worth: {shortened(name)}" if name else "What features are worth",
        f"{metric} of the whole model: {whole['value']:.4g} ({better} is better)",
        "Lines: two standard errors; in orange all features that show the same",
    )
    panels = [rows for rows in (without, alone) if rows]
    grid = drawn.subplots(len(panels), 1, squeeze=False, height_ratios=[len(rows) + 1 for rows in panels])
    for (axes,), rows in zip(grid, panels, strict=True):
        if rows is without:
            axes.set_title(f"{metric} worse without it by", loc="left", fontsize=9)
            _bars(axes, rows, [worse * row["difference"] for row in rows])
            axes.axvline(0.0, color=QUIET, linewidth=0.8)
        else:
            axes.set_title(f"{metric} of it alone (dashed: of all)", loc="left", fontsize=9)
            _bars(axes, rows, [row["value"] for row in rows])
            axes.axvline(whole["value"], color=QUIET, linewidth=0.8, dashes=(4, 3))


def _bars(axes: Axes, rows: Rows, values: list[float]) -> None:
    places = range(len(rows))
    colours = [_MODALITY if row["kind"] == "modality" else ACCENT for row in rows]
    axes.barh(places, values, height=0.62, color=colours)
    errors = [2 * (row["standard_error"] or 0.0) for row in rows]
    axes.hlines(
        places,
        [value - error for value, error in zip(values, errors, strict=True)],
        [value + error for value, error in zip(values, errors, strict=True)],
        color=INK,
        linewidth=1.0,
    )
    labels = [shortened(row["variant"].removeprefix("without ").removeprefix("only ")) for row in rows]
    axes.set_yticks(places, labels, color=INK, fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter("{x:,g}")
    without_frame(axes)
