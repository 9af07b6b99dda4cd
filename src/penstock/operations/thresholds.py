"""An open threshold: a leaf that stands for a number which the training of a cascade finds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.core.expression import Expr
from penstock.errors import DeclarationError, SqlError
from penstock.operations.fluent import Expression

OPEN = "threshold"
"""The leaf's operation; its arguments are plain: low, high, steps, name."""


def threshold(low: float = 0.0, high: float = 1.0, steps: int = 19, *, name: str | None = None) -> Expression:
    """Leave a number in a route's condition to the training: `ps.col("is_long") > ps.threshold()`.

    Tried are `steps` numbers that part low to high evenly, the ends not among them (0.05, 0.10, ..., 0.95), by what the
    whole cascade is worth with each. Two thresholds of one `name` are one number; without, each is its own, called as
    its route is.
    """
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high)) or low >= high:
        raise DeclarationError(f"threshold from {low!r} to {high!r}: give two numbers, the lower first")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise DeclarationError(f"threshold: steps={steps!r}; give how many numbers to try: 1 or more")
    return Expression(OPEN, (float(low), float(high), steps, name))


def tried(open: Expr) -> tuple[float, ...]:
    """Return the numbers that are tried for an open threshold, rising."""
    low, high, steps, _ = open.args
    # Rounded, so that what is written is 0.15 and not 0.15000000000000002.
    digits = 12 - math.floor(math.log10(max(abs(low), abs(high))))
    return tuple(round(low + (high - low) * step / (steps + 1), digits) for step in range(1, steps + 1))


def read_threshold(words: Sequence[Expr]) -> Expression:
    """Return the threshold that the text PENSTOCK.THRESHOLD(0.0, 1.0, 19, 'name') is: its arguments read."""
    given = [word.args[0] for word in words if word.op == "literal"]
    if len(given) != len(words) or len(given) > 4:
        raise SqlError("PENSTOCK.THRESHOLD takes three numbers and a name: PENSTOCK.THRESHOLD(0.0, 1.0, 19, 'long')")
    return threshold(*given[:3], name=given[3] if len(given) == 4 else None)
