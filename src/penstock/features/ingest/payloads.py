"""What messages of a stream hold, as rows of a feature set: one that cannot be read is told apart from the others."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pyarrow as pa

from penstock.core.schema import Field, element_type, struct_fields
from penstock.errors import DataError
from penstock.features.declared.definition import Definition
from penstock.features.ingest.checking import check_rows
from penstock.features.ingest.dead_letters import as_json
from penstock.features.ingest.streams import Message, Payload
from penstock.tables import arrow_type, normalize

_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[str, Any] = {
    "bool": bool,
    "int64": _INT64,
    "float64": int | float | Literal["NaN", "Infinity", "-Infinity"],
    "string": str,
    "bytes": bytes,
    "date": datetime.date,
    "time": Annotated[datetime.time, msgspec.Meta(tz=False)],
    "datetime": Annotated[datetime.datetime, msgspec.Meta(tz=False)],
    "timestamp": Annotated[datetime.datetime, msgspec.Meta(tz=True)],
}


@dataclass(frozen=True, slots=True)
class Bad:
    """What could not be stored of a message: the whole of it, or a row."""

    message: Message
    reason: str
    row: str


def payload_reader(
    definition: Definition, payload: Payload
) -> Callable[[Sequence[Message]], tuple[pa.Table, list[Bad]]]:
    """Return what makes rows of messages, in their order, and tells which could not be stored; the rows that it gives
    can be."""
    read = _arrow_reader(definition) if payload == "arrow" else _json_reader(definition)
    schema = pa.schema([(field.name, arrow_type(field.type)) for field in definition.columns])

    def made(messages: Sequence[Message]) -> tuple[pa.Table, list[Bad]]:
        tables, bad = read(messages)
        return pa.concat_tables([schema.empty_table(), *tables]), bad

    return made


Read = Callable[[Sequence[Message]], tuple[list[pa.Table], list[Bad]]]


def _json_reader(definition: Definition) -> Read:
    wanted = list(definition.columns)
    decoder = msgspec.json.Decoder(_row_type(wanted))
    many = msgspec.json.Decoder(list[msgspec.Raw])
    needed = {*definition.keys, definition.set.timestamp, definition.set.created}

    def read(messages: Sequence[Message]) -> tuple[list[pa.Table], list[Bad]]:
        columns: list[list[Any]] = [[] for _ in wanted]
        bad = []
        for message in messages:
            try:
                content = _content(message)
                rows = many.decode(content) if content.lstrip()[:1] == b"[" else [content]
            except (DataError, msgspec.DecodeError) as error:
                bad.append(Bad(message, str(error), _shown(message)))
                continue
            for row in rows:
                try:
                    values = _fitting(msgspec.structs.astuple(decoder.decode(row)), wanted, needed)
                except (msgspec.DecodeError, DataError, OverflowError) as error:
                    bad.append(Bad(message, str(error), bytes(row).decode(errors="replace")))
                    continue
                for column, value in zip(columns, values, strict=True):
                    column.append(value)
        made = [pa.array(values, arrow_type(field.type)) for values, field in zip(columns, wanted, strict=True)]
        return [pa.table(made, names=[field.name for field in wanted])], bad

    return read


def _fitting(values: Sequence[Any], fields: Sequence[Field], needed: set[str | None]) -> list[Any]:
    """Return the values of a row as its columns take them; raises `DataError` for one that would be changed."""
    fitting = list(values)
    for position, (value, field) in enumerate(zip(values, fields, strict=True)):
        if value is None and field.name in needed:
            raise DataError(f"'{field.name}' is NULL")
        if field.type == "float64" and value is not None:
            fitting[position] = number = float(value)  # of "NaN" and "Infinity", too
            if isinstance(value, int) and number != value:
                raise DataError(f"'{field.name}' is no float64 exactly: {value}")
    return fitting


def _row_type(fields: Sequence[Field]) -> Any:
    """Return a type whose decoder takes a row with these columns, and says where one is not as declared."""
    members = [(f"c{number}", _python_type(field.type)) for number, field in enumerate(fields)]
    names = {f"c{number}": field.name for number, field in enumerate(fields)}
    return msgspec.defstruct("Row", members, rename=names)


def _python_type(type: str) -> Any:
    if type.startswith("array<"):
        inner: Any = _python_type(element_type(type))
        return list[inner] | None
    if type.startswith("struct<"):
        members = {name: _python_type(member) for name, member in struct_fields(type)}
        named: Any = TypedDict  # made as it runs
        return named("Members", members) | None
    return _TYPES[type] | None


def _arrow_reader(definition: Definition) -> Read:
    def read(messages: Sequence[Message]) -> tuple[list[pa.Table], list[Bad]]:
        tables, bad = [], []
        for message in messages:
            try:
                with pa.ipc.open_stream(_content(message)) as stream:
                    checked = check_rows(definition, normalize(stream.read_all()), on_bad="set_aside")
            except (DataError, pa.ArrowException, OSError) as error:
                bad.append(Bad(message, str(error), _shown(message)))
                continue
            tables.append(checked.rows)
            bad += [
                Bad(message, reason, row) for reason, row in zip(checked.reasons, as_json(checked.refused), strict=True)
            ]
        return tables, bad

    return read


def _content(message: Message) -> bytes:
    if len(message.content) != 1:
        raise DataError(
            f"the message has the fields {', '.join(message.content) or '(none)'}; it has to be one with the whole row"
        )
    return next(iter(message.content.values()))


def _shown(message: Message) -> str:
    """Return a message that cannot be read, as text; as JSON with its fields in base64, where it is none."""
    try:
        return _content(message).decode()
    except (DataError, UnicodeDecodeError):
        return msgspec.json.encode(message.content).decode()
