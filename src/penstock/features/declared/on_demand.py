"""On-demand features: expressions over other features and values of the request, worked out when they are asked for.

A feature of the own set is read by `ps.feature("own:name")`; one of another set is pinned, when the set is applied, to
the version that stands then. So a version of a set means the same for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.core.expression import Expr, columns_of, transform, walk
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Field, Schema
from penstock.errors import DeclarationError, UnknownNameError
from penstock.features.declared.naming import parse_reference
from penstock.operations import col


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be given when a feature is asked for: keys of entities, and values of the request, with types."""

    entities: FrozenMap[str] = field(default_factory=FrozenMap)
    requests: FrozenMap[str] = field(default_factory=FrozenMap)


@dataclass(frozen=True, slots=True)
class Read:
    """A feature of another set that is read: its type, and what it needs."""

    type: str
    needs: Needs


FindRead = Callable[[str], tuple[str, Read]]
"""Finds what a reference names: the reference with the version in it, and the feature."""


def is_on_demand(expr: Expr) -> bool:
    """Tell whether an expression reads other features or the request."""
    return any(node.op in ("feature", "request") for node in walk(expr))


def request_column(name: str) -> str:
    """Return how the column with a value of the request is called while features are worked out."""
    return f"request:{name}"


def pinned(
    features: Mapping[str, Expr], own: str, find: FindRead, where: str
) -> tuple[dict[str, Expr], dict[str, Read]]:
    """Return features whose references to other sets have versions, and what those references name.

    Raises `DeclarationError` for an on-demand feature that reads what it cannot.
    """
    reads: dict[str, Read] = {}
    made = {}
    for name, expr in features.items():
        said = f"{where}: feature '{name}'"
        _check_leaves(expr, own, said)
        made[name] = transform(expr, lambda node, said=said: _pinned(node, own, features, find, reads, said))  # type: ignore[misc]
    return made, reads


def _pinned(
    node: Expr, own: str, features: Mapping[str, Expr], find: FindRead, reads: dict[str, Read], said: str
) -> Expr:
    if node.op != "feature":
        return node
    name, version, feature = parse_reference(node.args[0])
    if name == own and version is None:
        if feature not in features:
            raise UnknownNameError("feature", feature, features, within=said)
        return node
    try:
        reference, read = find(node.args[0])
    except UnknownNameError as error:
        raise DeclarationError(f"{said} reads '{node.args[0]}': {error}; apply that set with it first") from error
    reads[reference] = read
    return type(node)("feature", (reference,))


def _check_leaves(expr: Expr, own: str, said: str) -> None:
    if not is_on_demand(expr):
        return
    window = next((node for node in walk(expr) if node.op in ("window", "aggregate")), None)
    if window is not None:
        raise DeclarationError(
            f"{said} has an aggregate over a window in it, which is over values of rows: make that a feature of its "
            f"own, and read it by ps.feature('{own}:name')"
        )
    read = columns_of(expr)
    if read:
        raise DeclarationError(
            f"{said} mixes the row's own {', '.join(map(repr, read))} with what is known only when it is asked for: "
            f"make {'it a feature' if len(read) == 1 else 'them features'}, and read it by "
            f"ps.feature('{own}:{read[0]}'), or a value of the request by ps.request('{read[0]}')"
        )


def flattened(features: Mapping[str, Expr], own: str, where: str) -> dict[str, Expr]:
    """Return the on-demand features as expressions that read no on-demand feature of the own set."""
    made: dict[str, Expr] = {}

    def flat(name: str, path: tuple[str, ...]) -> Expr:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise DeclarationError(f"{where}: features read each other in a circle: {circle}; leave one reference out")
        if name not in made:
            made[name] = transform(features[name], lambda node: leaf(node, (*path, name)))
        return made[name]

    def leaf(node: Expr, path: tuple[str, ...]) -> Expr:
        feature = own_feature(node, own)
        return flat(feature, path) if feature is not None and is_on_demand(features[feature]) else node

    return {name: flat(name, ()) for name, expr in features.items() if is_on_demand(expr)}


def own_feature(node: Expr, own: str) -> str | None:
    """Return the name of the feature of the own set that a leaf reads."""
    if node.op != "feature":
        return None
    name, version, feature = parse_reference(node.args[0])
    return feature if name == own and version is None else None


def requests_of(exprs: Iterable[Expr], taken: Iterable[str], where: str) -> dict[str, str]:
    """Return the values of the request that expressions read, with their types."""
    found: dict[str, str] = {}
    for node in dict.fromkeys(node for expr in exprs for node in walk(expr) if node.op == "request"):
        name, type = node.args
        if found.setdefault(name, type) != type:
            raise DeclarationError(
                f"{where}: the request's '{name}' is {found[name]} here and {type} there; declare it alike: "
                f"ps.request('{name}', '{type}')"
            )
        if name in taken:
            raise DeclarationError(f"{where}: '{name}' is a key or a time of the set, no value of the request; rename")
    return found


def as_columns(expr: Expr) -> Expr:
    """Return an expression whose leaves are columns: features by their references, values of the request."""
    return transform(expr, _as_column)


def _as_column(node: Expr) -> Expr:
    if node.op == "feature":
        return col(node.args[0])
    return col(request_column(node.args[0])) if node.op == "request" else node


def leaf_schema(features: Mapping[str, str], requests: Mapping[str, str]) -> Schema:
    """Return the columns that `as_columns` reads, of features by reference and values of the request."""
    return Schema(
        (
            *(Field(reference, type) for reference, type in features.items()),
            *(Field(request_column(name), type) for name, type in requests.items()),
        )
    )


def joined(needs: Iterable[Needs]) -> Needs:
    """Return what several features need together."""
    every = list(needs)
    return Needs(
        FrozenMap({key: type for each in every for key, type in each.entities.items()}),
        FrozenMap({name: type for each in every for name, type in each.requests.items()}),
    )


def reads_to_json(reads: Mapping[str, Read]) -> dict[str, Any]:
    """Return what references name as plain values."""
    return {
        reference: {"type": r.type, "entities": dict(r.needs.entities), "requests": dict(r.needs.requests)}
        for reference, r in sorted(reads.items())
    }


def reads_from_json(content: Mapping[str, Any]) -> dict[str, Read]:
    """Return what `reads_to_json` wrote."""
    return {
        reference: Read(r["type"], Needs(FrozenMap(r["entities"]), FrozenMap(r["requests"])))
        for reference, r in content.items()
    }
