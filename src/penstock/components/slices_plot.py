"""A component that shows how a metric lies in slices: plot_slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.components.canvas import ACCENT, FAINT, INK, QUIET, drawing, headline, shortened, without_frame
from penstock.errors import DataError, UnknownNameError
from penstock.models.judging.bounds import metric_named
from penstock.pipelines import step
from penstock.values import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

_MOST = 40


@step(modes={"train"})
def plot_slices(blessing: dict[str, Any], metric: str = "") -> Figure:
    """Show a metric of every slice of a blessing as a dot with its interval, that of the baseline as a ring; a line
    stands where all rows are. Without a `metric`, the first that was checked. Needs the extra `plots`."""
    if not blessing.get("slices"):
        raise DataError("plot_slices: the blessing has no slices; give ps.bless slices=[...]")
    if metric:
        name = metric_named(metric, blessing["metrics"])
    else:
        checked = [each["name"] for each in blessing["checks"] if each["name"] in blessing["metrics"]]
        name = checked[0] if checked else next(iter(blessing["metrics"]))
    every = [each for each in blessing["slices"] if each["metrics"].get(name) is not None]
    if not every or blessing["metrics"].get(name) is None:
        raise UnknownNameError("metric with a value", name, [], within="the slices of the blessing")
    shown = every[:_MOST]
    return drawing(6.4, 1.3 + 0.27 * len(shown), lambda drawn: _draw(drawn, blessing, name, shown, len(every)))


def _draw(drawn: Drawn, blessing: Mapping[str, Any], name: str, shown: Sequence[Mapping[str, Any]], count: int) -> None:
    left_out = [f"The first {len(shown)} of {count} slices"] if count > len(shown) else []
    whole, rows = blessing["metrics"][name], blessing["rows"]
    of = [f"{100 * blessing['confidence']:g} % intervals"] if shown[0]["intervals"] else []
    of += ["rings: the baseline"] if shown[0]["baseline"] is not None else []
    told = f"All {rows:,} rows: {whole:.6g}, the upright line{''.join(f'; {each}' for each in of)}"
    headline(drawn, f"{name} by slice: {shortened(blessing['model'])}", told, *left_out)
    axes = drawn.subplots()
    axes.axvline(whole, color=QUIET, linewidth=0.8, dashes=(4, 3), zorder=1)
    for place, each in enumerate(shown):
        if (ends := each["intervals"].get(name)) is not None:
            axes.hlines(place, *ends, color=ACCENT, alpha=0.4, linewidth=2.5)
        if each["baseline"] is not None and each["baseline"].get(name) is not None:
            axes.plot(each["baseline"][name], place, "o", color=QUIET, markerfacecolor="none", markersize=7)
        axes.plot(each["metrics"][name], place, "o", color=ACCENT, markersize=5)
    names = [f"{shortened(each['slice'])}  ({each['rows']:,})" for each in shown]
    axes.set_yticks(range(len(shown)), names, color=INK, fontsize=9)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter("{x:,g}")
    without_frame(axes)
