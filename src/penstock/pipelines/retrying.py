"""Whether a step that failed is tried again, and after how long."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from penstock.core.failure import ENDINGS, qualified
from penstock.core.pipeline import Needs
from penstock.core.ports import Outcome
from penstock.errors import DeclarationError, ExpressionError, MissingExtraError, UnknownNameError

MOST_SECONDS = 300.0
"""Waits double up to this; a longer `retry_delay` stays as it is."""

_FINAL = (DeclarationError, ExpressionError, MissingExtraError)


def retry_wait(needs: Needs, outcome: Outcome, attempts: int) -> float | None:
    """Return the seconds until a step is tried again whose attempt of that number ended so; None: it is not.

    Trying again helps where the world outside was to blame; an outcome that says it is final would only come again.
    """
    if outcome.state != "failed" or outcome.final or attempts > needs.retries or not _is_listed(needs, outcome):
        return None
    first = needs.retry_delay_seconds
    return float(min(first * 2 ** min(attempts - 1, 64), max(first, MOST_SECONDS)))


def why_not_again(needs: Needs, outcome: Outcome, attempts: int) -> str:
    """Say of a step that failed that it could have been tried again, but for what it failed of; "" where not so."""
    if outcome.state != "failed" or outcome.final or attempts > needs.retries or _is_listed(needs, outcome):
        return ""
    of = outcome.failed_of[0] if outcome.failed_of else "something else"
    return f"not tried again: it failed of {of}, and retry_on lists {', '.join(needs.retry_on or ()) or 'nothing'}"


def _is_listed(needs: Needs, outcome: Outcome) -> bool:
    return needs.retry_on is None or any(
        fnmatchcase(name, pattern) for pattern in needs.retry_on for name in outcome.failed_of
    )


def retried_on(value: Any, where: str) -> tuple[str, ...] | None:
    """Return what `retry_on` of a step lists as names: those of exceptions (classes, names, patterns), and of the ways
    in which a process ends."""
    if value is None:
        return None
    listed = [value] if isinstance(value, str | type) or not isinstance(value, Iterable) else list(value)
    return tuple(_name(each, where) for each in listed)


def _name(value: Any, where: str) -> str:
    if isinstance(value, type) and issubclass(value, BaseException):
        return qualified(value)
    if not isinstance(value, str) or not value:
        raise DeclarationError(
            f"retry_on {where} has {value!r}; list exceptions, their names, or one of {', '.join(ENDINGS)}: "
            'retry_on=(ConnectionError, "requests.exceptions.*", "killed")'
        )
    if value.islower() and value.isidentifier() and value not in ENDINGS:  # no exception is called so
        raise UnknownNameError("end of a step", value, ENDINGS, within=f"retry_on {where}")
    return value


def is_final(error: BaseException) -> bool:
    """Tell whether what a step raised says that it was declared wrongly, which no second attempt heals."""
    return isinstance(error, _FINAL)
