"""A page of HTML made of values as steps give them: one file that needs nothing else, and no script."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import msgspec
import pyarrow as pa

from penstock.components import page_parts as parts
from penstock.core.graph import ModelGraph
from penstock.models import describe
from penstock.values import Figure
from penstock.values.figures import HTML

_ROWS, _COLUMNS, _JSON_LETTERS = 12, 14, 6000


def page(title: str, sections: Mapping[str, Any], *, said: Sequence[str] = ()) -> str:
    """Return the page of values, each under its name, in order, in the form that is made for what it is; `said` stands
    below the title."""
    body = [f"<section><h2>{escape(name)}</h2>\n{shown(value)}</section>" for name, value in sections.items()]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>penstock: {escape(title)}</title>",
            f"<style>\n{files('penstock.components').joinpath('page.css').read_text()}</style>",
            f"<h1>{escape(title)}</h1>",
            *(f'<p class="quiet">{escape(line)}</p>' for line in said),
            *body,
            "</html>",
            "",
        ]
    )


def shown(value: Any) -> str:
    """Return a value as HTML: statistics, a blessing, what a validation found, metrics, a model, a table, a figure; any
    other as JSON."""
    match value:
        case None:
            return '<p class="quiet">not made in this run</p>'
        case Figure():
            return _figure(value)
        case parts.Drawn():
            return value
        case ModelGraph():
            return _model(value)
        case pa.Table():
            return _table(value)
        case str():
            return f"<pre>{escape(value)}</pre>"
        case Mapping():
            return next((show(value) for fits, show in _FORMS if fits(value)), "") or _json(value)
    return _json(value)


def _figure(figure: Figure) -> str:
    if figure.media_type == HTML:  # a page of its own, which may do nothing here: no script, no form
        return f'<figure><iframe sandbox srcdoc="{escape(figure.content.decode())}"></iframe></figure>'
    data = base64.b64encode(figure.content).decode()
    return f'<figure><img src="data:{figure.media_type};base64,{data}" alt=""></figure>'


def _model(graph: ModelGraph) -> str:
    facts = graph.facts
    told = {"type": facts.get("type", ""), "label": graph.label or "", "name": graph.name}
    return f"{parts.table([*told.items()], titles=('model card', ''))}\n<pre>{escape(describe(graph))}</pre>"


def _table(table: pa.Table) -> str:
    names = table.column_names[:_COLUMNS]
    rows = [[_cell(row[name]) for name in names] for row in table.select(names).slice(0, _ROWS).to_pylist()]
    left_out = f" (the first {_COLUMNS})" if table.num_columns > _COLUMNS else ""
    told = f"{table.num_rows:,} rows, {table.num_columns:,} columns{left_out}"
    types = [f"{name}\n{table.schema.field(name).type}" for name in names]
    return f'<p class="quiet">{told}</p>\n{parts.table(rows, titles=types)}'


def _cell(value: Any) -> str:
    text = parts.number(value) if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _json(value: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=repr)).decode()
    cut = text if len(text) <= _JSON_LETTERS else f"{text[:_JSON_LETTERS]}\n… {len(text) - _JSON_LETTERS:,} more"
    return f"<pre>{escape(cut)}</pre>"


def _is_statistics(value: Mapping[str, Any]) -> bool:
    columns = value.get("columns")
    return isinstance(columns, list) and all(isinstance(each, dict) and "nulls" in each for each in columns)


def _is_schema(value: Mapping[str, Any]) -> bool:
    columns = value.get("columns")
    return isinstance(columns, list) and all(isinstance(each, dict) and "nullable" in each for each in columns)


def _is_metrics(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(each is None or isinstance(each, int | float) for each in value.values())


def _schema(value: Mapping[str, Any]) -> str:
    rows = [
        (each["name"], each["type"], "may be NULL" if each["nullable"] else "", _within(each))
        for each in value["columns"]
    ]
    return parts.table(rows, titles=("column", "type", "", "values"))


def _within(column: Mapping[str, Any]) -> str:
    if column.get("domain") is not None:
        return ", ".join(map(str, column["domain"]))
    return " to ".join(str(column[end]) for end in ("min", "max") if column.get(end) is not None)


def _anomalies(value: Mapping[str, Any]) -> str:
    told = f"{value.get('rows', 0):,} rows, {value.get('set_aside', 0):,} set aside"
    rows = [
        (each.get("severity", ""), each["message"], each.get("do", ""), ", ".join(map(str, each.get("examples") or ())))
        for each in value["anomalies"]
    ]
    found = (
        parts.table(rows, titles=("", "what", "what to do", "examples")) if rows else '<p class="good">no anomaly</p>'
    )
    return f'<p class="quiet">{told}</p>\n{found}'


_FORMS: tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], str]], ...] = (
    (lambda value: "blessed" in value and "checks" in value, parts.blessing),
    (lambda value: isinstance(value.get("anomalies"), list), _anomalies),
    (_is_statistics, parts.statistics),
    (_is_schema, _schema),
    (_is_metrics, parts.metrics),
)
