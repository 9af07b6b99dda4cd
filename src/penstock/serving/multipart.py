"""Rows as multipart/form-data, in which browsers and curl send files: brought into the form that they have as JSON.

One row: a part for each input, by its name; a file is the value of an input that is bytes. Several rows: a part
`instances`, the JSON list of them, in which the value of such an input is the name of the part that holds its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from penstock.core.schema import Schema
from penstock.errors import DataError, RequestError
from penstock.serving.at_once import Headers

ROWS = "instances"
MOST_PARTS = 10_000
_TEXTS = ("date", "time", "datetime", "timestamp")
_rows = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_name = msgspec.json.Decoder(str | None).decode


def boundary_of(headers: Headers) -> bytes | None:
    """Return what stands between the parts of a body; None where it is no form of parts."""
    given = next((value for name, value in headers if name == b"content-type"), b"")
    media, options = parse_options_header(given.decode("latin-1"))
    if media != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise RequestError("the content-type multipart/form-data lacks its boundary; let the client's library set it")
    return boundary


def as_json(body: bytes, boundary: bytes, inputs: Schema) -> bytes:
    """Return the rows of a form as the JSON body that says the same.

    Raises `RequestError` for a body that is no such form, and `DataError` naming the field whose value is none.
    """
    parts = parts_of(body, boundary)
    several = ROWS in parts and ROWS not in inputs.names
    found = _several(parts, inputs) if several else [_one(parts, inputs)]
    return msgspec.json.encode({ROWS: found})


def parts_of(body: bytes, boundary: bytes) -> dict[str, bytes]:
    """Return the parts of a form by their names; raises `RequestError` where two have one name."""
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise RequestError(f"the body is no multipart/form-data: {error}") from error
    if not reader.ended:
        raise RequestError("the body ends before the last boundary of its multipart/form-data")
    return reader.parts


class _Reader:
    """What the parser tells, put together to parts."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value, self._content = b"", b"", bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_field,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise RequestError(f"the body has more than {MOST_PARTS:,} parts; send fewer rows a request")
        self._headers, self._content = {}, bytearray()

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]

    def _end_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        try:
            name = options[b"name"].decode()
        except (KeyError, UnicodeDecodeError) as error:
            raise RequestError(
                'a part has no name; each has a header `content-disposition: form-data; name="..."`'
            ) from (error)
        if name in self.parts:
            raise RequestError(f"there are two parts '{name}'; rows are several in a part '{ROWS}', a JSON list")
        self.parts[name] = bytes(self._content)

    def _end(self) -> None:
        self.ended = True


def _one(parts: Mapping[str, bytes], inputs: Schema) -> dict[str, Any]:
    types = {field.name: field.type for field in inputs}
    return {name: _value(name, content, types.get(name)) for name, content in parts.items()}


def _value(name: str, content: bytes, type: str | None) -> Any:
    """Return what a part says, as JSON has it; one that is empty is null, but for a text."""
    if type is None:
        return None  # the name is what is wrong with it
    if type == "bytes":
        return content or None
    if type != "string" and not content.strip():
        return None
    try:
        text = content.decode()
        if type == "string" or type in _TEXTS:
            return text
        msgspec.json.decode(content)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        form = "text in UTF-8" if isinstance(error, UnicodeDecodeError) else f"{type} as JSON writes it"
        raise DataError(f"field '{name}' is no {form}: {error}", field=name) from error
    return msgspec.Raw(content)


def _several(parts: Mapping[str, bytes], inputs: Schema) -> list[dict[str, Any]]:
    files = [field.name for field in inputs if field.type == "bytes"]
    try:
        rows: list[dict[str, Any]] = list(_rows(parts[ROWS]))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"the part '{ROWS}' is no JSON list of objects: {error}") from error
    named = {ROWS}
    for number, row in enumerate(rows):
        for field in files:
            if field in row:
                part = _reference(number, field, row[field], parts)
                named.add(part or ROWS)
                row[field] = None if part is None else parts[part]
    if spare := parts.keys() - named:
        raise RequestError(f"no row names the part '{min(spare)}'; a row does by the value of {' or '.join(files)}")
    return rows


def _reference(number: int, field: str, value: bytes, parts: Mapping[str, bytes]) -> str | None:
    """Return the name of the part that a row names as a field's bytes."""
    where = f"row {number}, field '{field}'"
    try:
        part: str | None = _name(value)
    except msgspec.DecodeError as error:
        raise DataError(f"{where} is not the name of a part, or null: {error}", field=field) from error
    if part is not None and (part not in parts or part == ROWS):
        there = ", ".join(sorted(parts.keys() - {ROWS})) or "none"
        raise DataError(f"{where} names the part '{part}', which there is not; there are: {there}", field=field)
    return part
