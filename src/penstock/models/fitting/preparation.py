"""From declared features to the columns that enter the estimator, with everything learned from the training rows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.expression import Expr, columns_of
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError
from penstock.models.fitting.branches import branches_of
from penstock.models.learning.matrix import PLAIN, Features, Sparse, features_of, widths_of
from penstock.models.learning.preprocess import Form, Kind, entries, with_null
from penstock.multimodal import Branch
from penstock.operations import col, type_of
from penstock.operations.encoders import ENCODERS
from penstock.tables import schema_of
from penstock.transforms import apply, freeze

_UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')  # what msgspec cannot rename a field to

_LONGEST_CATEGORY = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Features with their constants.

    `inputs` are the raw columns they read; `names` those of their nodes by their own; `features` the declared ones by
    the names of their nodes, over the inputs; `entering` what enters the estimator, over the inputs and the features.
    Where an encoder reads some of that, `branches` are the representations, and `owners` the place of its branch for
    each column that enters.
    """

    inputs: Schema
    names: dict[str, str]
    features: dict[str, Expr]
    types: dict[str, str]  # of features
    entering: dict[str, Expr]
    kinds: tuple[Kind, ...] = ()
    widths: tuple[int, ...] = ()
    branches: tuple[Branch, ...] = ()
    owners: tuple[int, ...] = ()


def declared_features(model: Model, rows: pa.Table, apart: Iterable[str]) -> dict[str, Expr]:
    """Return the features by name: those declared, or every column but the label, without those that stand apart.

    Raises `DataError` naming the columns that the rows lack.
    """
    if model.features is None:
        left_out = {model.label, *apart, *(() if model.target is None else columns_of(model.target))}
        features: dict[str, Expr] = {name: col(name) for name in rows.column_names if name not in left_out}
    else:
        features = {name: expr for name, expr in model.features.items() if name not in set(apart)}
    if not features:
        raise DeclarationError(
            f"model '{model.name}' has no features: the rows have only {', '.join(rows.column_names)}"
        )
    needed = columns_of(*features.values())
    odd = [name for name in needed if _UNNAMEABLE.search(name)]
    if odd:
        raise DeclarationError(
            f"model '{model.name}' reads a column named {odd[0]!r}; quotes, backslashes and control characters cannot "
            "stand in the name of an input: rename it"
        )
    lacking = [name for name in needed if name not in rows.column_names]
    if lacking:
        raise DataError(
            f"model '{model.name}' needs {', '.join(needed)}; the rows lack {', '.join(lacking)}", field=lacking[0]
        )
    return features


def transformed(declared: Mapping[str, Expr], train: pa.Table) -> Prepared:
    """Find the constants of the declared features in the training rows; nothing enters an estimator."""
    schema = schema_of(train.schema)
    names = _node_names(declared)
    features = freeze({names[name]: expr for name, expr in declared.items()}, train)
    types = {name: type_of(expr, schema) for name, expr in features.items()}
    return Prepared(inputs=_inputs(features, train), names=names, features=features, types=types, entering={})


def prepare(
    model: Model, declared: Mapping[str, Expr], train: pa.Table, form: Form, *, branched: bool = False
) -> tuple[Prepared, Features]:
    """Find every constant in the training rows; return the prepared features, and what enters for these rows.

    There are branches where an encoder reads a feature, or where they are wanted. Two rounds: the constants of the
    declared features, then those of the automatic preprocessing on their values.
    """
    schema = schema_of(train.schema)
    encoded = {name: expr for name, expr in declared.items() if expr.op in ENCODERS}
    for expr in encoded.values():
        type_of(expr, schema)  # names a wrong type: after this, the encoder and what it reads part ways
    prepared = transformed({**declared, **{name: expr.args[0] for name, expr in encoded.items()}}, train)
    features, types = prepared.features, prepared.types
    values = apply(features, train, schema)
    uses = {prepared.names[name]: expr for name, expr in encoded.items()}
    _check_no_files(model.name, {name: type for name, type in types.items() if name not in uses}, values)
    found = entries(types, form, model=model.name, encoders=uses)
    entering = freeze({_free(entry.name, entry.expr, features): entry.expr for entry in found}, values)
    kinds = tuple(entry.kind for entry in found)
    indices = {
        name: with_null(entering[name]) for name, kind in zip(entering, kinds, strict=True) if kind == "category"
    }
    entering |= {name: expr for name, (expr, _) in indices.items()}
    matrix = features_of(apply(entering, values), kinds)
    if form != "trees":
        _check_finite(model.name, [name for name, kind in zip(entering, kinds, strict=True) if kind in PLAIN], matrix)
    spread = iter(widths_of(matrix))
    widths = {name: next(spread) if kind in PLAIN else 1 for name, kind in zip(entering, kinds, strict=True)}
    widths |= {name: count for name, (_, count) in indices.items()}
    prepared = dataclasses.replace(
        prepared,
        entering=entering,
        kinds=kinds,
        widths=tuple(widths.values()),
    )
    if not uses and not branched:
        return prepared, matrix
    branches, owners = branches_of(prepared.names, declared, found, list(entering.values()), matrix)
    return dataclasses.replace(prepared, branches=branches, owners=owners), matrix


def enter(prepared: Prepared, rows: pa.Table) -> Features:
    """Return what enters the estimator for other rows."""
    return features_of(apply(prepared.entering, apply(prepared.features, rows)), prepared.kinds)


def _check_finite(model: str, entering: Iterable[str], matrix: Features) -> None:
    """Raise `DataError` for NaN or infinity, which no weight can be learned for; NULL is the mean by now."""
    for name, column in zip(entering, matrix.columns, strict=True):
        if not np.isfinite(column.values if isinstance(column, Sparse) else column).all():
            raise DataError(
                f"model '{model}': feature '{name}' is NaN or infinite in some training row; this model cannot "
                "learn from that: leave such rows out, or make the value NULL",
                field=name,
            )


def _check_no_files(model: str, types: Mapping[str, str], values: pa.Table) -> None:
    """Raise `DataError` for bytes that are images, sounds or documents: as categories, all of each would be kept."""
    for name, type in types.items():
        longest = pc.max(pc.binary_length(values.column(name))).as_py() if type == "bytes" else None
        if (longest or 0) > _LONGEST_CATEGORY:
            raise DataError(
                f"model '{model}': feature '{name}' has values of up to {longest:,} bytes, and would take each for a "
                f"category; if they are images, read them: ps.col('{name}').image(64).pixels(), or .conv() in a dnn_*",
                field=name,
            )


def _node_names(declared: Mapping[str, Expr]) -> dict[str, str]:
    """Name a feature's node as the feature, unless that is the name of a raw column and the feature is not just it."""
    inputs = columns_of(*declared.values())
    taken = {*inputs, *declared}
    names = {}
    for name, expr in declared.items():
        if name in inputs and expr != col(name):
            node = f"{name}__feature"
            while node in taken:
                node += "_"
            taken.add(node)
            names[name] = node
        else:
            names[name] = name
    return names


def _free(name: str, expr: Expr, features: Mapping[str, Expr]) -> str:
    """Return the name of a node: the feature's own if it enters as it is, else one that no feature has."""
    while name in features and expr != col(name):
        name += "_"
    return name


def _inputs(features: Mapping[str, Expr], train: pa.Table) -> Schema:
    schema = schema_of(train.schema)
    return Schema(
        tuple(
            Field(name, schema[name].type, nullable=train.column(name).null_count > 0)
            for name in columns_of(*features.values())
        )
    )
