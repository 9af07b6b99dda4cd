"""Whether a step that failed is tried again, and after how long."""

from __future__ import annotations

from penstock.core.pipeline import Needs
from penstock.core.ports import Outcome
from penstock.errors import DeclarationError, ExpressionError, MissingExtraError

MOST_SECONDS = 300.0
"""Waits double up to this; a longer `retry_delay` stays as it is."""

_FINAL = (DeclarationError, ExpressionError, MissingExtraError)


def retry_wait(needs: Needs, outcome: Outcome, attempts: int) -> float | None:
    """Return the seconds until a step is tried again whose attempt of that number ended so; None: it is not.

    Trying again helps where the world outside was to blame; an outcome that says it is final would only come again.
    """
    if outcome.state != "failed" or outcome.final or attempts > needs.retries:
        return None
    first = needs.retry_delay_seconds
    return float(min(first * 2 ** min(attempts - 1, 64), max(first, MOST_SECONDS)))


def is_final(error: BaseException) -> bool:
    """Tell whether what a step raised says that it was declared wrongly, which no second attempt heals."""
    return isinstance(error, _FINAL)
