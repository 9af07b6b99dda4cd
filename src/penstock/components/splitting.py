"""The component that divides rows into those to learn from and those to judge by: split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from penstock import transforms
from penstock.errors import DataError, DeclarationError
from penstock.pipelines import StepFunction, step
from penstock.tables import Table, schema_of, to_arrow

How: TypeAlias = Literal["time", "group", "random", "stratified"]

_ORDERED = ("date", "datetime", "timestamp", "int64", "float64")
_APART = 1_000_003  # what lies between the seed of the test set and that of the validation set


class Split(NamedTuple):
    """Rows to learn from, and rows kept back to judge by."""

    train: Table
    test: Table


class SplitInThree(NamedTuple):
    """Rows to learn from, rows to choose by while learning, and rows kept back to judge by."""

    train: Table
    validation: Table
    test: Table


class _Splitting(StepFunction):
    """`split`: with `validation=` it gives three parts."""

    def shaped(self, inputs: Mapping[str, Any]) -> StepFunction:
        """Return the step of three parts where those are asked for."""
        return StepFunction(_in_three.function, self.settings, _in_three) if "validation" in inputs else self


@step(modes={"train"})
def split(
    rows: Table,
    *,
    by: str | None = None,
    test: float = 0.2,
    how: How | None = None,
    stratify: str | list[str] | None = None,
    seed: int = 0,
) -> Split:
    """Divide rows into train and test; the same rows always go the same way.

        train, test = ps.split(rows, by="started", test=0.2)
        train, validation, test = ps.split(rows, stratify="kind", validation=0.1)

    `by` a time or a number: the newest `test` fraction is the test set, so that nothing learned has seen the future.
    `by` any other column: about that fraction of its values is, so that rows of one customer stay together (of numbers
    too with `how="group"`). `stratify`: of each value of these columns that fraction. Without any of them a row goes by
    its whole content: equal rows stay together, and stay where they are when rows are added; with `how="random"` it
    goes by its place. `validation=0.1` gives three parts, that one between the others.
    """
    return Split(*_divide(to_arrow(rows), by=by, how=how, stratify=stratify)(fraction=test, seed=seed))


@step(name="split", modes={"train"})
def _in_three(
    rows: Table,
    *,
    validation: float,
    by: str | None = None,
    test: float = 0.2,
    how: How | None = None,
    stratify: str | list[str] | None = None,
    seed: int = 0,
) -> SplitInThree:
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise DeclarationError(
            f"split: test={test} and validation={validation} are no fractions between 0 and 1 that leave rows to learn"
        )
    rest, judged = _divide(to_arrow(rows), by=by, how=how, stratify=stratify)(fraction=test, seed=seed)
    share = validation / (1 - test)
    return SplitInThree(*_divide(rest, by=by, how=how, stratify=stratify)(fraction=share, seed=seed + _APART), judged)


split = _Splitting(split.function, split.settings)


def _divide(
    rows: Table, *, by: str | None, how: str | None, stratify: str | list[str] | None
) -> Callable[..., tuple[Table, Table]]:
    """Return what divides the rows as it was asked."""
    if stratify is not None and (by is not None or how not in (None, "stratified")):
        raise DeclarationError("split: stratify= says how rows are divided; leave out by= and how=")
    match how or _usual(rows, by, stratify):
        case "stratified" if stratify is not None:
            return partial(_apart, transforms.split_stratified, rows, stratify)
        case "random" if by is None:
            return partial(_apart, transforms.split_at_random, rows)
        case "time" if by is not None:
            return lambda fraction, seed: _apart(transforms.split_by_time, rows, by, fraction=fraction)
        case "group":
            return partial(_apart, transforms.split_by_hash, rows, by or rows.column_names)
    needs = {"stratified": "stratify=", "random": "no by=", "time": "by=, a time"}
    raise DeclarationError(
        f"split: how={how!r} needs {needs[how]}"
        if how in needs
        else f"split: how={how!r} is none of time, group, random, stratified"
    )


def _apart(divide: Callable[..., tuple[Table, Table]], *args: Any, fraction: float, **seed: int) -> tuple[Table, Table]:
    if not 0 < fraction < 1:
        raise DeclarationError(f"split: test={fraction} is not a fraction between 0 and 1")
    parts = divide(*args, test_fraction=fraction, **seed)
    if empty := [name for name, part in zip(("training", "test"), parts, strict=True) if not part.num_rows]:
        count = parts[0].num_rows + parts[1].num_rows
        raise DataError(
            f"split: of {count} {'row' if count == 1 else 'rows'} none came to the {empty[0]} set; these are too few "
            "(or too few groups): give another fraction, or another seed"
        )
    return parts


def _usual(rows: Table, by: str | None, stratify: object) -> How:
    if stratify is not None:
        return "stratified"
    ordered = by is not None and by in rows.column_names and schema_of(rows.schema)[by].type in _ORDERED
    return "time" if ordered else "group"
