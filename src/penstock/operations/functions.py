"""Functions of BigQuery by name: which operation each is, and those that we refuse, with the reason."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlglot import exp

from penstock.core.expression import literal
from penstock.core.operation import LearnedOperation, Operation
from penstock.errors import SqlError
from penstock.operations.absent import ABSENT
from penstock.operations.arrays import generated
from penstock.operations.construct import call
from penstock.operations.fluent import Expression, lit
from penstock.operations.table import LEARNED, OPERATIONS

Read = Callable[[Any], Expression]
"""Reads a node of sqlglot's tree as an expression; `parsing.from_ast`, handed in."""
_Reader = Callable[[Sequence[exp.Expr], Read], Expression]


def is_function(name: str) -> bool:
    """Tell whether BigQuery's function of that name is one of ours."""
    return name in _FUNCTIONS or name in _SPECIAL or name in LEARNED_FUNCTIONS


def near(name: str, known: Iterable[str]) -> str:
    """Return the question whether a nearby name was meant, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f". Did you mean {found[0]}?" if found else ""


def function(name: str, arguments: Sequence[exp.Expr], read: Read) -> Expression:
    """Return the expression of a function call. Raises `SqlError` that names the function if we do not have it."""
    if name in _SPECIAL:
        return _SPECIAL[name](arguments, read)
    if name in _FUNCTIONS:
        operation = OPERATIONS[_FUNCTIONS[name]]
        names = [parameter.name for parameter in operation.parameters]
        values = read_arguments(operation, arguments, read)
        if "format" in names:
            values[:2] = values[1::-1]  # BigQuery has the format first
        return call(Expression, operation.name, *values)
    if name in _VOLATILE:
        raise SqlError(
            f"{name} changes from call to call, so training and serving would differ; pass its value in as a column"
        )
    if name in _AGGREGATES:
        raise SqlError(
            f"{name} is an aggregate over rows, but an expression sees one row; "
            "statistics that are learned are ML.* functions with OVER (); "
            "over a window, in a feature set: ps.col('x').sum().over('7d')"
        )
    if name in ABSENT:
        raise SqlError(f"{name} is not here: {ABSENT[name]}")
    known = [*_FUNCTIONS, *_SPECIAL, *LEARNED_FUNCTIONS]
    raise SqlError(f"there is no function {name}{near(name, known)}")


def read_arguments(
    operation: Operation | LearnedOperation, arguments: Sequence[exp.Expr], read: Read
) -> list[Expression]:
    """Read the arguments of a call, first those by position, then `name => value`, as the operation's parameters."""
    function = operation.bigquery
    by_position = [item for item in arguments if not isinstance(item, exp.Kwarg)]
    named = {item.this.name.lower(): item.expression for item in arguments if isinstance(item, exp.Kwarg)}
    if any(isinstance(item, exp.Kwarg) for item in arguments[: len(by_position)]):
        raise SqlError(f"{function}: arguments by position stand before those by name")
    if len(by_position) + len(named) < len(arguments):
        raise SqlError(f"{function} is given an argument twice")
    parameters = operation.parameters
    places = [min(place, len(parameters) - 1) for place in range(len(by_position))]
    values = [
        _date_part(item) if parameters[place].name == "part" else read(item)
        for item, place in zip(by_position, places, strict=True)
    ]
    for parameter in parameters[len(values) :] if named else ():
        given = named.pop(parameter.name, None)
        if given is None and parameter.default is ...:
            raise SqlError(f"{function} needs {parameter.name}")
        values.append(lit(parameter.default) if given is None else read(given))
    if named:
        known = [parameter.name for parameter in parameters if not parameter.repeated]
        name = next(iter(named))
        raise SqlError(f"{function} has no argument {name}{near(name, known)}; it has {', '.join(known)}")
    return values


def _date_part(node: exp.Expr) -> Expression:
    """Read DAY, ISOWEEK, WEEK(MONDAY) as a word."""
    word = node.sql("bigquery").lower()
    return lit({"week(monday)": "isoweek", "week(sunday)": "week"}.get(word, word))


