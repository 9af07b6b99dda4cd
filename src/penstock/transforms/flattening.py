"""A table as statistics look at it: fields of structs are columns, and each holds numbers or categories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.core.schema import Schema, element_type, struct_fields
from penstock.errors import DataError
from penstock.operations import col, quoted, sql, sql_literal

_NUMBERS = ("int64", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatColumn:
    """A column, or a field of a struct (`place.latitude`).

    `text` is its DuckDB text over the rows, `type` that of one value. Where a row has `many` values, the text gives an
    array; of a sparse array, whose entries are an index and a number, `member` and `index` name the fields of an entry.
    """

    name: str
    text: str
    type: str
    many: bool = False
    member: str = ""
    index: str = ""

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers; otherwise they are categories, and count by their text."""
        return self.type in _NUMBERS

    def values(self, rows: str = "rows") -> str:
        """Return the query of the values `v` of a table, NULLs among them: each a float64, or a string."""
        return f"SELECT {self.taken()} AS v FROM ({self.raw_values(rows)})"

    def raw_values(self, rows: str = "rows") -> str:
        """Return the query of the values `v` of a table in the type that they have there."""
        entry = f"unnest({self.text})" if self.many else self.text
        raw = f"struct_extract({entry}, {sql_literal(self.member, 'string')})" if self.member else entry
        return f"SELECT {raw} AS v FROM {rows}"

    def taken(self) -> str:
        """Return the text of a value `v` as statistics take it. DuckDB writes out bytes that are no text: `\\xFF`."""
        if self.is_number or self.type == "bytes":
            return f"CAST(v AS {'DOUBLE' if self.is_number else 'VARCHAR'})"
        return sql(col("v").cast("string"), Schema.of(v=self.type))


def flat_columns(schema: Schema) -> list[FlatColumn]:
    """Return the columns of a table as statistics look at them, in order; `DataError` for one that none can be of."""
    return [flat for field in schema for flat in _flat(field.name, quoted(field.name), field.type)]


def _flat(name: str, text: str, type: str) -> Iterator[FlatColumn]:
    if type.startswith("struct<"):
        for field, member in struct_fields(type):
            yield from _flat(f"{name}.{field}", f"struct_extract({text}, {sql_literal(field, 'string')})", member)
        return
    if not type.startswith("array<"):
        yield FlatColumn(name=name, text=text, type="string" if type == "null" else type)
        return
    element = element_type(type)
    fields = struct_fields(element) if element.startswith("struct<") else ()
    match fields:
        case ():
            if element.startswith("array<"):
                raise DataError(f"column '{name}' is {type}; statistics are of values and of arrays of values")
            yield FlatColumn(name=name, text=text, type=element, many=True)
        case ((index, "int64"), (member, ("int64" | "float64") as number)):
            yield FlatColumn(name=name, text=text, type=number, many=True, member=member, index=index)
        case _:
            raise DataError(f"column '{name}' is {type}; of arrays of structs, statistics take an index and a number")
