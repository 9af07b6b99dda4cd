"""The text form: an expression written in BigQuery's dialect. `parse(text(e)) == e`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from penstock.core.expression import Expr
from penstock.core.schema import element_type
from penstock.operations.parts import OPERATIONS as PARTS
from penstock.operations.reserved import RESERVED
from penstock.operations.signatures import operation_of
from penstock.operations.table import LEARNED

INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "eq": "=",
    "ne": "<>",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "AND",
    "or": "OR",
    "like": "LIKE",
    "bit_and": "&",
    "bit_or": "|",
    "bit_xor": "^",
    "shift_left": "<<",
    "shift_right": ">>",
}
"""Operation -> the operator between its two arguments."""

SUFFIX = {"is_null": "IS NULL", "is_not_null": "IS NOT NULL", "is_true": "IS TRUE", "is_false": "IS FALSE"}
"""Operation -> what stands after its argument."""

EXTRACTED = {
    part.name: {"day_of_week": "DAYOFWEEK", "day_of_year": "DAYOFYEAR"}.get(
        part.name, re.sub("^WEEK_(.*)", r"WEEK(\1)", part.name.upper())
    )
    for part in PARTS
}
"""Operation -> the part in EXTRACT(part FROM x)."""

OUR_NAMESPACE = "PENSTOCK"
"""Operations that BigQuery has no name for are written as functions of this namespace."""


def text(expr: Expr) -> str:
    """Write an expression in BigQuery's dialect; what BigQuery has no name for is written `PENSTOCK.NAME(...)`."""
    written = _text(expr)
    return written[1:-1] if _enclosed(expr) else written


def type_text(type: str) -> str:
    """Write one of our types in BigQuery's dialect."""
    return type.upper()


def _enclosed(expr: Expr) -> bool:
    return expr.op in INFIX or expr.op in SUFFIX or expr.op in ("not", "negate", "in")


def _text(expr: Expr) -> str:
    match expr.op, expr.args:
        case "column", (name,):
            return name_text(name)
        case "literal", (value, type):
            return literal_text(value, type)
        case ("feature" | "request") as op, words:
            written = ", ".join(literal_text(word, "string") for word in words)
            return f"{OUR_NAMESPACE}.{op.upper()}({written})"
        case "threshold", (low, high, steps, name):
            called = "" if name is None else f", {literal_text(name, 'string')}"
            return f"{OUR_NAMESPACE}.THRESHOLD({low!r}, {high!r}, {steps}{called})"
        case op, (x, y) if op in INFIX:
            return f"({_operand(x)} {INFIX[op]} {_operand(y)})"
        case op, (x,) if op in SUFFIX:
            return f"({_operand(x)} {SUFFIX[op]})"
        case op, (x, *zone) if op in EXTRACTED:
            at = f" AT TIME ZONE {_text(zone[0])}" if zone else ""
            return f"EXTRACT({EXTRACTED[op]} FROM {_operand(x)}{at})"
    if expr.op in _SPECIAL:
        return _SPECIAL[expr.op](*expr.args)
    operation = operation_of(expr)
    over = " OVER ()" if expr.op in LEARNED else ""
    arguments = [
        _keyword(argument) if parameter == "part" else _text(argument)
        for argument, parameter in zip(expr.args, _names(expr), strict=True)
    ]
    if "format" in _names(expr):
        arguments[:2] = arguments[1::-1]  # BigQuery has the format first
    return f"{operation.bigquery or f'{OUR_NAMESPACE}.{expr.op.upper()}'}({', '.join(arguments)}){over}"


def _names(expr: Expr) -> list[str]:
    parameters = operation_of(expr).parameters
    return [parameters[min(place, len(parameters) - 1)].name for place in range(len(expr.args))]


def _operand(expr: Expr) -> str:
    """Write an operand; a negative number is enclosed, for its sign binds less than some operators."""
    written = _text(expr)
    return f"({written})" if expr.op == "literal" and written.startswith("-") else written


def _keyword(expr: Expr) -> str:
    """Write a part of a date (DAY, ISOWEEK): a word, not a string."""
    return str(expr.args[0]).upper()