def amount_of(interval: exp.Interval, read: Read) -> tuple[Expression, str]:
    """Return the number and the part of INTERVAL n PART."""
    amount = interval.this
    try:
        number = lit(int(amount.this)) if isinstance(amount, exp.Literal) else read(amount)  # sqlglot quotes it
    except ValueError as error:
        raise SqlError(f"INTERVAL {amount.sql('bigquery')}: it must be a whole number") from error
    return number, str(_date_part(interval.args["unit"]).args[0])


def _interval_in(function: str, arguments: Sequence[exp.Expr], place: int) -> exp.Interval:
    interval = arguments[place] if len(arguments) == place + 1 else None
    if not isinstance(interval, exp.Interval) or interval.args.get("unit") is None:
        raise SqlError(f"{function.upper()} takes {'a date' if place == 1 else 'two dates'} and INTERVAL n PART")
    return interval


def _interval(function: str, *, sign: int) -> _Reader:
    """Return the reader of DATE_ADD(x, INTERVAL n PART) and its like."""

    def built(arguments: Sequence[exp.Expr], read: Read) -> Expression:
        number, part = amount_of(_interval_in(function, arguments, 1), read)
        number = number if sign > 0 else lit(-number.args[0]) if number.op == "literal" else -number
        return call(Expression, function, read(arguments[0]), number, part)

    return built


def _series(function: str) -> _Reader:
    """Return the reader of GENERATE_DATE_ARRAY(x, last, INTERVAL n PART) and its like."""

    def built(arguments: Sequence[exp.Expr], read: Read) -> Expression:
        if len(arguments) == 2 and function == "generate_date_array":
            return call(Expression, function, *map(read, arguments))
        step = amount_of(_interval_in(function, arguments, 2), read)
        return call(Expression, function, *map(read, arguments[:2]), *step)

    return built


