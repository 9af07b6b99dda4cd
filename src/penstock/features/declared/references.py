"""References to features: `driver_rides:trips_7d`, or of a certain version `driver_rides@2:trips_7d`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from penstock.core.ports import MetadataStore
from penstock.errors import DeclarationError, UnknownNameError
from penstock.features.declared.naming import parse_reference
from penstock.features.declared.versions import Registered, find_set


@dataclass(frozen=True, slots=True)
class Wanted:
    """One feature that is asked for: of which version of which set, and the name of its column in the answer."""

    registered: Registered
    feature: str
    column: str


def resolve_references(
    metadata: MetadataStore,
    references: Sequence[str],
    *,
    full_feature_names: bool = False,
    by_reference: bool = False,
) -> list[Wanted]:
    """Return what the references name, in their order; `set:*` stands for every feature of a set.

    With `full_feature_names` columns are called `set__feature`, `by_reference` they are `set@2:feature`. Raises
    `UnknownNameError` for what is not there, and `DeclarationError` where two features would have one column.
    """
    known: dict[tuple[str, int | None], Registered] = {}
    wanted: list[Wanted] = []
    for reference in references:
        name, version, feature = parse_reference(reference)
        if (name, version) not in known:
            known[name, version] = find_set(metadata, name, version)
        registered = known[name, version]
        features = registered.definition.features
        if feature != "*" and feature not in features:
            raise UnknownNameError("feature", feature, features, within=f"feature set '{registered.name}'")
        for each in features if feature == "*" else [feature]:
            column = f"{registered.name}:{each}" if by_reference else f"{name}__{each}" if full_feature_names else each
            wanted.append(Wanted(registered, each, column))
    _check_columns(wanted)
    return wanted


def by_set(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """Return the features grouped by the version of the set that has them."""
    groups: dict[str, list[Wanted]] = {}
    for each in wanted:
        groups.setdefault(each.registered.name, []).append(each)
    return list(groups.values())


def status_column(wanted: Wanted) -> str:
    """Return the name of the column with a feature's status."""
    return f"{wanted.column}__status"


def with_features(
    rows: pa.Table, wanted: Sequence[Wanted], columns: Mapping[str, pa.Array], *, statuses: bool
) -> pa.Table:
    """Return rows with the columns of features behind their own, in the order in which they are asked for."""
    names = [name for each in wanted for name in ([each.column, status_column(each)] if statuses else [each.column])]
    return pa.table([*rows.columns, *(columns[name] for name in names)], names=[*rows.column_names, *names])


def _check_columns(wanted: Sequence[Wanted]) -> None:
    seen: dict[str, Wanted] = {}
    for each in wanted:
        other = seen.setdefault(each.column, each)
        if other is not each:
            pair = f"'{other.registered.name}:{other.feature}' and '{each.registered.name}:{each.feature}'"
            raise DeclarationError(f"{pair} would both be the column '{each.column}'; ask with full_feature_names=True")