def _cast(x: Expr, target: Expr) -> str:
    # A literal stands in parentheses: without them CAST('2024-05-05' AS DATE) is the literal of that date.
    inner = f"({_text(x)})" if x.op == "literal" else _text(x)
    return f"CAST({inner} AS {type_text(target.args[0])})"


def _in(x: Expr, values: Expr) -> str:
    items = values.args[0]
    listed = ", ".join(literal_text(item, element_type(values.args[1])) for item in items)
    return f"({_operand(x)} IN ({listed}))" if items else f"({_operand(x)} IN UNNEST({_text(values)}))"


def _struct(names: Expr, *values: Expr) -> str:
    pairs = zip(names.args[0], values, strict=True)
    return f"STRUCT({', '.join(f'{_text(value)} AS {name_text(name)}' for name, value in pairs)})"


def _field(x: Expr, name: Expr) -> str:
    return f"{_text(x) if x.op in ('column', 'field') else f'({_text(x)})'}.{name_text(name.args[0])}"


def _indexed(word: str) -> Callable[..., str]:
    return lambda x, place: f"{_text(x) if x.op == 'column' else f'({_text(x)})'}[{word}({_text(place)})]"


def _moved(function: str) -> Callable[..., str]:
    def write(x: Expr, number: Expr, part: Expr) -> str:
        return f"{function}({_text(x)}, {_interval(number, part)})"

    return write


def _interval(number: Expr, part: Expr | None) -> str:
    amount = _operand(number) if number.op == "literal" else f"({_text(number)})"
    return f"INTERVAL {amount} {'DAY' if part is None else _keyword(part)}"


def _series(function: str) -> Callable[..., str]:
    def write(x: Expr, last: Expr, number: Expr | None = None, part: Expr | None = None) -> str:
        step = _interval(Expr("literal", (1, "int64")) if number is None else number, part)
        return f"{function}({_text(x)}, {_text(last)}, {step})"

    return write


def _edit_distance(prefix: str) -> Callable[..., str]:
    def write(x: Expr, other: Expr, *most: Expr) -> str:
        named = "".join(f", max_distance => {_text(number)}" for number in most)
        return f"{prefix}EDIT_DISTANCE({_text(x)}, {_text(other)}{named})"

    return write


def _from_hex(prefix: str) -> Callable[..., str]:
    """Write FROM_HEX; a literal stands in parentheses: without them it is the literal of those bytes."""
    return lambda x: f"{prefix}FROM_HEX({f'({_text(x)})' if x.op == 'literal' else _text(x)})"


def _analyzed(x: Expr, *options: Expr) -> str:
    """Write TEXT_ANALYZE, whose options BigQuery takes by name only."""
    named = zip(("analyzer", "analyzer_options"), options, strict=False)
    return f"TEXT_ANALYZE({', '.join([_text(x), *(f'{name} => {_text(value)}' for name, value in named)])})"


def _normalized(function: str) -> Callable[..., str]:
    """Write NORMALIZE, whose form is a word."""
    return lambda x, *form: f"{function}({', '.join([_text(x), *map(_keyword, form)])})"


def _array(*items: Expr) -> str:
    """Write an array; of constants it is written as a call: in brackets they would be one literal."""
    constant = all(item.op == "literal" for item in items)
    return f"{OUR_NAMESPACE}.ARRAY(" * constant + "[" * (not constant) + ", ".join(map(_text, items)) + "])"[constant]


def _generate_array(*numbers: Expr) -> str:
    """Write GENERATE_ARRAY, which of constants would be the literal of what it makes."""
    ours = f"{OUR_NAMESPACE}." * all(number.op == "literal" for number in numbers)
    return f"{ours}GENERATE_ARRAY({', '.join(map(_text, numbers))})"


def _instr(prefix: str) -> Callable[..., str]:
    """Write INSTR; of two arguments it would be STRPOS."""

    def write(x: Expr, other: Expr, *places: Expr) -> str:
        return f"{prefix}INSTR({', '.join([_text(x), _text(other), *(map(_text, places) if places else '1')])})"

    return write


