"""From CREATE MODEL with model_type='cascade' to the `Cascade`: the value that `ps.cascade(...)` makes in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from penstock.cascades import Cascade, Route, cascade, route, value
from penstock.cascades.declare import default_settings
from penstock.cascades.reading import typed
from penstock.cascades.value import Stage
from penstock.core.expression import Expr, columns_of, transform
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import Schema
from penstock.errors import DeclarationError, ExpressionError, SqlError, UnknownNameError
from penstock.models import ModelGraph
from penstock.models.routing import Router, is_routed, label_text, router_parts
from penstock.operations import col, parse
from penstock.sql.statements import CreateModel

CASCADE = "cascade"
"""The model type that a CREATE MODEL names to declare one."""

_STAGES = ("router", "routes", "otherwise", "baseline")
_METRICS = {"regression": "root_mean_squared_error", "classification": "log_loss"}
"""By what a cascade is judged where the statement does not say."""


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """A model that a name stands for: its declaration and, where it is fitted, what it gives as a router."""

    declared: Model | value.Cascade
    gives: Router | None = None


Find: TypeAlias = Callable[[str], Known]
"""Finds a registered model, or one declared by the same text; raises `UnknownNameError`."""


def known_model(graph: ModelGraph) -> Known:
    """Return what a cascade may take of a registered model: its declaration, to be trained anew within."""
    declared: Any = graph.declaration()
    if isinstance(declared, Model):
        gives = None if is_routed(graph) else Router(**router_parts(declared.name, graph))
        return Known(_unsplit(declared), gives)
    return Known(declared)


def declare_cascade(statement: CreateModel, columns: Schema, find: Find) -> Cascade:
    """Return the cascade that a CREATE MODEL declares over a query with these columns.

    Raises `SqlError` naming the option that is not there or cannot be what it is, and `UnknownNameError` for a name
    that no model has.
    """
    where, options = f"CREATE MODEL {statement.name}", dict(statement.options)
    if statement.transform is not None:
        raise SqlError(f"{where} is a cascade, whose stages have a TRANSFORM each; leave it out")
    del options["model_type"]
    label = _label(options.pop("input_label_cols", None), where)
    for option in ("router", "routes", "otherwise"):
        if options.get(option) is None:
            raise SqlError(f"{where} needs the option {option}, such as {_EXAMPLES[option]}")
    known = _named(options.pop("router"), "router", where, find)
    otherwise = _used(options.pop("otherwise"), "otherwise", where, find)
    written, baseline = options.pop("routes"), options.pop("baseline", None)
    if not isinstance(known.declared, Model):
        raise SqlError(f"{where}: the router '{known.declared.name}' is a cascade; a router is a model")
    routes = [_route(item, known, columns, where, find) for item in _listed(written, where)]
    settings = dict(_settings(options, where))
    found = cascade(
        statement.name,
        label=label,
        metric=settings.pop("metric", None) or _metric((otherwise, *(each.use for each in routes))),
        router=known.declared,
        routes=routes,
        otherwise=otherwise,
        baseline=None if baseline is None else _model(baseline, where, find),
        **settings,
    )
    _check_columns(found, columns, where)
    return found


_EXAMPLES = {
    "router": "router='is_long'",
    "routes": "routes=[('Long', 'rare_model')]",
    "otherwise": "otherwise='typical_model'",
}


def _label(given: object, where: str) -> str:
    match given:
        case [str() as label]:
            return label
    raise SqlError(f"{where} names the label of the whole, such as input_label_cols=['distance'], not {given!r}")


def _listed(given: object, where: str) -> list[Any]:
    if not isinstance(given, list) or not all(isinstance(item, list | tuple) and 2 <= len(item) <= 4 for item in given):
        raise SqlError(
            f"{where}: option routes={given!r}; it is a list of what the router says and the model that takes such "
            f"rows, such as {_EXAMPLES['routes']}; a third member names the route, a fourth is what a row costs"
        )
    return given


def _named(name: object, option: str, where: str, find: Find) -> Known:
    if not isinstance(name, str):
        raise SqlError(f"{where}: option {option}={name!r}; it is the name of a registered model")
    try:
        return find(name)
    except UnknownNameError as error:
        raise UnknownNameError(error.kind, error.name, error.known, within=f"option {option} of {where}") from error


def _model(name: object, where: str, find: Find) -> Model:
    declared = _named(name, "baseline", where, find).declared
    if not isinstance(declared, Model):
        raise SqlError(f"{where}: the baseline '{declared.name}' is a cascade; name one model of all rows")
    return declared


def _used(given: object, option: str, where: str, find: Find) -> Stage:
    """Return what rows go to: the model of a name, or a constant; one that is a text is written STRUCT('large')."""
    match given:
        case bool() | int() | float():
            return given
        case (str() as constant,) if isinstance(given, tuple):
            return constant
        case str():
            return _named(given, option, where, find).declared
    raise SqlError(
        f"{where}: option {option} leads to {given!r}; give the name of a model, a number, TRUE or FALSE, or "
        "STRUCT('text') for a label that is a text"
    )


def _route(item: Any, router: Known, columns: Schema, where: str, find: Find) -> Route:
    first, use, name, cost = (*item, None, None)[:4]
    if name is not None and not isinstance(name, str):
        raise SqlError(f"{where}: a route of the option routes is named {name!r}; a name is a text")
    when = _condition(first, router, columns, where)
    return route(when=when, use=_used(use, "routes", where, find), name=name, cost=cost)


def _condition(given: object, router: Known, columns: Schema, where: str) -> Expr:
    """Return what the first member of a route says: one of the router's labels, else a condition."""
    name, gives = router.declared.name, router.gives
    for at, label in enumerate(() if gives is None else gives.router_classes):
        if type(label) is type(given) and label == given:
            if gives is not None and gives.kind == "probability":
                return col(name) > 0.5 if at == 1 else col(name) <= 0.5
            return col(name).eq(label)
    if isinstance(given, str):
        return _written(given, router, columns, where)
    raise SqlError(f"{where}: a route is for {given!r}, which is no label of the router '{name}'; {_labels(router)}")


