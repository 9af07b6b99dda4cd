"""A component that shows what a search has found: plot_tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.components.canvas import ACCENT, FAINT, INK, QUIET, drawing, headline, shortened, without_frame
from penstock.errors import DataError
from penstock.models.fitting.parameter_importance import parameter_importance
from penstock.pipelines import step
from penstock.tables import Table
from penstock.values import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

_BEST = "#c2571a"
_ACROSS = 3
_MARKS = {"pruned": "^", "failed": "x"}

Rows = list[dict[str, Any]]


class TuningFigures(NamedTuple):
    """The values of the trials one after the other; how much each parameter counts; each trial as a line through its
    parameters; and the value against each parameter."""

    history: Figure
    importance: Figure
    parallel: Figure
    slices: Figure


@step(modes={"train"})
def plot_tuning(
    trials: Table, metric: str = "", maximize: bool = False, by_logarithm: list[str] | None = None
) -> TuningFigures:
    """Show what a search has found, from a row for each trial as `ps.tune` and `project.tune` give them: how it went,
    which parameters count, and where good values lie; the parameters `by_logarithm` on that scale. Needs the extras
    `plots` and `tune`."""
    rows = trials.to_pylist()
    judged = [row for row in rows if row["value"] is not None and row["state"] == "succeeded"]
    if not judged:
        raise DataError("none of the trials has a value; there is nothing to draw")
    best = (max if maximize else min)(judged, key=lambda row: row["value"])
    said = f"{metric or 'value'} ({'more' if maximize else 'less'} is better)"
    names = list(best["params"])
    counted = parameter_importance(rows, maximize)
    down = -(-len(names) // _ACROSS)
    across = min(len(names), _ACROSS)
    return TuningFigures(
        drawing(6.4, 3.8, lambda drawn: _history(drawn, rows, judged, said, maximize)),
        drawing(6.4, 1.4 + 0.3 * max(1, len(counted)), lambda drawn: _importance(drawn, counted, said)),
        drawing(max(5.0, 1.6 * (len(names) + 1)), 4.2, lambda drawn: _parallel(drawn, judged, best, names, said)),
        drawing(
            max(4.6, 2.6 * across),
            0.9 + 2.5 * down,
            lambda drawn: _slices(drawn, judged, {name: name in (by_logarithm or ()) for name in names}, said, best),
        ),
    )


def _history(drawn: Drawn, rows: Rows, judged: Rows, said: str, maximize: bool) -> None:
    without = {state: [row["trial"] for row in rows if row["state"] == state] for state in _MARKS}
    told = [f"{len(numbers)} {state} ({mark})" for (state, numbers), mark in zip(without.items(), "▲×", strict=True)]
    headline(
        drawn, "Trials, one after the other", said, f"The line: the best until then; at the bottom: {', '.join(told)}"
    )
    axes = drawn.subplots()
    numbers, values = [row["trial"] for row in judged], [row["value"] for row in judged]
    axes.scatter(numbers, values, s=16, color=ACCENT, zorder=3)
    reached = [(max if maximize else min)(values[: at + 1]) for at in range(len(values))]
    axes.step(numbers, reached, where="post", color=_BEST, linewidth=1.4)
    bottom = axes.get_ylim()[0]
    for state, mark in _MARKS.items():
        axes.scatter(without[state], [bottom] * len(without[state]), marker=mark, s=18, color=QUIET, clip_on=False)
    axes.set_xlabel("trial")
    _grid(axes)


def _importance(drawn: Drawn, counted: dict[str, float], said: str) -> None:
    why = "Its share in how much the trials differ" if counted else "Too few trials, or all alike: nothing can be said"
    headline(drawn, "How much each parameter counts", why, said)
    axes = drawn.subplots()
    places = range(len(counted))
    axes.barh(places, list(counted.values()), height=0.62, color=ACCENT)
    axes.set_yticks(places, [shortened(name) for name in counted], color=INK, fontsize=9)
    axes.set_ylim(len(counted) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_xlim(0, 1.12 * max(counted.values(), default=1.0))
    for place, value in zip(places, counted.values(), strict=True):
        how: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": QUIET}
        axes.annotate(f"{value:.0%}", (value, place), xytext=(4, 0), **how)
    without_frame(axes)


def _parallel(drawn: Drawn, judged: Rows, best: dict[str, Any], names: Sequence[str], said: str) -> None:
    headline(drawn, "Each trial as a line", f"{said}; darker: better; in orange the best")
    axes = drawn.subplots()
    scales = [_scale([row["params"][name] for row in judged]) for name in names]
    values = _scale([row["value"] for row in judged])
    order = sorted(judged, key=lambda row: abs(row["value"] - best["value"]), reverse=True)
    for rank, row in enumerate(order):
        heights = [scale.place(row["params"][name]) for name, scale in zip(names, scales, strict=True)]
        shade = 0.12 + 0.6 * (rank + 1) / len(order)
        is_best = row is best
        axes.plot(
            range(len(names) + 1),
            [*heights, values.place(row["value"])],
            color=_BEST if is_best else ACCENT,
            alpha=1.0 if is_best else shade,
            linewidth=1.8 if is_best else 0.9,
            zorder=3 if is_best else 2,
        )
    for at, scale in enumerate([*scales, values]):
        axes.axvline(at, color=FAINT, linewidth=0.8, zorder=1)
        for height, text in scale.marks():
            how: dict[str, Any] = {"textcoords": "offset points", "fontsize": 7, "color": QUIET, "va": "center"}
            axes.annotate(text, (at, height), xytext=(4, 0), **how)
    axes.set_xticks(range(len(names) + 1), [*map(shortened, names), "value"], color=INK, fontsize=8)
    axes.set_yticks([])
    without_frame(axes)


def _slices(drawn: Drawn, judged: Rows, names: Mapping[str, bool], said: str, best: dict[str, Any]) -> None:
    headline(drawn, "The value against each parameter", f"{said}; in orange the best trial")
    grid = drawn.subplots(-(-len(names) // _ACROSS), min(len(names), _ACROSS), squeeze=False, sharey=True)
    cells = [axes for line in grid for axes in line]
    for axes, name in zip(cells, names, strict=False):
        given = [row["params"][name] for row in judged]
        numbers = all(_is_number(value) for value in given)
        shown = given if numbers else [_text(value) for value in given]
        axes.scatter(shown, [row["value"] for row in judged], s=14, color=ACCENT, alpha=0.75)
        own = best["params"][name]
        axes.scatter([own if numbers else _text(own)], [best["value"]], s=30, color=_BEST, zorder=3)
        if names[name] and numbers and min(given) > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        axes.set_title(shortened(name), fontsize=9, loc="left")
        _grid(axes)
    for axes in cells[len(names) :]:
        axes.set_visible(False)


def _grid(axes: Axes) -> None:
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


class _Scale(NamedTuple):
    """Where values stand on an axis from 0 to 1: numbers between the least and the largest, others one above the
    other."""

    values: tuple[Any, ...]
    numbers: bool

    def place(self, value: Any) -> float:
        """Return how high a value stands."""
        if not self.numbers:
            return 0.5 if len(self.values) == 1 else self.values.index(_text(value)) / (len(self.values) - 1)
        low, high = self.values
        return 0.5 if high == low else (value - low) / (high - low)

    def marks(self) -> list[tuple[float, str]]:
        """Return what is written beside the axis."""
        if self.numbers:
            return [(self.place(value), f"{value:.4g}") for value in dict.fromkeys(self.values)]
        return [(self.place(value), shortened(value)) for value in self.values]


def _scale(values: Sequence[Any]) -> _Scale:
    if all(_is_number(value) for value in values):
        return _Scale((min(values), max(values)), True)
    return _Scale(tuple(sorted({_text(value) for value in values})), False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
