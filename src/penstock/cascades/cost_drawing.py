"""What candidates cost and how good they are, drawn as SVG: each a dot, the chosen one in colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from penstock.models.reporting import metric_name, number

_WIDTH, _HEIGHT, _LEFT, _BELOW, _ABOVE = 620, 300, 84, 44, 24

Candidate = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values, and where its ends are drawn."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value is; the middle, where all are equal."""
        part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + part * (self.end - self.start)


def costs_drawn(report: Mapping[str, Any]) -> str:
    """Return the SVG of the candidates by what the mean row costs (to the right) and by the metric (upwards)."""
    dots = [each for each in report["candidates"] if each["cost"] is not None and each["value"] is not None]
    budget = report["cost"]["budget"] if report["cost"] else None
    costs = [*(each["cost"] for each in dots), *(() if budget is None else (budget,))]
    values = [each["value"] for each in dots]
    across = Axis(min(costs), max(costs), _LEFT + 16, _WIDTH - 24)
    up = Axis(min(values), max(values), _HEIGHT - _BELOW - 12, _ABOVE)
    parts = "\n".join([*_axes(report["metric"], across, up), *_budget(budget, across), *_dots(dots, across, up)])
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    title = f"<title>Cost and {metric_name(report['metric'])} of {len(dots)} candidates</title>"
    return f'<svg {size} role="img">\n{title}\n{parts}\n</svg>'


def _axes(metric: str, across: Axis, up: Axis) -> Iterator[str]:
    bottom = _HEIGHT - _BELOW
    yield f'<path class="axis" d="M{_LEFT} {_ABOVE - 12}V{bottom}H{_WIDTH - 12}"/>'
    for value in dict.fromkeys((across.low, across.high)):
        x = across.at(value)
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(number(value))}</text>'
    for value in dict.fromkeys((up.low, up.high)):
        y = up.at(value) + 4
        yield f'<text class="small" x="{_LEFT - 8}" y="{y:.1f}" text-anchor="end">{escape(number(value))}</text>'
    yield f'<text class="small" x="{_WIDTH / 2}" y="{bottom + 36}" text-anchor="middle">cost of the mean row</text>'
    yield f'<text class="small" x="{_LEFT}" y="{_ABOVE - 14}" text-anchor="middle">{escape(metric_name(metric))}</text>'


def _budget(budget: float | None, across: Axis) -> Iterator[str]:
    if budget is None:
        return
    x = across.at(budget)
    yield f'<path class="budget" d="M{x:.1f} {_ABOVE}V{_HEIGHT - _BELOW}"/>'
    yield f'<text class="small" x="{x - 6:.1f}" y="{_ABOVE + 4}" text-anchor="end">budget</text>'


def _dots(dots: list[Candidate], across: Axis, up: Axis) -> Iterator[str]:
    """Yield the dots, the chosen one last so that it lies above the others; each says under the pointer what it is."""
    for each in sorted(dots, key=lambda one: bool(one["chosen"])):
        thresholds = "".join(f", {name} {number(value)}" for name, value in each["thresholds"].items())
        told = f"{each['policy']}{thresholds}: {number(each['value'])} for {number(each['cost'])}"
        look = "chosen" if each["chosen"] else "single" if each["policy"] == "single_model" else "candidate"
        where = f'cx="{across.at(each["cost"]):.1f}" cy="{up.at(each["value"]):.1f}" r="{6 if each["chosen"] else 4}"'
        yield f'<circle class="{look}" {where}><title>{escape(told)}</title></circle>'
