"""A first pipeline over rows of one's own: their columns decide the features, the type of the model and the split."""

from __future__ import annotations

import json
import keyword
import os
import re
from pathlib import Path
from typing import Any

from penstock.errors import DataError, DeclarationError, UnknownNameError

_CLASSES = 20  # a whole number with no more values than this is a class, not a quantity
_CATEGORIES = 1000  # texts with more values than this are not categories
_WIDTH = 120
_TIMES = ("timestamp", "datetime", "date")
_JUDGED = {"boosted_tree_regressor": ("r2_score", 0.0), "boosted_tree_classifier": ("roc_auc", 0.5)}
"""Type -> what a first model is judged by, and what guessing would reach."""

_CONFIGURATION = """\
# Everything here may be left out; see docs/start.md of penstock.
[project]
name = {name}
modules = ["pipelines"]           # where steps, pipelines and models are declared

[tables]
{table} = {path}                  # a name that SQL and Python may read: SELECT * FROM {table}

[server]
port = 8000
"""
_PIPELINE = '''\
"""A first pipeline: from the table {name} to a model that predicts {label}. Written by `penstock init`; it is yours."""

import penstock as ps

model = ps.model(
    {model},
    type="{type}",
    label={label_text},
    features={{  # take out what nobody knows yet when the model is asked{without}
{features}
    }},
)


@ps.pipeline
def {function}(source: str = {name_text}) -> None:
    """Test the data, keep rows back to judge by, fit, judge, and promote what is better than guessing."""
    rows = ps.read(source)
    rows = ps.validate(rows, ps.schema(ps.statistics(rows), label={label_text})).rows
    train, test = ps.split(rows, {split}test=0.2)
    graph = ps.fit(model, train)
    report = ps.evaluate(graph, test)
    ps.push(graph, name={model}, report=report, when=report["{metric}"] > {bound})
    ps.predict(graph, rows)  # with --mode infer this is what is left: new rows, predicted by what was promoted
'''


def drafted(rows: str, label: str | None, directory: Path) -> tuple[dict[str, str], str]:
    """Return the files of a project over `rows`, a path or a pattern of this folder, and what to do next."""
    from penstock.transforms import profile  # here: it loads libraries that --help does not need

    seen = profile(rows)
    columns = {column["name"]: column for column in seen["columns"]}
    if label is None:
        raise DeclarationError(f"--label says which column is to be predicted; '{rows}' has: {', '.join(columns)}")
    if label not in columns:
        raise UnknownNameError("column", label, columns, within=f"'{rows}'")
    kind = _type(columns.pop(label), rows)
    metric, bound = _JUDGED[kind]
    name = _slug(re.sub(r"[*?{\[].*", "", rows.rstrip("/")))
    by = next((each for each in columns.values() if each["type"] in _TIMES and _distinct(each) > 1), None)
    model = _slug(label)
    values = {
        "name": name,
        "function": f"{name}_pipeline" if name in ("model", "ps") or keyword.iskeyword(name) else name,
        "label": label,
        "type": kind,
        "metric": metric,
        "bound": bound,
        "without": _left_out(columns.values(), seen["rows"]),
        "features": "\n".join(line for each in columns.values() for line in _features(each, seen["rows"])),
        "split": "" if by is None else f"by={json.dumps(by['name'], ensure_ascii=False)}, ",
        "name_text": json.dumps(name),
        "label_text": json.dumps(label, ensure_ascii=False),
        "model": json.dumps(model),
    }
    if not values["features"]:
        raise DataError(f"'{rows}' has no column that a first model could learn '{label}' from; there are: {label}")
    path = json.dumps(_path(rows, directory), ensure_ascii=False)
    files = {
        "penstock.toml": _CONFIGURATION.format(name=json.dumps(name), table=name, path=path),
        "pipelines.py": _PIPELINE.format(**values),
    }
    return files, f"  penstock run {values['function']}\n  penstock predict {model} {name}\n  penstock serve"


def _type(label: dict[str, Any], rows: str) -> str:
    if not _distinct(label) or label["type"] not in ("int64", "float64", "bool", "string"):
        raise DataError(f"'{label['name']}' of '{rows}' is {label['type']} with {_distinct(label)} values; no label")
    number = label["type"] == "float64" or (label["type"] == "int64" and label["distinct"] > _CLASSES)
    return "boosted_tree_regressor" if number else "boosted_tree_classifier"


def _distinct(column: dict[str, Any]) -> int:
    return int(column.get("distinct", 0))


def _reason(column: dict[str, Any], rows: int) -> str:
    """Return why a column is no feature yet; nothing if it is one."""
    type, distinct = column["type"], _distinct(column)
    if column["nulls"] == rows:
        return "always NULL"
    if distinct == 1 and not column["nulls"]:
        return "always the same"
    if type in ("int64", "string") and rows > _CLASSES and distinct == rows:
        return "another value in each row"
    if type == "string" and distinct > _CATEGORIES:
        return f"{distinct:,} texts: .bag_of_words(1000)?"
    return "" if type in ("int64", "float64", "bool", "string", *_TIMES) else f"{type}: choose a representation"


def _left_out(columns: Any, rows: int) -> str:
    out = [f"{column['name']} ({reason})" for column in columns if (reason := _reason(column, rows))]
    lines: list[str] = []
    line = "\n        # left out:"
    for number, text in enumerate(out, 1):
        text += "," if number < len(out) else ""
        if len(line) + len(text) >= _WIDTH:
            lines, line = [*lines, line], "\n        #"
        line += f" {text}"
    return "".join([*lines, line]) if out else ""


def _features(column: dict[str, Any], rows: int) -> list[str]:
    if _reason(column, rows):
        return []
    name, text = column["name"], json.dumps(column["name"], ensure_ascii=False)
    parts = {"": ""}
    if column["type"] in _TIMES:  # as it is, the newest rows would hold only values that training has never seen
        parts = {"_weekday": '.day_of_week().cast("string")'}
        if column["type"] != "date":
            parts["_hour"] = ".hour()"
    return [
        f"        {json.dumps(name + suffix, ensure_ascii=False)}: ps.col({text}){calls},"
        for suffix, calls in parts.items()
    ]


def _slug(text: str) -> str:
    """Return a name that Python, SQL and a shell take as it is: of a path that of the file."""
    stem = re.sub(r"\W+", "_", Path(text).name.split(".")[0], flags=re.ASCII).strip("_").lower()
    return stem if stem and not stem[0].isdigit() else f"rows_{stem}".rstrip("_")


def _path(rows: str, directory: Path) -> str:
    """Return where the rows are as the project's folder sees it: relative if they lie within."""
    if rows.startswith("package:"):
        return rows
    path = Path(os.path.abspath(rows))
    root = Path(os.path.abspath(directory))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
