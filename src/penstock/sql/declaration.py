"""From CREATE MODEL to the core `Model`: the value that `ps.model(...)` makes of the same declaration in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from sqlglot import exp

from penstock.core.expression import Expr
from penstock.core.model import Model
from penstock.core.schema import Schema
from penstock.errors import SqlError, UnknownNameError
from penstock.models import LEARNERS, SUPERVISED, model
from penstock.operations import col, from_ast, struct
from penstock.sql.aggregates import AGGREGATES
from penstock.sql.dialect import Dialect, is_machine_learning, place
from penstock.sql.queries import star_changes
from penstock.sql.statements import CreateModel

_VOLATILE = (
    exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentDatetime, exp.CurrentTime, exp.Rand, exp.Uuid, exp.SessionUser,
)  # fmt: skip


def declare(statement: CreateModel, columns: Schema) -> Model:
    """Return the model that a CREATE MODEL declares over a query with these columns.

    Without TRANSFORM every column of the query but the label, if the model learns from labels, is a feature. The rows
    are split as in BigQuery unless an option says otherwise: SQL writes BigQuery's default, AUTO_SPLIT, into the
    declaration. A tuning has a split of its own.
    """
    options = dict(statement.options)
    type = options.pop("model_type", None)
    if not isinstance(type, str):
        raise SqlError(f"CREATE MODEL {statement.name} needs the option model_type, such as model_type='linear_reg'")
    learner = LEARNERS.get(type.lower())
    if "num_trials" not in options and (learner is None or "data_split_method" in learner.options):
        options.setdefault("data_split_method", "AUTO_SPLIT")
    if learner is not None and learner.task == "imported":
        [label] = options.pop("input_label_cols", [None])
        return model(statement.name, type=type, label=label, options=options)
    if learner is not None and learner.task not in SUPERVISED:
        return _without_label(statement, type, options, columns)
    given = options.pop("input_label_cols", None)
    asked = given if isinstance(given, list | tuple) and len(given) > 1 else [given]
    names = [_label([each] if each is not given else given, statement, columns) for each in asked]
    if statement.transform is None:
        columns_of_labels = [columns[each].name for each in names]
        label = columns_of_labels[0] if len(names) == 1 else columns_of_labels
        return model(statement.name, type=type, label=label, options=options)
    features = _transform(statement.transform, columns)
    targets = dict(_taken_out(features, each) for each in names)
    if not features:
        raise SqlError(f"TRANSFORM of {statement.name} gives the label alone; add the features to the list")
    [*found] = targets
    target = targets[found[0]] if len(found) == 1 else struct(**targets)
    return model(statement.name, type=type, label=", ".join(found), target=target, features=features, options=options)


def _taken_out(features: dict[str, Expr], label: str) -> tuple[str, Expr]:
    """Take a label out of what TRANSFORM gives."""
    found = next((name for name in features if name.lower() == label.lower()), None)
    if found is None:
        raise SqlError(
            f"the label '{label}' is not among the results of TRANSFORM: {', '.join(features)}; add it to the list"
        )
    return found, features.pop(found)


def _without_label(statement: CreateModel, type: str, options: dict[str, Any], columns: Schema) -> Model:
    if "input_label_cols" in options:
        raise SqlError(f"{type} learns without labels; leave input_label_cols out of CREATE MODEL {statement.name}")
    features = None if statement.transform is None else _transform(statement.transform, columns)
    return model(statement.name, type=type, features=features, options=options)


def _label(given: object, statement: CreateModel, columns: Schema) -> str:
    match given:
        case None:
            label = "label"
        case [str() as label]:
            pass
        case _:
            raise SqlError(f"option input_label_cols takes names in a list, such as ['duration'], not {given!r}")
    known = {name.lower(): name for name in columns.names}
    if statement.transform is not None or label.lower() in known:
        return known.get(label.lower(), label)
    if given is None:
        raise SqlError(
            f"CREATE MODEL {statement.name} names no label, and the query has no column 'label'; "
            f"add input_label_cols=['...'] to OPTIONS, with one of: {', '.join(columns.names)}"
        )
    raise UnknownNameError("column", label, columns.names, within="the query that input_label_cols is about")


def _transform(items: Sequence[exp.Expr], columns: Schema) -> dict[str, Expr]:
    """Return the name and the expression of each column that TRANSFORM gives, in order."""
    expressions: dict[str, Expr] = {}
    for item in items:
        for name, expression in _results(item, columns):
            if name.lower() in map(str.lower, expressions):
                raise SqlError(
                    f"TRANSFORM gives '{name}' twice{place(item)}; name one of them apart with AS, or EXCEPT it"
                )
            expressions[name] = expression
    return expressions


def _results(item: exp.Expr, columns: Schema) -> Iterator[tuple[str, Expr]]:
    if not isinstance(item, exp.Star):
        name = item.alias_or_name if isinstance(item, exp.Alias | exp.Column) else ""
        if not name:
            raise SqlError(f"{item.sql(Dialect)}{place(item)} in TRANSFORM has no name; add AS and a name")
        yield name, _expression(item.unalias(), columns)
        return
    excluded, replaced = star_changes(item, columns.names)
    for column in columns.names:
        if column.lower() in replaced:
            yield column, _expression(replaced[column.lower()], columns)
        elif column.lower() not in excluded:
            yield column, col(column)


def _expression(node: exp.Expr, columns: Schema) -> Expr:
    """Return an expression over the query's columns, which are matched without regard to case and kept as they are."""
    known = {name.lower(): name for name in columns.names}
    tree = node.copy()
    for part in list(tree.walk()):
        _refuse(part)
        if isinstance(part, exp.Column):
            name = part.name.lower()
            if part.table or name not in known:
                written = ".".join(piece.name for piece in part.parts)
                raise UnknownNameError("column", written, columns.names, within=f"the query of TRANSFORM{place(part)}")
            part.this.set("this", known[name])
    return from_ast(cast(exp.Expression, tree))  # every node is one; sqlglot's own types say less


def _refuse(node: exp.Expr) -> None:
    """Refuse what would make a prediction depend on anything but its own row."""
    what = ""
    if isinstance(node, exp.Query | exp.Exists):
        what = "a subquery, but a transformation reads one row at a time; join in the query instead"
    elif isinstance(node, exp.Window) and (
        not is_machine_learning(node.this) or node.args.get("partition_by") or node.args.get("order")
    ):
        what = f"{node.sql(Dialect)}, but of windows it takes only ML.* functions with an empty OVER()"
    elif isinstance(node, _VOLATILE):
        what = f"{node.sql(Dialect)}, which would not be at prediction what it was in training; put it into the query"
    elif type(node) in AGGREGATES and not isinstance(node.parent, exp.Window):
        what = f"the aggregate {AGGREGATES[type(node)].name}, but a transformation reads one row at a time"
    if what:
        raise SqlError(f"TRANSFORM{place(node)} has {what}")
