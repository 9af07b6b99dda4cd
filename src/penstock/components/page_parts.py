"""The parts of a page: tables, and the small drawings in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_WIDTH, _HEIGHT = 160, 28


def number(value: Any) -> str:
    """Return a number as a person reads it."""
    return f"{value:,.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def table(rows: Iterable[Sequence[Any]], *, titles: Sequence[str]) -> str:
    """Return a table; cells are texts, or numbers, which stand to the right. A `Drawn` is HTML already."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "\n".join(f"<tr>{''.join(map(_td, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n{body}\n</table></div>'


class Drawn(str):
    """Text that is HTML already."""

    __slots__ = ()


_PASSED, _FAILED = Drawn('<span class="good">passed</span>'), Drawn('<span class="bad">failed</span>')


def metrics(value: Mapping[str, Any]) -> str:
    """Return numbers by name."""
    return table([(name, "no value" if each is None else each) for name, each in value.items()], titles=("metric", ""))


def statistics(value: Mapping[str, Any]) -> str:
    """Return what every column looks like, with a histogram of its numbers, or its most frequent values."""
    rows = [
        (
            each["name"],
            each["type"],
            f"{100 * each['nulls'] / each['rows']:.3g} %" if each["rows"] else "",
            each.get("distinct", ""),
            each.get("min", ""),
            each.get("quantiles", {}).get("0.5", ""),
            each.get("max", ""),
            _distribution(each),
        )
        for each in value["columns"]
    ]
    titles = ("column", "type", "NULL", "distinct", "least", "median", "most", "")
    return f'<p class="quiet">{value.get("rows", 0):,} rows</p>\n{table(rows, titles=titles)}'


def blessing(value: Mapping[str, Any]) -> str:
    """Return the verdict, each check with why, and how the slices compare."""
    verdict = '<p class="good">blessed</p>' if value["blessed"] else '<p class="bad">NOT blessed</p>'
    rows = [(_PASSED if each["passed"] else _FAILED, each["why"]) for each in value["checks"]]
    notes = "".join(f'<p class="quiet">{escape(note)}</p>' for note in value.get("notes", ()))
    measured = metrics(value["measured"]) if value.get("measured") else ""
    return "\n".join([verdict, table(rows, titles=("", "check")) if rows else "", notes, measured, _slices(value)])


def _slices(value: Mapping[str, Any]) -> str:
    """Return the first checked metric of every slice beside that of all rows."""
    names = [each["name"] for each in value["checks"] if each["name"] in value.get("metrics", {})]
    if not names or not value.get("slices"):
        return ""
    name = names[0]
    every = [each for each in value["slices"] if each["metrics"].get(name) is not None]
    if not every or value["metrics"][name] is None:
        return ""
    ends = [end for each in every for end in (each["metrics"][name], *each["intervals"].get(name, ()))]
    low, high = min(*ends, value["metrics"][name]), max(*ends, value["metrics"][name])
    rows = [
        (each["slice"], each["rows"], each["metrics"][name],
         _mark(each["metrics"][name], each["intervals"].get(name), value["metrics"][name], low, high))
        for each in every
    ]  # fmt: skip
    return f"<p>{escape(name)} by slice; dashed: all rows</p>\n" + table(rows, titles=("slice", "rows", name, ""))


def _mark(value: float, interval: Sequence[float] | None, whole: float, low: float, high: float) -> Drawn:
    """Draw a value as a dot, with its interval as a line, between the ends of all."""
    room = _WIDTH - 12

    def across(at: float) -> float:
        return 6 + room * ((at - low) / (high - low) if high > low else 0.5)

    middle = _HEIGHT / 2
    line = ""
    if interval is not None:
        one, two = map(across, interval)
        line = f'<line x1="{one:.1f}" x2="{two:.1f}" y1="{middle}" y2="{middle}"/>'
    all_rows = f'<line class="whole" x1="{across(whole):.1f}" x2="{across(whole):.1f}" y1="2" y2="{_HEIGHT - 2}"/>'
    return _svg(f'{all_rows}{line}<circle cx="{across(value):.1f}" cy="{middle}" r="4"/>')


def _distribution(column: Mapping[str, Any]) -> Drawn | str:
    if counts := column.get("histogram", {}).get("counts"):
        most, wide = max(counts) or 1, _WIDTH / len(counts)
        bars = [
            f'<rect x="{place * wide:.1f}" y="{_HEIGHT * (1 - count / most):.1f}" width="{max(0.5, wide - 0.6):.1f}" '
            f'height="{_HEIGHT * count / most:.1f}"/>'
            for place, count in enumerate(counts)
        ]
        return _svg("".join(bars))
    return ", ".join(f"{each['value']} ({each['count']:,})" for each in column.get("top", ())[:5])


def _svg(content: str) -> Drawn:
    return Drawn(f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{content}</svg>')


def _td(value: Any) -> str:
    if isinstance(value, Drawn):
        return f"<td>{value}</td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="number">{number(value)}</td>'
    return f"<td>{escape(str(value)).replace(chr(10), '<br>')}</td>"