def _struct(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    names = [item.alias_or_name or f"_{place}" for place, item in enumerate(arguments)]
    if len(set(names)) < len(names):
        raise SqlError(f"STRUCT has two fields of one name: {', '.join(names)}; name them with AS")
    return call(Expression, "struct", tuple(names), *(read(item.unalias()) for item in arguments))


def _cast_to(target: str) -> _Reader:
    """Return the reader of STRING(x), DATETIME(x), TIMESTAMP(x): casts under another name; and of (x, zone)."""

    def built(arguments: Sequence[exp.Expr], read: Read) -> Expression:
        if len(arguments) == 2 and target in OPERATIONS:
            return call(Expression, target, *map(read, arguments))
        if len(arguments) != 1:
            raise SqlError(f"{target.upper()} takes a value{' and a time zone' * (target in OPERATIONS)} here")
        return call(Expression, "cast", read(arguments[0]), target)

    return built


def _date(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    return call(Expression, "make_date" if len(arguments) == 3 else "date", *map(read, arguments))


def _generate_array(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    """Read GENERATE_ARRAY; of constants it is a constant, so that it may be the points of buckets."""
    made = call(Expression, "generate_array", *map(read, arguments))
    types = {argument.args[1] if argument.op == "literal" else "" for argument in made.args}
    if not types <= {"int64", "float64"}:
        return made
    values = [float(item.args[0]) if "float64" in types else item.args[0] for item in made.args]
    return literal(generated(*(*values, 1)[:3]), as_type=f"array<{max(types, key=len)}>", cls=Expression)


def _instr(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    """Read INSTR; of two arguments it is STRPOS, which sqlglot reads as the same."""
    return call(Expression, "strpos" if len(arguments) == 2 else "instr", *map(read, arguments))


def _time(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    """Read TIME(hour, minute, second), TIME(x) and TIME(x, zone)."""
    return call(Expression, "make_time" if len(arguments) == 3 else "time", *map(read, arguments))


def _datetime(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    """Read DATETIME of six numbers, of a date and a time, of an instant and a zone (a constant), and of one value."""
    if len(arguments) == 6:
        return call(Expression, "make_datetime", *map(read, arguments))
    if len(arguments) == 2 and not (isinstance(arguments[1], exp.Literal) and arguments[1].is_string):
        return call(Expression, "date_and_time", *map(read, arguments))
    return _cast_to("datetime")(arguments, read)


def _from_hex(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    """Read FROM_HEX: of a constant it is the literal of those bytes."""
    if len(arguments) != 1 or not isinstance(arguments[0], exp.Literal):
        return call(Expression, "from_hex", *map(read, arguments))
    try:
        return lit(bytes.fromhex(arguments[0].this))
    except ValueError as error:
        raise SqlError(f"FROM_HEX: {error}") from error


def _normalized(name: str) -> _Reader:
    """Return the reader of NORMALIZE(x) and NORMALIZE(x, NFC), and of its like; the form is a word."""

    def built(arguments: Sequence[exp.Expr], read: Read) -> Expression:
        x, *forms = arguments
        return call(Expression, name, read(x), *(form.sql("bigquery").upper() for form in forms))

    return built


def _log(arguments: Sequence[exp.Expr], read: Read) -> Expression:
    return call(Expression, "ln" if len(arguments) == 1 else "log", *map(read, arguments))


_FUNCTIONS: dict[str, str] = {
    operation.bigquery: name for name, operation in OPERATIONS.items() if operation.bigquery
} | {
    "IFNULL": "coalesce",
    "CHAR_LENGTH": "length",
    "CHARACTER_LENGTH": "length",
    "SUBSTRING": "substr",
    "OCTET_LENGTH": "byte_length",
    "POWER": "pow",
    "CEILING": "ceil",
    "DATETIME_TRUNC": "timestamp_trunc",
    "REGEXP_SUBSTR": "regexp_extract",
}
"""BigQuery's name -> our operation."""

LEARNED_FUNCTIONS: dict[str, str] = {operation.bigquery: name for name, operation in LEARNED.items()}

_SPECIAL: dict[str, _Reader] = {
    "STRUCT": _struct,
    "DATE_ADD": _interval("date_add", sign=1),
    "DATE_SUB": _interval("date_add", sign=-1),
    "TIMESTAMP_ADD": _interval("timestamp_add", sign=1),
    "TIMESTAMP_SUB": _interval("timestamp_add", sign=-1),
    "DATETIME_ADD": _interval("datetime_add", sign=1),
    "DATETIME_SUB": _interval("datetime_add", sign=-1),
    "TIME_ADD": _interval("time_add", sign=1),
    "TIME_SUB": _interval("time_add", sign=-1),
    "TIME": _time,
    "DATE": _date,
    "STRING": _cast_to("string"),
    "DATETIME": _datetime,
    "TIMESTAMP": _cast_to("timestamp"),
    "FROM_HEX": _from_hex,
    "INSTR": _instr,
    "GENERATE_ARRAY": _generate_array,
    "GENERATE_DATE_ARRAY": _series("generate_date_array"),
    "GENERATE_TIMESTAMP_ARRAY": _series("generate_timestamp_array"),
    "NORMALIZE": _normalized("normalize"),
    "NORMALIZE_AND_CASEFOLD": _normalized("normalize_and_casefold"),
    "LOG": _log,
}

_VOLATILE = {"RAND", "GENERATE_UUID", "SESSION_USER", "CURRENT_DATE", "CURRENT_DATETIME", "CURRENT_TIME"}
_VOLATILE |= {"CURRENT_TIMESTAMP"}

_AGGREGATES = {"ANY_VALUE", "AVG", "CORR", "COUNT", "COUNTIF", "LOGICAL_AND", "LOGICAL_OR", "MAX", "MIN", "SUM"}
_AGGREGATES |= {"APPROX_COUNT_DISTINCT", "APPROX_QUANTILES", "APPROX_TOP_COUNT", "ARRAY_AGG", "STRING_AGG"}
_AGGREGATES |= {"STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP", "VAR_SAMP"}
