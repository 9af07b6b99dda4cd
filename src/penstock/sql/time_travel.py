"""FOR SYSTEM_TIME AS OF: the instant as of which a table is read."""

from __future__ import annotations

import datetime

from sqlglot import exp

from penstock.errors import SqlError
from penstock.sql.binding import Binding
from penstock.sql.dialect import Dialect, place
from penstock.sql.scalars import bind_scalar
from penstock.tables import query


def instant_of(node: exp.Table, binding: Binding) -> datetime.datetime | None:
    """Return the instant of a table's FOR SYSTEM_TIME AS OF, None where it has none; it may read no columns."""
    version = node.args.get("version")
    if version is None:
        return None
    if version.args["kind"] != "AS OF" or version.name != "TIMESTAMP":
        raise SqlError(f"{version.sql(Dialect)}{place(node)} is not in penstock's SQL; write FOR SYSTEM_TIME AS OF")
    given = version.expression
    bound = bind_scalar(
        exp.cast(given, exp.DataType.Type.TIMESTAMPTZ) if given.is_string else given, binding.root, binding
    )
    if bound.type != "timestamp":
        raise SqlError(
            f"FOR SYSTEM_TIME AS OF{place(given)} takes a timestamp, but {given.sql(Dialect)} is {bound.type}"
        )
    instant: datetime.datetime | None
    [instant] = query(f"SELECT {bound.text} AS instant")["instant"].to_pylist()
    if instant is None:
        raise SqlError(f"FOR SYSTEM_TIME AS OF{place(given)} takes a timestamp, but {given.sql(Dialect)} is NULL")
    return instant
