"""What is monitored of a model as one page of HTML: charts over the windows, and tables; nothing that is not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from penstock.production.chart import chart, number
from penstock.production.monitoring import Monitoring
from penstock.production.performance import COLUMNS

_COUNTS = ("rows", "labelled_share", "latency_median_seconds", "latency_p99_seconds")
_MOST_CHARTS = 60
_WORDS = {"training": "what it has learned from", "before": "the window before"}

Rows = Sequence[Mapping[str, Any]]


def page(found: Monitoring) -> str:
    """Return the page of a model."""
    name, rows = escape(found.model), found.performance.to_pylist()
    windows = _windows(found)
    told = f"{found.rows:,} rows were answered in {len(windows)} windows of {_length(found.window)}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>penstock: {name} in production</title>",
            f"<style>\n{files('penstock.production').joinpath('monitoring.css').read_text()}</style>",
            f"<h1>{name}</h1>",
            f'<p class="quiet">in production · {told} · <a href="/">what this server has</a> · '
            f'<a href="/v1/models/{name}/monitoring">as JSON</a></p>',
            *_breaches(found),
            *_over_time(found, [row for row in rows if row["slice"] == ""], windows),
            *_changes(found, windows),
            *_slices([row for row in rows if row["slice"] != ""]),
            *_events(found),
            "</html>",
            "",
        ]
    )


def _windows(found: Monitoring) -> list[str]:
    moments = {row["window_start"] for table in (found.performance, found.changes) for row in table.to_pylist()}
    return [_window(found, moment) for moment in sorted(moments)]


def _window(found: Monitoring, moment: Any) -> str:
    form = "%Y-%m-%d" if found.window >= 86400 else "%m-%d %H:%M" if found.window >= 60 else "%m-%d %H:%M:%S"
    return str(moment.strftime(form))


def _length(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def _breaches(found: Monitoring) -> Iterator[str]:
    if not found.breaches:
        yield '<p class="good">Nothing is beyond its bounds in the newest window that has ended.</p>'
        return
    yield '<ul class="breaches">'
    for each in sorted(found.breaches, key=lambda each: -each["distance"] / max(each["threshold"], 1e-9)):
        feature, against = escape(each["feature"]), _WORDS[each["against"]]
        told = f"{each['metric']} {number(each['distance'])}, over {number(each['threshold'])}"
        yield f"<li><b>{feature}</b> is far from {against}: {escape(told)} ({each['rows']:,} rows)</li>"
    yield "</ul>"


def _over_time(found: Monitoring, rows: Rows, windows: Sequence[str]) -> Iterator[str]:
    if not rows:
        yield "<p>No request is logged in these windows; [monitoring] log_requests in penstock.toml says which are.</p>"
        return
    metrics = [name for name in found.performance.column_names if name not in COLUMNS]
    versions = sorted({row["version"] for row in rows})
    named = "".join(f'<span class="line{at % 4}">version {each}</span>' for at, each in enumerate(versions))
    yield f'<h2>Over time</h2><p class="legend">{named}</p><div class="charts">'
    for name in (*_COUNTS, *metrics):
        lines: dict[str, dict[str, float | None]] = {f"version {version}": {} for version in versions}
        for row in rows:
            lines[f"version {row['version']}"][_window(found, row["window_start"])] = row[name]
        if any(value is not None for line in lines.values() for value in line.values()):
            yield chart(name.replace("_", " "), windows, lines)
    yield "</div>"
    columns = ["window", "version", "rows", "labelled", *metrics]
    told = [
        [_window(found, row["window_start"]) + ("" if row["complete"] else " …"), f"{row['version']}",
         f"{row['rows']:,}", f"{row['labelled']:,}", *(number(row[name]) for name in metrics)]
        for row in rows
    ]  # fmt: skip
    yield _table(columns, told)


def _changes(found: Monitoring, windows: Sequence[str]) -> Iterator[str]:
    for against, title in (("training", "Against what it has learned from"), ("before", "Against the window before")):
        rows = [row for row in found.changes.to_pylist() if row["against"] == against]
        if not rows:
            continue
        lines: dict[str, dict[str, dict[str, float | None]]] = {}
        farthest: dict[str, float] = {}
        versions = sorted({row["version"] for row in rows if row["version"] is not None})
        names = {version: f"version {version}" for version in versions} or {None: ""}
        for row in rows:
            of_feature = lines.setdefault(row["feature"], {name: {} for name in names.values()})
            of_feature[names[row["version"]]][_window(found, row["window_start"])] = row["distance"]
            farthest[row["feature"]] = max(farthest.get(row["feature"], 0.0), row["distance"] / (row["threshold"] or 1))
        bounds = {row["feature"]: row["threshold"] for row in rows}
        shown = sorted(lines, key=lambda name: -farthest[name])[:_MOST_CHARTS]
        yield f"<h2>{title}: {escape(rows[0]['metric'])}</h2>"
        yield '<div class="charts">'
        for feature in shown:
            yield chart(feature, windows, lines[feature], bound=bounds[feature])
        yield "</div>"


def _slices(rows: Rows) -> Iterator[str]:
    names = dict.fromkeys(row["slice"] for row in rows)
    for name in names:
        of_slice = [row for row in rows if row["slice"] == name]
        metrics = [each for each in of_slice[0] if each not in COLUMNS]
        newest = max(row["window_start"] for row in of_slice)
        told = [
            ["NULL" if row["value"] is None else escape(row["value"]), f"{row['version']}", f"{row['rows']:,}",
             f"{row['labelled']:,}", *(number(row[each]) for each in metrics)]
            for row in of_slice if row["window_start"] == newest
        ]  # fmt: skip
        yield f"<h2>By {escape(name)}, newest window</h2>"
        yield _table([name, "version", "rows", "labelled", *metrics], told)


def _events(found: Monitoring) -> Iterator[str]:
    if found.events:
        yield "<h2>What came of it</h2>"
        columns = ["time", "event", "trigger", "about", "run", "state"]
        yield _table(columns, [[_linked(name, each[name]) for name in columns] for each in reversed(found.events)])


def _linked(name: str, value: str) -> str:
    told = escape(value)
    return f'<a href="/runs/{told}">{told}</a>' if name == "run" and value else told


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'
