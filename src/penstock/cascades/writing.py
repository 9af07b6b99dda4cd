"""A declared cascade as text: the CREATE MODEL statements, or the Python, that declare it and its stages again."""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.cascades import conditions
from penstock.cascades.checking import default_baseline
from penstock.cascades.notation import PARTS
from penstock.cascades.value import Cascade, Route, Stage, name_of, stages_of
from penstock.core.model import Model
from penstock.errors import DeclarationError
from penstock.models.writing import dotted_text, model_python, model_sql, option_text
from penstock.operations import python, python_value, text

_OF_A_ROUTE = ("when", "use", "name")


def cascade_python(declared: Cascade, defaults: Mapping[str, Any]) -> str:
    """Return the lines that declare the stages, each under its name, and last the cascade; `defaults` are those of its
    settings."""
    names: dict[Model | Cascade, str] = {}
    blocks = []
    for each in (*_parts(declared), declared):
        if each in names:
            continue
        written = model_python(each) if isinstance(each, Model) else _call(each, names, defaults)
        names[each] = _variable(each.name, set(names.values()))
        blocks.append(f"{names[each]} = {written}")
    return "\n".join(blocks)


def cascade_sql(declared: Cascade, defaults: Mapping[str, Any], *, rows: str) -> str:
    """Return a CREATE MODEL for each stage, and last that of the cascade, over the table `rows`.

    Raises `DeclarationError` for what SQL cannot say: a stage that takes every column, one that reads what the router
    predicts, two stages of one name. `source` is no part of it: it is the table of the statements.
    """
    statements: dict[str, str] = {}
    seen: dict[str, Model | Cascade] = {}
    for each in (*_parts(declared), declared):
        if seen.setdefault(each.name, each) != each:
            raise DeclarationError(
                f"cascade '{declared.name}' has two stages named '{each.name}', and SQL names one by it; rename one"
            )
        if each.name not in statements:
            statements[each.name] = (
                _model_sql(declared, each, rows) if isinstance(each, Model) else _cascade_sql(each, defaults, rows)
            )
    return ";\n".join(statement.rstrip("\n") for statement in statements.values()) + "\n"


def _parts(declared: Cascade) -> Iterator[Model | Cascade]:
    """Yield what a cascade is made of, each after its own parts."""
    yield declared.router
    for stage in stages_of(declared).values():
        if isinstance(stage, Cascade):
            yield from _parts(stage)
        yield stage
    if declared.baseline is not None and declared.baseline != default_baseline(declared):
        yield declared.baseline


def _settings(declared: Cascade, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a cascade beside its stages and rows, and is not said anyway."""
    given = {field.name: getattr(declared, field.name) for field in dataclasses.fields(declared)}
    return {name: given[name] for name, default in defaults.items() if given[name] != default}


def _call(declared: Cascade, names: Mapping[Model | Cascade, str], defaults: Mapping[str, Any]) -> str:
    def used(use: Stage) -> str:
        return names[use] if isinstance(use, Model | Cascade) else python_value(use)

    baseline = declared.baseline
    lines = [
        f"{python_value(declared.name)},",
        f"label={python_value(declared.label)},",
        f"metric={python_value(declared.metric)},",
        f"router={names[declared.router]},",
        "routes=[",
        *(f"    ps.route({_route(each, used(each.use))})," for each in declared.routes),
        "],",
        f"otherwise={used(declared.otherwise)},",
        *(f"{name}={python_value(value)}," for name, value in _settings(declared, defaults).items()),
    ]
    if baseline is not None and baseline != default_baseline(declared):
        lines.append(f"baseline={names[baseline]},")
    return "\n".join(["ps.cascade(", *(f"    {line}" for line in lines), ")"]) + "\n"


def _route(route: Route, use: str) -> str:
    more = {field.name: getattr(route, field.name) for field in dataclasses.fields(route)}
    kept = {name: value for name, value in more.items() if name not in _OF_A_ROUTE and value is not None}
    if route.name != name_of(route.use):
        kept["name"] = route.name
    return ", ".join(
        [f"when={python(route.when)}", f"use={use}", *(f"{name}={python_value(value)}" for name, value in kept.items())]
    )


def _variable(name: str, taken: set[str]) -> str:
    found = re.sub(r"\W", "_", name.rpartition(".")[2]) or "_"
    found = f"_{found}" if found[0].isdigit() or keyword.iskeyword(found) or found in ("ps", "datetime") else found
    while found in taken:
        found += "_"
    return found


def _model_sql(declared: Cascade, stage: Model, rows: str) -> str:
    if stage.features is None:
        raise DeclarationError(
            f"cascade '{declared.name}': the stage '{stage.name}' takes every column as a feature, those too that say "
            "what is to be predicted, where SQL learns it by itself; name its features"
        )
    for each in _cascades(declared):
        if conditions.reads_router(stage, each.router.name):
            raise DeclarationError(
                f"cascade '{declared.name}': the stage '{stage.name}' reads what the router '{each.router.name}' "
                "predicts, which the rows of a CREATE MODEL do not have; write the cascade in Python: .python()"
            )
    return model_sql(stage, rows=rows)


def _cascades(declared: Cascade) -> Iterator[Cascade]:
    yield declared
    for stage in stages_of(declared).values():
        if isinstance(stage, Cascade):
            yield from _cascades(stage)


def _cascade_sql(declared: Cascade, defaults: Mapping[str, Any], rows: str) -> str:
    given: dict[str, str] = {
        "model_type": option_text("cascade"),
        "input_label_cols": option_text([declared.label]),
        "metric": option_text(declared.metric),
        "router": option_text(declared.router.name),
        "routes": f"[{', '.join(_written(each) for each in declared.routes)}]",
        "otherwise": _used(declared.otherwise),
    }
    settings = {name: value for name, value in _settings(declared, defaults).items() if name != "source"}
    given |= {name: option_text(value) for name, value in settings.items() if name not in PARTS}
    if declared.baseline is not None and declared.baseline != default_baseline(declared):
        given["baseline"] = option_text(declared.baseline.name)
    options = ",\n".join(f"  {name} = {value}" for name, value in given.items())
    name = dotted_text(declared.name)
    return f"CREATE OR REPLACE MODEL {name}\nOPTIONS(\n{options}\n)\nAS SELECT * FROM {dotted_text(rows)}\n"


def _written(route: Route) -> str:
    """Write a route as a tuple: for what, where to, and, where they say something, its name and its cost."""
    more = [] if route.cost is None else [route.cost]
    named = [] if route.name == name_of(route.use) and not more else [route.name]
    return f"({', '.join([option_text(text(route.when)), _used(route.use), *map(option_text, [*named, *more])])})"


def _used(use: Stage) -> str:
    """Write what rows go to; a constant that is a text stands in a STRUCT, for a text alone names a model."""
    if isinstance(use, Model | Cascade):
        return option_text(use.name)
    return f"STRUCT({option_text(use)})" if isinstance(use, str) else option_text(use)