def _written(given: str, router: Known, columns: Schema, where: str) -> Expr:
    name, gives = router.declared.name, router.gives
    try:
        condition = transform(parse(given), lambda expr: _router_column(expr, name))
    except (ExpressionError, SqlError) as error:
        raise SqlError(
            f"{where}: a route is for {given!r}, which is neither a label of the router '{name}' nor a condition: "
            f"{error}; {_labels(router)}"
        ) from error
    own = () if gives is None else gives.columns.names
    known = {each.lower(): each for each in (*columns.names, name, *own)}
    for column in columns_of(condition):
        if column.lower() not in known and not (gives is None and column.startswith(f"{name}:")):
            raise SqlError(
                f"{where}: a route is for {given!r}, which is no label of the router '{name}', and as a condition "
                f"reads '{column}', which is no column of the query; {_labels(router)}"
            )
    return transform(
        condition, lambda expr: col(known.get(expr.args[0].lower(), expr.args[0])) if expr.op == "column" else expr
    )


def _router_column(expr: Expr, router: str) -> Expr:
    """Return the router's column where its name, which may have a data set before a dot, reads as a field."""
    parts: list[str] = []
    node = expr
    while node.op == "field":
        node, name = node.args[0], node.args[1].args[0]
        parts.insert(0, name)
    dotted = ".".join([str(node.args[0]), *parts]) if parts and node.op == "column" else ""
    return col(dotted) if dotted == router else expr


def _labels(router: Known) -> str:
    name, known = router.declared.name, () if router.gives is None else router.gives.router_classes
    if not known:
        return f"write a condition, such as '{name} > 0.3'"
    shown = ", ".join(repr(each) if isinstance(each, str) else label_text(each).upper() for each in known)
    return f"it knows {shown}; a condition reads {name}, such as '`{name}:confidence` > 0.9'"


def _settings(options: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    """Yield the options that are neither stages nor rows, each a value of the type that the declaration has."""
    there = ("metric", *(name for name in default_settings() if name != "source"))
    for name, given in options.items():
        if name not in there:
            raise UnknownNameError(
                "option", name, ("input_label_cols", *_STAGES, *there), within=f"{where} (a cascade)"
            )
        try:
            yield name, typed(name, given)
        except DeclarationError as error:
            raise SqlError(f"{where}: {error}") from error


def _metric(uses: Iterable[Stage]) -> str:
    return _METRICS["classification" if "classification" in map(value.task_of, uses) else "regression"]


def _unsplit(model: Model) -> Model:
    """Return a model without the split that SQL's own front gives where none is named: a cascade holds out itself."""
    kept = {
        name: value for name, value in model.options.items() if (name, value) != ("data_split_method", "AUTO_SPLIT")
    }
    return dataclasses.replace(model, options=FrozenMap(kept))


def _check_columns(declared: Cascade, columns: Schema, where: str) -> None:
    """Refuse a query that lacks what a stage reads: before anything is learned."""
    routers = _routers(declared)
    for stage in (declared.router, *value.stages_of(declared).values(), declared.baseline):
        if stage is None:
            continue
        for column in value.columns_named(stage):
            if column not in columns and column.partition(":")[0] not in routers:
                within = f"the query of {where}, which its stage '{stage.name}' reads"
                raise UnknownNameError("column", column, columns.names, within=within)
    for option in ("time", "group"):
        column = getattr(declared, option)
        if column is not None and column not in columns:
            raise UnknownNameError("column", column, columns.names, within=f"the query of {where}, for option {option}")


def _routers(declared: value.Cascade) -> set[str]:
    inner = (stage for stage in value.stages_of(declared).values() if isinstance(stage, value.Cascade))
    return {declared.router.name}.union(*map(_routers, inner))
