"""What an operation is: one meaning, stated once, the two forms that compute it, and examples that both must give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.core.expression import Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an operation: its name, the types it takes, and its default if it may be left out.

    `types` holds type names, or the groups `number` (int64, float64), `temporal` (date, datetime, timestamp), `scalar`,
    `array`, `struct` and `any`. A `constant` parameter takes only a literal (a unit, a zone, split points), one of
    `choices` if there are any. `prepare` makes of a constant the object that the row form uses (a set, a zone), or
    None where the plain value will do.
    """

    name: str
    types: tuple[str, ...]
    default: Any = ...  # `...` means: must be given
    constant: bool = False
    repeated: bool = False  # the last parameter may take any number of arguments
    alike: bool = False  # the arguments of all such parameters are brought to one type
    choices: tuple[str, ...] = ()
    prepare: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A golden example: plain argument values and the value that every form must give, or the error it must raise."""

    arguments: tuple[Any, ...]
    value: Any = None
    raises: bool = False
    types: tuple[str, ...] = ()  # the types of the arguments, where the values do not tell (NULL)


class Raises:
    """Stands in a row of `golden` for the value where both forms must raise."""


def golden(*rows: tuple[Any, ...], types: str = "") -> tuple[Example, ...]:
    """Return an example for each row: its arguments, then the value (or `Raises`); `types` are split at `; `."""
    names = tuple(types.split("; ")) if types else ()
    return tuple(
        Example(arguments=arguments, value=None if value is Raises else value, raises=value is Raises, types=names)
        for *arguments_list, value in rows
        for arguments in [tuple(arguments_list)]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One meaning of one name.

    `sql` makes DuckDB text from the argument texts and types; `row` makes Python source from argument sources and
    types, self-contained (in parentheses where needed), reading the globals `names`. Both get arguments that have been
    brought to the parameter's type; in place of a constant, `sql`, `row` and `result` get its plain value (`row` the
    name of the prepared object, if there is one). What `nulls` promises of the row form:

    - `propagate`: a NULL argument makes the result NULL, nothing else does; `row` never sees None.
    - `makes`: the same, but `row` may also give None for other reasons.
    - `handles`: `row` sees None, and may give it.
    - `answers`: `row` sees None, and never gives it.
    """

    name: str
    meaning: str
    parameters: tuple[Parameter, ...]
    result: str | Callable[[Sequence[Any]], str]
    sql: Callable[[Sequence[Any], Sequence[Any]], str]
    row: Callable[[Sequence[Any], Sequence[Any]], str]
    examples: tuple[Example, ...]
    nulls: Literal["propagate", "makes", "handles", "answers"] = "propagate"
    names: Mapping[str, object] = field(default_factory=dict)
    bigquery: str = ""  # its function name in BigQuery's dialect, where it is an ordinary function


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """Something to find in the training rows: an aggregate (`aggregate`, DuckDB text over `{x}`) or a vocabulary.

    A vocabulary is found as a mapping from its entries, the most frequent first, to the number of rows that hold each;
    of an array, its items are the entries, and one that it holds twice counts once.
    """

    name: str
    of: Expr
    aggregate: str = ""
    vocabulary: tuple[int, int] | None = None  # (most entries, least frequency): entries by frequency, ties by name


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedOperation:
    """An operation whose constants are found in the training rows: `standard_scaler(x)` needs a mean and a deviation.

    `statistics` says what to find for one use of it; `freeze` makes the ordinary expression, given what was found
    (name -> value). After a fit no learned operation is left in a graph. An example is a column of training values,
    further constant arguments, and the column that comes out.
    """

    name: str
    meaning: str
    parameters: tuple[Parameter, ...]
    result: str | Callable[[Sequence[str]], str]
    statistics: Callable[[Sequence[Expr]], tuple[Statistic, ...]]
    freeze: Callable[[Sequence[Expr], dict[str, Any]], Expr]
    examples: tuple[tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]], ...] = ()
    bigquery: str = ""