def _operand_of_time(expr: Expr) -> str:
    """Write a time after a date; a string, which would be a zone, stands in parentheses."""
    return f"({_text(expr)})" if expr.op == "literal" and expr.args[1] == "string" else _text(expr)


_SPECIAL: dict[str, Callable[..., str]] = {
    "edit_distance": _edit_distance(""),
    "safe_edit_distance": _edit_distance("SAFE."),
    "from_hex": _from_hex(""),
    "safe_from_hex": _from_hex("SAFE."),
    "negate": lambda x: f"(-({_text(x)}))",
    "bit_not": lambda x: f"(~({_text(x)}))",
    "not": lambda x: f"(NOT {_operand(x)})" if _enclosed(x) else f"(NOT ({_text(x)}))",
    "cast": _cast,
    "safe_cast": lambda x, target: f"SAFE_CAST({_text(x)} AS {type_text(target.args[0])})",
    "in": _in,
    "struct": _struct,
    "array": _array,
    "instr": _instr(""),
    "safe_instr": _instr("SAFE."),
    "generate_array": _generate_array,
    "safe_generate_array": lambda *numbers: f"SAFE.GENERATE_ARRAY({', '.join(map(_text, numbers))})",
    "in_array": lambda x, values: f"({_operand(x)} IN UNNEST({_text(values)}))",
    "field": _field,
    "offset": _indexed("OFFSET"),
    "safe_offset": _indexed("SAFE_OFFSET"),
    "text_analyze": _analyzed,
    "normalize": _normalized("NORMALIZE"),
    "normalize_and_casefold": _normalized("NORMALIZE_AND_CASEFOLD"),
    "date_add": _moved("DATE_ADD"),
    "timestamp_add": _moved("TIMESTAMP_ADD"),
    "datetime_add": _moved("DATETIME_ADD"),
    "time_add": _moved("TIME_ADD"),
    "add_interval": lambda x, number, part: f"({_operand_of_time(x)} + {_interval(number, part)})",
    "generate_date_array": _series("GENERATE_DATE_ARRAY"),
    "safe_generate_date_array": _series("SAFE.GENERATE_DATE_ARRAY"),
    "generate_timestamp_array": _series("GENERATE_TIMESTAMP_ARRAY"),
    "safe_generate_timestamp_array": _series("SAFE.GENERATE_TIMESTAMP_ARRAY"),
    "safe_datetime_add": _moved("SAFE.DATETIME_ADD"),
    "date_and_time": lambda x, time: f"DATETIME({_text(x)}, {_operand_of_time(time)})",
    "safe_date_add": _moved("SAFE.DATE_ADD"),
    "safe_timestamp_add": _moved("SAFE.TIMESTAMP_ADD"),
}


def name_text(name: str) -> str:
    """Write a column's name, in back quotes unless it is a plain word that is not reserved."""
    plain = name.isascii() and name.isidentifier() and name.upper() not in RESERVED
    return name if plain else "`" + name.replace("\\", "\\\\").replace("`", "\\`").replace("\n", "\\n") + "`"


def literal_text(value: Any, type: str) -> str:
    """Write a literal in BigQuery's dialect."""
    if value is None:
        return "NULL" if type == "null" else f"CAST(NULL AS {type_text(type)})"
    match type:
        case "bool":
            return "TRUE" if value else "FALSE"
        case "int64":
            return str(value)
        case "float64":
            return repr(value) if math.isfinite(value) else f"CAST('{value}' AS FLOAT64)"
        case "string":
            return f"'{str(value).translate(_ESCAPES)}'"
        case "bytes":
            return f"FROM_HEX('{value.hex()}')"
        case "date" | "time":
            return f"{type.upper()} '{value.isoformat()}'"
        case "datetime" | "timestamp":
            return f"{type.upper()} '{value.isoformat(' ')}'"
    member = element_type(type)
    if not value:
        return "[]" if member == "null" else f"ARRAY<{type_text(member)}>[]"
    return f"[{', '.join(literal_text(item, 'null' if item is None else member) for item in value)}]"


_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"})
