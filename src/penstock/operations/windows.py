"""Expressions that only features have: aggregates over windows, features of other sets, values of the request.

None of them has a meaning within one row, so none is in the table of operations; `penstock.features` gives them theirs
and puts columns in their places.
"""

from __future__ import annotations

import datetime
import math
from typing import Any, Self

from penstock.core.expression import Expr, lift, literal
from penstock.core.units import seconds
from penstock.errors import DeclarationError

AGGREGATES = ("count", "sum", "mean", "min", "max", "stddev", "first", "last", "count_distinct", "last_n")
"""What can be found over a window."""

BEYOND_ROWS = {
    "aggregate": "an aggregate needs a window: .over('7d'), in a feature of ps.feature_set",
    "window": "an aggregate over a window is a feature of ps.feature_set; use it elsewhere by ps.feature('set:name')",
    "feature": "ps.feature('set:name') stands in the features of a model, or of a feature set",
    "request": "ps.request('name') stands in a feature of ps.feature_set; in a model it is ps.col('name')",
}
"""Operation -> where it may stand, for errors."""

Length = str | float | datetime.timedelta
"""A length of time as people write it: "7d", seconds, a `timedelta`."""

MICROSECONDS = 1_000_000
_FINEST = 300 * MICROSECONDS
_HOUR = 3600 * MICROSECONDS


class WindowMethods(Expr):
    """The methods of an expression that look beyond its row."""

    __slots__ = ()

    def count(self) -> Self:
        """How many rows of the window have a value. Continue with `.over("7d")`."""
        return self._aggregate("count")

    def sum(self) -> Self:
        """The exact sum of the window's values, rounded once; NULL where there is none."""
        return self._aggregate("sum")

    def mean(self) -> Self:
        """The sum over the count; NULL where there is no value."""
        return self._aggregate("mean")

    def min(self) -> Self:
        """The least value of the window."""
        return self._aggregate("min")

    def max(self) -> Self:
        """The greatest value of the window."""
        return self._aggregate("max")

    def stddev(self) -> Self:
        """The sample standard deviation; NULL where there are fewer than two values."""
        return self._aggregate("stddev")

    def first(self) -> Self:
        """The value of the window's earliest event that has one."""
        return self._aggregate("first")

    def last(self) -> Self:
        """The value of the window's latest event that has one."""
        return self._aggregate("last")

    def count_distinct(self) -> Self:
        """How many different values the window has."""
        return self._aggregate("count_distinct")

    def last_n(self, n: int) -> Self:
        """The values of the window's latest `n` events that have one, the latest first, as an array."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise DeclarationError(f"last_n takes a whole number from 1 on, not {n!r}")
        return self._aggregate("last_n", n)

    def where(self, condition: Any) -> Self:
        """Count only rows where the condition is TRUE: `col("fare").mean().where(col("tip") > 0).over("1h")`.

        It may be a text in BigQuery's dialect, `.where("tip > 0 AND city = 'Utrecht'")`, which is read where the
        feature set is declared.
        """
        if self.op != "aggregate":
            raise DeclarationError(f"{self!r} is no aggregate; write .where behind one: .count().where(condition)")
        of, before, function, n = self.args
        lifted = lift(condition, type(self))
        both = lifted if before == literal(True, cls=type(self)) else before & lifted
        return type(self)("aggregate", (of, both, function, n))

    def over(self, window: Length, *, hop: Length | None = None) -> Self:
        """Find the aggregate over the time before the instant that is asked for.

        At the instant `q` the window of length `W` holds the events of the entity with a time in
        `[floor((q - W) / hop) * hop, q)`: it begins at a whole `hop` and ends before `q`. Without `hop` that is 5
        minutes for windows below 12 hours (less where 5 minutes do not divide the window), 1 hour below 12 days, else
        1 day; `hop` divides a day, or is whole days. Hops are counted from 1970 on, in UTC.

        With `hop` equal to `window` the window tumbles: it is the last one that has ended,
        `[floor(q / W) * W - W, floor(q / W) * W)`, so that each event is in one window only.
        """
        if self.op != "aggregate":
            raise DeclarationError(f"{self!r} is no aggregate; write .over behind one: .mean().over('7d')")
        length = microseconds(window, "window")
        step = default_hop(length) if hop is None else microseconds(hop, "hop")
        if 86400 * MICROSECONDS % step and step % (86400 * MICROSECONDS):
            raise DeclarationError(f"hop={hop!r} does not divide a day, so windows would begin at odd times; take '1h'")
        if step > length:
            raise DeclarationError(f"hop={hop!r} is longer than the window {window!r}")
        return type(self)("window", (*self.args, *(literal(value, cls=type(self)) for value in (length, step))))

    def _aggregate(self, function: str, n: int | None = None) -> Self:
        if self.op in BEYOND_ROWS:
            raise DeclarationError(f"{function} of {self!r}: {BEYOND_ROWS[self.op]}")
        cls = type(self)
        return cls("aggregate", (self, literal(True, cls=cls), literal(function, cls=cls), literal(n, cls=cls)))


def default_hop(length: int) -> int:
    """Return the hop of a window, both in microseconds: 5 minutes, an hour or a day, as in Chronon; a window of 5
    minutes or less begins at whole seconds, so that it does not tumble unless it is asked to."""
    if length < 12 * _HOUR:
        hops = (math.gcd(finest, length) for finest in (_FINEST, MICROSECONDS, 1))
        return next((hop for hop in hops if hop < length), length)
    return _HOUR if length < 12 * 24 * _HOUR else 24 * _HOUR


def microseconds(value: Length, what: str) -> int:
    """Return a length of time in microseconds; raises `DeclarationError`, by the name `what`, for what is none."""
    given = value.total_seconds() if isinstance(value, datetime.timedelta) else value
    return round(seconds(given, what) * MICROSECONDS)
