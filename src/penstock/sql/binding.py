"""What the binding of one statement knows and gathers: tables, models, and the inferences that must run first."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from penstock.core.schema import Schema
from penstock.models import ModelGraph
from penstock.operations import quoted
from penstock.sql.scope import Bound, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """`ML.PREDICT` or `ML.EVALUATE` over the rows of a query, whose result is the table `name` of the text around.

    `rows` is None where ML.EVALUATE asks for the evaluation that was stored at the fit.
    """

    kind: Literal["predict", "evaluate"]
    graph: ModelGraph
    rows: Bound | None
    name: str


@dataclass(slots=True, kw_only=True)
class Binding:
    """The state of one statement's binding. `tables` maps a name to its DuckDB text and schema."""

    tables: Mapping[str, tuple[str, Schema]]
    model: Callable[[str], ModelGraph]
    query: Callable[[exp.Expr, Scope, Binding], Bound]
    now: datetime.datetime
    inferences: list[Inference] = field(default_factory=list)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self, name: str) -> str:
        """Return a quoted name that nothing else in the DuckDB text has."""
        return quoted(f"{name}_{next(self.numbers)}")
