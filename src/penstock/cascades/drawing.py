"""A cascade drawn as SVG: its router, a ribbon to each route as wide as its share of the rows, what each route uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from penstock.models.reporting import metric_name, number, percent

_BOX_WIDTH, _BOX_HEIGHT, _GAP, _BETWEEN, _MARGIN = 240, 80, 24, 270, 2
_LEVEL = 180  # of the way between boxes: there a ribbon is straight, and its share and condition stand
_RIBBON, _ROOMY = 56, 40  # the width of all rows; from which one on there is room for letters inside
_NAME, _SMALL, _CONDITION = 24, 38, 28

Report = Mapping[str, Any]


def drawn(report: Report) -> str:
    """Return the SVG of a cascade by its report; a cascade within is drawn at its place."""
    height = _leaves(report) * (_BOX_HEIGHT + _GAP) - _GAP + 2 * _MARGIN
    width = _depth(report) * (_BOX_WIDTH + _BETWEEN) + _BOX_WIDTH + 2 * _MARGIN
    parts = "\n".join(_tree(report, _MARGIN, _MARGIN, report["rows"]["judged"]))
    told = ", ".join(f"{percent(each['shares']['judged'])} to {each['name']}" for each in report["routes"])
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">\n'
        f"<title>{escape(report['cascade'])}: {escape(told)}</title>\n{parts}\n</svg>"
    )


def _leaves(report: Report) -> int:
    return sum(_leaves(inner) if (inner := _within(report, each)) else 1 for each in report["routes"])


def _depth(report: Report) -> int:
    return 1 + max((_depth(inner) if (inner := _within(report, each)) else 0 for each in report["routes"]), default=0)


def _within(report: Report, route: Mapping[str, Any]) -> Report | None:
    found: Report | None = report["inner"].get(route["stage"])
    return found


def _tree(report: Report, left: float, top: float, all_rows: int, within: str = "") -> Iterator[str]:
    """Yield the router's box in the middle of its routes, and to the right of it each of these with its ribbon."""
    height = _leaves(report) * (_BOX_HEIGHT + _GAP) - _GAP
    middle, right = top + height / 2, left + _BOX_WIDTH + _BETWEEN
    judged = report["rows"]["judged"] or 1
    start = middle - _RIBBON / 2 * report["rows"]["judged"] / (all_rows or 1)
    boxes: list[str] = []
    y = top
    for each in report["routes"]:
        inner = _within(report, each)
        tall = (_leaves(inner) if inner else 1) * (_BOX_HEIGHT + _GAP) - _GAP
        thick = _RIBBON * each["rows"] / (all_rows or 1)
        yield _ribbon(left + _BOX_WIDTH, start + thick / 2, right, y + tall / 2, thick)
        boxes += _label(right, y + tall / 2, each, each["rows"] / judged, thick)
        boxes += _tree(inner, right, y, all_rows, each["name"]) if inner else _box(right, y, report, each)
        start, y = start + thick, y + tall + _GAP
    yield from boxes
    yield from _router(left, middle - _BOX_HEIGHT / 2, report, within)


def _ribbon(left: float, start: float, right: float, end: float, thick: float) -> str:
    level, half = right - _LEVEL, max(thick, 1.0) / 2
    bend = (left + level) / 2
    if not thick:
        way = f"M{left} {start:.1f}C{bend} {start:.1f} {bend} {end:.1f} {level} {end:.1f}H{right}"
        return f'<path class="none" d="{way}"/>'
    over = (
        f"M{left} {start - half:.1f}C{bend} {start - half:.1f} {bend} {end - half:.1f} {level} {end - half:.1f}H{right}"
    )
    under = f"V{end + half:.1f}H{level}C{bend} {end + half:.1f} {bend} {start + half:.1f} {left} {start + half:.1f}Z"
    return f'<path class="ribbon" d="{over}{under}"/>'


def _label(right: float, middle: float, route: Mapping[str, Any], share: float, thick: float) -> Iterator[str]:
    """Yield the share of a ribbon and its condition: in it where there is room, else above and below."""
    above, below = (middle - 3, middle + 15) if thick >= _ROOMY else (middle - thick / 2 - 6, middle + thick / 2 + 15)
    yield _text(right - 12, above, percent(share), "share", anchor="end")
    yield _text(
        right - 12, below, _condition(route["when"]), "small", most=_CONDITION, anchor="end", whole=route["when"]
    )


def _condition(when: str | None) -> str:
    """Return a condition as short as it stays clear: of one router's columns it need not say whose they are."""
    if when is None:
        return "otherwise"
    return re.sub(r"`[^`]*:probability:([^`]*)`", r"P(\1)", re.sub(r"`[^`]*:confidence`", "confidence", when))


def _router(left: float, top: float, report: Report, within: str) -> Iterator[str]:
    found = report["router"]
    yield f'<rect class="box router" x="{left}" y="{top}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="8"/>'
    yield _text(left + 14, top + 25, found["name"], "name", most=_NAME)
    of = f"router of {within}" if within else "router"
    yield _text(left + 14, top + 45, f"{of}, {found['type']}", "small", most=_SMALL)
    for name in ("accuracy", "mean_absolute_error"):
        if name in found["metrics"]:
            said = f"{metric_name(name)} {number(found['metrics'][name])}"
            yield _text(left + 14, top + 64, said, "small", most=_SMALL)
            return


def _box(left: float, top: float, report: Report, route: Mapping[str, Any]) -> Iterator[str]:
    yield f'<rect class="box" x="{left}" y="{top}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="8"/>'
    yield _text(left + 14, top + 25, route["name"], "name", most=_NAME)
    yield _text(left + 14, top + 45, stage_told(route), "small", most=_SMALL)
    found = route["routed"].get(report["metric"])
    said = f"{metric_name(report['metric'])} {number(found)}" if found is not None else f"{route['rows']:,} rows"
    yield _text(left + 14, top + 64, said, "small", most=_SMALL)


def stage_told(route: Mapping[str, Any]) -> str:
    """Return what predicts the rows of a route, in a few words."""
    if route["uses"] == "constant":
        return f"always {route['constant']}"
    if route.get("baseline_instead"):
        return "the baseline: too few rows"
    learned = "" if route["learned_from"] is None else f", {route['learned_from']:,} rows"
    return f"{route['type']}{learned}"


def _text(
    x: float, y: float, text: str, classes: str, *, most: int = _NAME, anchor: str = "start", whole: str | None = None
) -> str:
    """Return a text as far as there is room for it; the whole of it shows under the pointer."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    told = "" if shown == (whole or text) else f"<title>{escape(whole or text)}</title>"
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{classes}" {where}>{escape(shown)}{told}</text>'
