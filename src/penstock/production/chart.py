"""Values over windows of time, drawn as SVG: a line for each version, a bound; the same bytes for the same values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _ABOVE, _BELOW = 300, 130, 52, 10, 26, 24

Line = Mapping[str, float | None]
"""A value, or none, by the name of its window."""


def chart(title: str, windows: Sequence[str], lines: Mapping[str, Line], *, bound: float | None = None) -> str:
    """Return the SVG of lines over windows, the newest on the right; `bound` is what is still good. A window under the
    pointer says its values."""
    values = [value for line in lines.values() for value in line.values() if value is not None]
    low, high = min([0.0, *values]), max([*values, bound or 0.0])
    high = high if high > low else low + 1.0
    parts = [*_axes(title, windows, low, high), *_bound(bound, low, high)]
    for number, (name, line) in enumerate(lines.items()):
        parts += _line(name, windows, line, low, high, look=f"line{number % 4}")
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg {size} role="img">\n<title>{escape(title)}</title>\n' + "\n".join(parts) + "\n</svg>"


def number(value: float | None) -> str:
    """Return a number as it is shown."""
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _across(place: int, count: int) -> float:
    inner = _WIDTH - _LEFT - _RIGHT
    return _LEFT + inner * (0.5 if count == 1 else place / (count - 1))


def _up(value: float, low: float, high: float) -> float:
    return _HEIGHT - _BELOW - (value - low) / (high - low) * (_HEIGHT - _BELOW - _ABOVE)


def _axes(title: str, windows: Sequence[str], low: float, high: float) -> Iterator[str]:
    bottom = _HEIGHT - _BELOW
    yield f'<text class="name" x="0" y="13">{escape(title)}</text>'
    yield f'<path class="axis" d="M{_LEFT} {_ABOVE - 4}V{bottom}H{_WIDTH - _RIGHT}"/>'
    for value in (low, high):
        y = _up(value, low, high) + 4
        yield f'<text class="small" x="{_LEFT - 6}" y="{y:.1f}" text-anchor="end">{escape(number(value))}</text>'
    ends = dict.fromkeys((0, len(windows) - 1)) if windows else {}
    for place in ends:
        anchor = "start" if place == 0 and len(windows) > 1 else "end" if place else "middle"
        x = _across(place, len(windows))
        label = escape(windows[place])
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{label}</text>'


def _bound(bound: float | None, low: float, high: float) -> Iterator[str]:
    if bound is not None and low <= bound <= high:
        y = _up(bound, low, high)
        yield f'<path class="bound" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'


def _line(name: str, windows: Sequence[str], line: Line, low: float, high: float, *, look: str) -> Iterator[str]:
    """Yield a line that breaks off where a window has no value, and a dot for each that has one."""
    path, drawing = [], False
    for place, window in enumerate(windows):
        value = line.get(window)
        if value is None:
            drawing = False
            continue
        x, y = _across(place, len(windows)), _up(value, low, high)
        path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        drawing = True
        told = escape(f"{name} {window}: {number(value)}".strip())
        yield f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{told}</title></circle>'
    if path:
        yield f'<path class="{look}" d="{"".join(path)}"/>'
