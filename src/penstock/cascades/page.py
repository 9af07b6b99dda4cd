"""The report on a cascade as one page of HTML: a drawing, and tables; nothing that is not in it, and no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from penstock.cascades.cost_drawing import costs_drawn
from penstock.cascades.drawing import drawn, stage_told
from penstock.models.reporting import metric_name, number, of_whole, percent

Report = Mapping[str, Any]

_SHARES = {
    "training": "training rows, to learn from",
    "refitted": "training rows, by the router that serves",
    "judged": "rows judged",
    "label": "rows judged, by label",
    "serving": "requests",
}


def page(report: Report) -> str:
    """Return the page of a report."""
    name, rows = escape(report["cascade"]), report["rows"]
    learned = "" if rows["train"] is None else f" · learned from {rows['train']:,}"
    blended = ", blended" if report["blend"] else ""
    told = f"cascade for {escape(report['label'])} · judged on {rows['judged']:,} rows{learned} · policy "
    warned = "".join(f"<li>{escape(each)}.</li>" for each in report["warnings"])
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>penstock: {name}</title>",
            f"<style>\n{files('penstock.cascades').joinpath('report.css').read_text()}</style>",
            f"<h1>{name}</h1>",
            f'<p class="quiet">{told}{_policy(report)}{blended}</p>',
            f'<p class="verdict">{escape(report["verdict"])}.</p>',
            _bars(report),
            f'<ul class="warnings">{warned}</ul>' if warned else "",
            f'<div class="wide">{drawn(report)}</div>',
            '<p class="quiet">A ribbon is as wide as its share of all rows; its number is of those that reach its '
            "router.</p>"
            if report["inner"]
            else "",
            *_choice(report),
            *_parts(report),
            *(part for within, inner in report["inner"].items() for part in _inner(within, inner)),
            "</html>",
            "",
        ]
    )


def _policy(report: Report) -> str:
    policy, declared = (report[name].replace("_", " ") for name in ("policy", "declared_policy"))
    return escape(policy if policy == declared else f"{policy}, found by {declared}")


def _choice(report: Report) -> Iterator[str]:
    """Yield from what policy and thresholds were chosen, and what rows cost: of all candidates a picture, of the best
    of each policy a line."""
    candidates, cost = report["candidates"] or [], report["cost"]
    if cost is not None:
        than = "" if cost["baseline"] is None else f", of one model {number(cost['baseline'])}"
        within = "" if cost["budget"] is None else f", budget {number(cost['budget'])}"
        yield f"<p>Cost of the mean row: <b>{_number(cost['mean'])}</b>{escape(than + within)}</p>"
    if not candidates:
        return
    yield f"<h2>Chosen from {len(candidates):,} candidates</h2>"
    if any(each["cost"] is not None for each in candidates):
        yield f'<div class="wide">{costs_drawn(report)}</div>'
    best = [each for each in candidates if each["standard_error"] is not None or each["chosen"]]
    titles = ["policy", "thresholds", metric_name(report["metric"]), "worse than the best by", "cost"]
    yield _table(
        titles,
        [_candidate(each) for each in best],
        "On training rows kept apart to choose by; ± is one standard error.",
    )


def _candidate(each: Mapping[str, Any]) -> list[str]:
    name = escape(each["policy"].replace("_", " "))
    thresholds = ", ".join(f"{name} {number(value)}" for name, value in each["thresholds"].items())
    apart = "" if each["worse_by"] is None else f"{number(each['worse_by'])} ± {number(each['worse_by_error'])}"
    return [
        f"<b>{name}</b><small>chosen</small>" if each["chosen"] else name,
        escape(thresholds),
        escape(f"{number(each['value'])} ± {number(each['standard_error'])}"),
        escape(apart),
        "" if each["cost"] is None else _number(each["cost"]),
    ]


def _inner(name: str, report: Report) -> Iterator[str]:
    yield f"<h2>Within {escape(name)}: {report['rows']['judged']:,} rows that are routed to it</h2>"
    warned = "".join(f"<li>{escape(each)}.</li>" for each in report["warnings"])
    yield f'<ul class="warnings">{warned}</ul>' if warned else ""
    yield from _parts(report)
    for within, inner in report["inner"].items():
        yield from _inner(f"{name}/{within}", inner)


def _parts(report: Report) -> Iterator[str]:
    yield from _routes(report)
    yield from _shares(report)
    yield from _confusion(report)
    yield from _slices(report)
    beside = (f"<div>{''.join(part)}</div>" for part in (_whole(report), _router(report)))
    yield f'<div class="beside">{"".join(beside)}</div>'


def _bars(report: Report) -> str:
    """Return the metric that judges of the whole, of one model and of the oracle, beside each other."""
    found = {name: value for name, value in of_whole(report).items() if value is not None}
    longest = max((abs(value) for value in found.values()), default=0.0) or 1.0
    words = {"cascade": "this cascade", "baseline": "one model of all rows", "oracle": "a router that is always right"}
    looks = {"cascade": "bar own", "baseline": "bar", "oracle": "bar oracle"}
    rows = (
        f'<span>{words[name]}</span><div class="{looks[name]}"><i style="width:{70 * abs(value) / longest:.1f}%"></i>'
        f"<b>{_number(value)}</b></div>"
        for name, value in found.items()
    )
    better = "more" if report["rising"] else "less"
    known = report["oracle"]["rows"]
    of = (
        "" if known in (0, report["rows"]["judged"]) else f"; of the oracle, on the {known:,} rows whose route is known"
    )
    caption = f'<p class="quiet">{metric_name(report["metric"])}: {better} is better{of}</p>'
    return f'{caption}<div class="bars">{"".join(rows)}</div>'


def _routes(report: Report) -> Iterator[str]:
    metric, name = report["metric"], metric_name(report["metric"])
    columns = {"routed": "its stage, on rows routed"}
    columns |= {"of_label": "its stage, on rows that belong to it"} if report["confusion"] else {}
    columns |= {"cascade": "the blend, on rows routed"} if report["blend"] else {}
    columns |= {"baseline": "one model, on rows routed"} if report["whole"]["baseline"] else {}
    cells = []
    for each in report["routes"]:
        condition = (
            f"<small><code>{escape(each['when'])}</code></small>" if each["when"] else "<small>otherwise</small>"
        )
        named = "" if each["stage"] in (None, each["name"]) else f"<small>{escape(each['stage'])}</small>"
        values = (each[column].get(metric) for column in columns)
        cells.append(
            [
                f"<b>{escape(each['name'])}</b>{condition}",
                f"{escape(stage_told(each))}{named}",
                f"{each['rows']:,}",
                *map(_number, values),
            ]
        )
    belong = (
        " The rows that belong to a route are those that the router's label says; what a stage says of them is not "
        "what anybody gets."
    )
    yield "<h2>Routes</h2>"
    yield _table(
        ["route", "uses", "rows routed", *columns.values()],
        cells,
        f"{name.capitalize()}.{belong if report['confusion'] else ''}",
        text=(1,),
    )


def _shares(report: Report) -> Iterator[str]:
    there = [name for name in _SHARES if any(each["shares"][name] is not None for each in report["routes"])]
    cells = [
        [f"<b>{escape(each['name'])}</b>", *(_percent(each["shares"][name]) for name in there)]
        for each in report["routes"]
    ]
    yield "<h2>Share of each route</h2>"
    yield _table(["route", *(_SHARES[name] for name in there)], cells)


def _confusion(report: Report) -> Iterator[str]:
    found = report["confusion"]
    if found is None:
        return
    cells: list[list[str | tuple[str, float]]] = []
    for name, counts in zip(found["routes"], found["counts"], strict=True):
        total = sum(counts) or 1
        cells.append([f"<b>{escape(name)}</b>", *((f"{count:,}", count / total) for count in counts)])
    left = f" {found['without_label']:,} rows have no label that tells." if found["without_label"] else ""
    yield "<h2>Where rows belong, and where they went</h2>"
    yield _table(
        ["belongs to", *(f"went to {escape(name)}" for name in found["routes"])],
        cells,
        f"A line is a route by the router's label; darker: more of the line.{left}",
        look="matrix",
    )


def _router(report: Report) -> Iterator[str]:
    found, trusted = report["router"], report["router"]["trusted"]
    cells = [[metric_name(name), _number(value)] for name, value in found["metrics"].items() if value is not None]
    errors = found["calibration"]
    if errors["error_before"] is not None:
        cells.append(["calibration error, as learned", _percent(errors["error_before"])])
        if errors["method"] is not None:
            cells.append([f"calibration error, after {errors['method']}", _percent(errors["error_after"])])
    if trusted.get("gap") is not None:
        named = metric_name(trusted["metric"])
        cells += [[f"{named}, on the rows that it learned from", _number(trusted["in_sample"])]]
        cells += [[f"{named}, on the same rows out of fold", _number(trusted["out_of_fold"])]]
    if cells:
        yield f"<h2>The router {escape(found['name'])}</h2>"
        yield _table(["", f"{found['rows']:,} rows judged"], cells)


def _slices(report: Report) -> Iterator[str]:
    if not report["slices"]:
        return
    cells = []
    for each in report["slices"]:
        value = "NULL" if each["value"] is None else each["value"]
        values = (each["cascade"], each["baseline"])
        cells.append([f"{escape(each['column'])} = <b>{escape(value)}</b>", f"{each['rows']:,}", *map(_number, values)])
    yield "<h2>Slices</h2>"
    yield _table(["rows that have", "rows", "cascade", "one model"], cells, metric_name(report["metric"]))


def _whole(report: Report) -> Iterator[str]:
    found = {name: each for name, each in report["whole"].items() if each}
    words = {"cascade": "cascade", "baseline": "one model", "oracle": "oracle"}
    names = dict.fromkeys(name for each in found.values() for name in each)
    cells = [[metric_name(name), *(_number(each.get(name)) for each in found.values())] for name in names]
    yield "<h2>All metrics</h2>"
    yield _table(["", *(words[name] for name in found)], cells)


def _table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str | tuple[str, float]]],
    caption: str = "",
    *,
    text: Sequence[int] = (),
    look: str = "",
) -> str:
    """Return a table of cells that are HTML; with a share beside it, a cell is as dark as that."""
    heads = "".join(f"<th{_left(at, text)}>{title}</th>" for at, title in enumerate(titles))
    lines = ["".join(_cell(cell, _left(at, text)) for at, cell in enumerate(row)) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    told = f"<caption>{caption}</caption>" if caption else ""
    return f'<div class="wide"><table class="{look}">{told}\n<tr>{heads}</tr>\n{body}\n</table></div>'


def _number(value: float | None) -> str:
    return escape(number(value))


def _percent(share: float | None) -> str:
    return escape(percent(share))


def _left(at: int, text: Sequence[int]) -> str:
    return ' class="text"' if at in text else ""


def _cell(cell: str | tuple[str, float], look: str) -> str:
    if isinstance(cell, str):
        return f"<td{look}>{cell}</td>"
    told, share = cell
    dark = f"color-mix(in srgb, var(--accent) {45 * share:.0f}%, transparent)"
    return f'<td{look} style="background:{dark}">{told}</td>'
