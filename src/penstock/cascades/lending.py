"""The context of a step that trains a cascade by plain calls, lent to the steps that are called in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from penstock.core.ports import Context

_lent: ContextVar[Context | None] = ContextVar("penstock_lent_context", default=None)


@contextmanager
def lent(context: Context | None) -> Iterator[None]:
    """Let steps that are called plainly inside know where features are, as those of a run do."""
    token = _lent.set(context)
    try:
        yield
    finally:
        _lent.reset(token)


def context_of(own: Context | None) -> Context | None:
    """Return the context of a step: its own, or the one that is lent to it."""
    return _lent.get() if own is None else own
