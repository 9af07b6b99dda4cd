"""A declared model as text: the CREATE MODEL, or the Python, that declares it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.core.expression import Expr, columns_of, type_of_value
from penstock.core.model import Model
from penstock.errors import DeclarationError
from penstock.models.graphs.lookups import feature_references
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.search import Candidates, Range, how_searched
from penstock.models.learning.settings import with_defaults
from penstock.operations import col, literal_text, name_text, python, python_value, text


def model_sql(model: Model, *, rows: str = "rows") -> str:
    """Return the CREATE MODEL that declares the model over the table `rows`.

    Every option is there by the value that this model has, so that a default of SQL's front changes nothing. Raises
    `DeclarationError` where the label is an expression and the features are not named: SQL computes it in TRANSFORM,
    which names all.
    """
    lines = [f"CREATE OR REPLACE MODEL {dotted_text(model.name)}"]
    columns = "*"
    if model.features is not None:
        items = {**model.features, **_label(model)}
        items = {**model.features, **{name: col(name) for name in listed(model) or ()}} if listed(model) else items
        lines += ["TRANSFORM(", ",\n".join(f"  {_item(name, expr)}" for name, expr in items.items()), ")"]
        if not feature_references(model):  # else keys, which only the feature store knows, have to come with the rows
            columns = ", ".join(map(name_text, _columns(model, items))) or "*"
    elif model.label is not None and model.target != col(model.label) and listed(model) is None:
        raise DeclarationError(
            f"model '{model.name}' computes its label '{model.label}' and takes every column as a feature, which SQL "
            "cannot say; name its features"
        )
    return "\n".join([*lines, _options(model), f"AS SELECT {columns} FROM {dotted_text(rows)}"]) + "\n"


def model_python(model: Model) -> str:
    """Return the call of `ps.model` that declares the model."""
    targets = {} if listed(model) else _label(model)
    lines = [
        "ps.model(",
        f"    {python_value(model.name)},",
        f"    type={python_value(model.type)},",
        *([] if model.label is None else [f"    label={python_value(listed(model) or model.label)},"]),
        *(f"    target={python(target)}," for label, target in targets.items() if target != col(label)),
    ]
    if model.features is not None:
        features = [f"        {python_value(name)}: {python(expr)}," for name, expr in model.features.items()]
        lines += ["    features={", *features, "    },"]
    if model.options:
        options = (f"{python_value(name)}: {_python(model, name, value)}" for name, value in model.options.items())
        lines.append(f"    options={{{', '.join(options)}}},")
    return "\n".join([*lines, ")"]) + "\n"


def listed(model: Model) -> list[str] | None:
    """Return the columns that a model's several labels are, where each is a column as it is."""
    target = model.target
    if target is None or target.op != "struct":
        return None
    names = list(target.args[0].args[0])
    plain = all(given == col(name) for name, given in zip(names, target.args[1:], strict=True))
    return names if plain and model.label == ", ".join(names) else None


def _label(model: Model) -> dict[str, Expr]:
    """Return the expression of the label by its name; nothing where the model learns without one."""
    return {} if model.label is None or model.target is None else {model.label: model.target}


def _columns(model: Model, items: Mapping[str, Expr]) -> tuple[str, ...]:
    """Return what the query must give: what TRANSFORM reads, and the column that the rows are split by."""
    split = model.options.get("data_split_col")
    apart = [split] if isinstance(split, str) and split not in items else []
    return tuple(dict.fromkeys([*columns_of(*items.values()), *apart]))


def _python(model: Model, option: str, value: Any) -> str:
    match value:
        case Range(low, high):
            how = "".join(f", {name}={python_value(given)}" for name, given in how_searched(value).items())
            return f"ps.hparam_range({python_value(low)}, {python_value(high)}{how})"
        case Candidates(values):
            return f"ps.hparam_candidates({python_value(list(values))})"
    return python_value(dict(value) if LEARNERS[model.type].options[option].type == "weights" else value)


def _item(name: str, expr: Expr) -> str:
    written = text(expr)
    return name_text(name) if expr == col(name) else f"{written} AS {name_text(name)}"


def dotted_text(name: str) -> str:
    """Write the name of a model or a table; one with dots stands in back quotes as a whole."""
    plain = all(name_text(part) == part for part in name.split("."))
    return name if plain else name_text(name)


def _options(model: Model) -> str:
    split = with_defaults(model.options, LEARNERS[model.type].options).get("data_split_method")
    given = {
        "model_type": model.type,
        **({} if model.label is None else {"input_label_cols": listed(model) or [model.label]}),
        **({} if split is None else {"data_split_method": split}),  # SQL's own default is another
        **model.options,
    }
    return f"OPTIONS({', '.join(f'{name} = {option_text(value)}' for name, value in given.items())})"


def option_text(value: Any) -> str:
    """Write the value of an option in SQL."""
    match value:
        case Range() if how_searched(value):
            raise DeclarationError("HPARAM_RANGE of SQL has no log and no step; write this model in Python")
        case Range(low, high):
            return f"HPARAM_RANGE({option_text(low)}, {option_text(high)})"
        case Candidates(values):  # an array cannot hold arrays; a struct can
            listed = (_pair((item,)) if isinstance(item, tuple) else option_text(item) for item in values)
            return f"HPARAM_CANDIDATES([{', '.join(listed)}])"
        case tuple() | list():
            return f"[{', '.join(_pair(item) if isinstance(item, tuple) else option_text(item) for item in value)}]"
    return literal_text(value, type_of_value(value))


def _pair(pair: tuple[Any, ...]) -> str:
    return f"STRUCT({', '.join(map(option_text, pair))})"
