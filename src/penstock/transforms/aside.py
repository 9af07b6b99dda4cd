"""Which rows are wrong by themselves, and why: what `validate` sets aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from penstock.operations import quoted, sql_literal
from penstock.tables import TableLike, query
from penstock.transforms.checking import Finding

_POSITION = "__position"


def reasons(
    table: pa.Table, findings: Sequence[Finding], tables: Mapping[str, TableLike] | None = None
) -> pa.ChunkedArray:
    """Return for each row, in order, what is wrong with it, NULL where nothing is. Of rows with one key the first with
    which nothing else is wrong is right; `tables` are those in which rules look values up."""
    numbered = table.append_column(_POSITION, pa.array(np.arange(table.num_rows)))
    wrong = " OR ".join(f"coalesce({each.wrong}, false)" for each in findings if each.wrong) or "false"
    said = []
    for each in findings:
        column = each.anomaly["column"]
        what = sql_literal(f"{each.anomaly['kind']}{f' {column}' if column else ''}", "string")
        said.append(f"CASE WHEN {each.wrong or _is_again(each.key, wrong)} THEN {what} END")
    text = f"SELECT nullif(concat_ws('; ', {', '.join(said)}), '') AS why FROM rows ORDER BY {_POSITION}"
    return query(text, **{**(tables or {}), "rows": numbered})["why"]


def _is_again(key: tuple[str, ...], wrong: str) -> str:
    names = ", ".join(map(quoted, key))
    known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in key)
    first = f"min({_POSITION}) FILTER (WHERE NOT ({wrong})) OVER (PARTITION BY {names})"
    return f"({known} AND {_POSITION} > {first})"
