"""The component that draws statistics, side by side where there are two: plot_statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from penstock import transforms
from penstock.components import page_parts as parts
from penstock.components.page import page
from penstock.pipelines import step
from penstock.values import Figure, html

_WIDTH, _HEIGHT, _BAR, _NAMES = 560, 130, 18, 150
_SHOWN = 12  # categories that are drawn
_FAR = 5.0  # how often the room of nine tenths of the values lies between the least and the greatest
_LOOKS = ("fill: var(--accent); fill-opacity: 0.75", "fill: var(--bad); fill-opacity: 0.45")
_MEASURES = (
    ("rows", "rows"), ("nulls", "NULL"), ("distinct", "distinct"), ("min", "least"), ("0.05", "5 % below"),
    ("0.5", "median"), ("0.95", "95 % below"), ("max", "most"), ("mean", "mean"), ("stddev", "deviation"),
    ("zeros", "zeros"), ("not_finite", "not finite"),
)  # fmt: skip


@step
def plot_statistics(
    statistics: dict[str, Any],
    other: dict[str, Any] | None = None,
    *,
    names: list[str] | None = None,
    title: str = "Statistics",
) -> Figure:
    """Draw what every column looks like, on one page of HTML that needs nothing else; with `other`, beside that.

        ps.plot_statistics(ps.statistics(train), ps.statistics(served), names=["training", "serving"])

    Columns that have shifted come first, with what has changed: what `ps.validate` would call skew.
    """
    called = names or (["before", "now"] if other is not None else [""])
    sides = [statistics] if other is None else [statistics, other]
    shifted = (
        {} if other is None else {each["column"]: each for each in transforms.shifts(statistics, other, kind="drift")}
    )
    columns = list(dict.fromkeys(column["name"] for side in sides for column in side["columns"]))
    columns.sort(key=lambda name: name not in shifted)
    sections = {name: parts.Drawn("".join(_column(name, sides, called, shifted.get(name)))) for name in columns}
    said = [f"{name}: {side['rows']:,} rows".removeprefix(": ") for name, side in zip(called, sides, strict=False)]
    if other is not None:
        said.append(f"{len(shifted)} of {len(columns)} columns have shifted; {called[0]} blue, {called[1]} red")
    return html(page(title, sections, said=said))


def _column(
    name: str, sides: Sequence[Mapping[str, Any]], called: Sequence[str], shifted: Mapping[str, Any] | None
) -> Iterator[str]:
    found = [next((column for column in side["columns"] if column["name"] == name), None) for side in sides]
    if shifted is not None:
        yield f'<p class="bad">{escape(shifted["message"])}</p>'
    there = [column for column in found if column is not None]
    if len(there) < len(sides):
        where = called[0 if found[0] is not None else 1]
        yield f'<p class="bad">only in {escape(where)}</p>'
    if not there:
        return
    yield _drawn(found)
    types = ("type", *(each["type"] if each is not None else "" for each in found))
    rows = [types, *(row for row in _measures(found) if any(cell != "" for cell in row[1:]))]
    yield parts.table(rows, titles=("", *called))


def _measures(found: Sequence[Mapping[str, Any] | None]) -> Iterator[tuple[Any, ...]]:
    for key, said in _MEASURES:
        yield said, *(_measure(column or {}, key) for column in found)
    for kind, ends in (("lengths", ("min", "max", "mean")), ("images", ("width", "height"))):
        for end in ends:
            yield f"{kind}: {end}", *(_inside((column or {}).get(kind) or {}, end) for column in found)
    yield "formats", *(_formats((column or {}).get("images") or {}) for column in found)


def _measure(column: Mapping[str, Any], key: str) -> Any:
    value = column.get(key, (column.get("quantiles") or {}).get(key))
    if key == "nulls" and column.get("rows"):
        return f"{column['nulls']:,} ({column['nulls'] / column['rows']:.1%})"
    return "" if value is None else value


def _inside(value: Mapping[str, Any], key: str) -> Any:
    found = value.get(key)
    if isinstance(found, Mapping):
        return f"{found['min']} to {found['max']}"
    return "" if found is None else found


def _formats(images: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in (images.get("formats") or {}).items())


def _drawn(found: Sequence[Mapping[str, Any] | None]) -> str:
    columns = [column or {} for column in found]
    if any("distribution" in column and column["histogram"]["edges"] for column in columns):
        return _histograms([column if column.get("quantiles") else {} for column in columns])
    return _bars(columns) if any(column.get("top") for column in columns) else ""


def _histograms(columns: Sequence[Mapping[str, Any]]) -> str:
    """Draw histograms over one axis: each bar is as high as there are many values for its width.

    Where a few values lie far out, the axis ends at 5 % and 95 %, and what lies between is drawn finer.
    """
    there = [column for column in columns if column]
    low, high = _range(there, "min", "max")
    inner = _range(there, "0.05", "0.95")
    form = "histogram"
    if high - low > _FAR * (inner[1] - inner[0]) > 0:
        (low, high), form = inner, "distribution"
    room = (high - low) or 1.0
    bars = [list(_densities(column[form], low, room)) if column else [] for column in columns]
    most = max((height for side in bars for _, _, height in side), default=0.0) or 1.0
    drawn = [
        f'<rect style="{look}" x="{(left - low) / room * _WIDTH:.1f}" y="{_HEIGHT * (1 - height / most):.1f}" '
        f'width="{max(1.0, wide / room * _WIDTH - 0.5):.1f}" height="{_HEIGHT * height / most:.1f}"/>'
        for look, side in zip(_LOOKS, bars, strict=False)
        for left, wide, height in side
    ]
    beyond = "; a tenth of the values lies beyond" if form == "distribution" else ""
    below = f'<p class="quiet">{parts.number(low)} to {parts.number(high)}{beyond}</p>'
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(drawn)}</svg>{below}'


def _range(columns: Sequence[Mapping[str, Any]], least: str, most: str) -> tuple[float, float]:
    ends = [[column.get(end, column["quantiles"].get(end)) for column in columns] for end in (least, most)]
    return min(ends[0]), max(ends[1])


def _densities(histogram: Mapping[str, Any], low: float, room: float) -> Iterator[tuple[float, float, float]]:
    """Yield where each bar that lies on the axis begins, its width, and its height."""
    edges, counts = histogram["edges"], histogram["counts"]
    total = sum(counts) or 1
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        is_point = right - left < room / 1000  # one value that is there often
        wide = room / 100 if is_point else right - left
        if left >= low - 1e-9 * room and left + wide <= low + room * (1 + 1e-9) + is_point * wide:
            yield left, wide, count / total / (wide / room)


def _bars(found: Sequence[Mapping[str, Any]]) -> str:
    """Draw the shares of the most frequent values, those of both below one another."""
    shares = [
        {str(entry["value"]): entry["count"] / ((column["rows"] - column["nulls"]) or 1) for entry in column["top"]}
        if column.get("top")
        else {}
        for column in found
    ]
    values = sorted({*(value for side in shares for value in side)}, key=lambda value: (-_most(shares, value), value))
    drawn = []
    for place, value in enumerate(values[:_SHOWN]):
        top = place * _BAR * len(found)
        label = value if len(value) <= 20 else f"{value[:19]}…"
        drawn.append(f'<text x="0" y="{top + 13}" font-size="12" fill="currentColor">{escape(label)}</text>')
        for row, (side, look) in enumerate(zip(shares, _LOOKS, strict=False)):
            wide = side.get(value, 0.0) * (_WIDTH - _NAMES)
            at = top + row * _BAR
            drawn.append(f'<rect style="{look}" x="{_NAMES}" y="{at + 2}" width="{wide:.1f}" height="{_BAR - 5}"/>')
    height = max(1, min(_SHOWN, len(values)) * _BAR * len(found))
    left_out = f'<p class="quiet">and {len(values) - _SHOWN:,} more</p>' if len(values) > _SHOWN else ""
    return f'<svg width="{_WIDTH}" height="{height}" role="img">{"".join(drawn)}</svg>{left_out}'


def _most(shares: Sequence[Mapping[str, float]], value: str) -> float:
    return max(side.get(value, 0.0) for side in shares)
