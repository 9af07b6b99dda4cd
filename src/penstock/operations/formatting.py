"""FORMAT: values printed by a template, `%[flags][width][.precision]specifier`, as BigQuery documents it."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import fails, sql_literal
from penstock.operations.printing import printed, printed_literal, printed_sql

_WIDEST = 2**20
_SPECIFIER = re.compile(r"%(?:(%)|([-+ #0']*)(\*|[0-9]+)?(?:\.(\*|[0-9]*))?([a-zA-Z]))")
_TAKES = {
    **dict.fromkeys("dioxX", "int64"),
    **dict.fromkeys("fFeEgG", "float64"),
    "s": "string",
    **dict.fromkeys("tT", ""),
}
"""Specifier -> the type that it takes, '' for any."""


@dataclass(frozen=True, slots=True)
class Specifier:
    """One place of a template where a value is printed. A width or precision of None is `*`: an argument before it."""

    letter: str
    flags: str
    width: int | None
    precision: int | None  # -1 where none is given


@lru_cache(256)
def read_template(template: str) -> tuple[str | Specifier, ...]:
    """Return the texts and the specifiers of a template; raises `ValueError` for a specifier that is none."""
    pieces: list[str | Specifier] = []
    at = 0
    while (next_ := template.find("%", at)) >= 0:
        match = _SPECIFIER.match(template, next_)
        if match is None or not (match[1] or match[5] in _TAKES):
            shown = match.group() if match else template[next_ : next_ + 4]
            raise ValueError(f"{shown!r} is no specifier; there are %{' %'.join(_TAKES)} and %%")
        pieces.append(template[at:next_])
        if match[1]:
            pieces.append("%")
        else:
            width = None if match[3] == "*" else _bounded(int(match[3] or 0))
            given = -1 if match[4] is None else None if match[4] == "*" else int(match[4] or 0)
            pieces.append(Specifier(match[5], match[2], width, given and _bounded(given, match[5])))
        at = match.end()
    pieces.append(template[at:])
    return tuple(piece for piece in pieces if piece != "")


def _bounded(number: int, letter: str = "d") -> int:
    if number > _WIDEST and letter not in "gGstT":
        raise ValueError(f"a width or precision of {number}; it can be {_WIDEST}")
    return min(number, _WIDEST)


def checked_template(template: str) -> None:
    """Raise `ValueError` for a template that has a specifier that is none."""
    read_template(template)


def _type(types: Sequence[Any]) -> str:
    """Return the result's type; raises where the arguments are not those that the template needs."""
    template, *given = types
    if template is None:
        return "string"
    needs = [need for piece in read_template(template) if isinstance(piece, Specifier) for need in _needs(piece)]
    if len(needs) != len(given):
        raise ExpressionError(f"format: {template!r} needs {len(needs)} values, but there are {len(given)}")
    for (specifier, need), type in zip(needs, given, strict=True):
        if need not in ("", type) and type != "null":
            hint = f"; %t prints any type, or cast it: .cast('{need}')"
            raise ExpressionError(f"format: {specifier} in {template!r} takes {need}, but it was given {type}{hint}")
    return "string"


def _needs(specifier: Specifier) -> list[tuple[str, str]]:
    stars = [("*", "int64")] * [specifier.width, specifier.precision].count(None)
    return [*stars, (f"%{specifier.letter}", _TAKES[specifier.letter])]


def formatted(template: str, *values: Any) -> str | None:
    """Return the template with the values in it; None where one is None, but for %t and %T."""
    rest, parts = iter(values), []
    for piece in read_template(template):
        if isinstance(piece, str):
            parts.append(piece)
            continue
        width = next(rest) if piece.width is None else piece.width
        precision = next(rest) if piece.precision is None else piece.precision
        value = next(rest)
        if width is None or precision is None or (value is None and piece.letter not in "tT"):
            return None  # every argument is computed already, so the others need not be read
        checked_size(width)
        if piece.letter not in "gGstT":
            checked_size(precision)
        parts.append(_print(value, piece, width, precision))
    return "".join(parts)


def checked_size(size: int) -> None:
    """Raise for a width or a precision that is above a million."""
    if abs(size) > _WIDEST:
        raise ExpressionError(f"format: a width or precision of {size}; it can be {_WIDEST}")


def _print(value: Any, piece: Specifier, width: int, precision: int) -> str:
    match _TAKES[piece.letter]:
        case "int64":
            if value < 0 and piece.letter in "oxX":
                raise ExpressionError(f"format: %{piece.letter} of {value}; it takes no negative number")
            return format_int(value, piece.letter, piece.flags, width, precision)
        case "float64":
            return format_float(value, piece.letter, piece.flags, width, precision)
        case "string":
            return format_text(value, piece.flags, width, precision)
    return format_text((printed if piece.letter == "t" else printed_literal)(value), piece.flags, width, precision)


def format_text(x: str, flags: str, width: int, precision: int) -> str:
    """Cut a text to the precision, unless it is negative, and fill it up to the width."""
    x = x if precision < 0 else x[:precision]
    return x.ljust(abs(width)) if "-" in flags or width < 0 else x.rjust(width)


def format_int(x: int, letter: str, flags: str, width: int, precision: int) -> str:
    """Print an integer in base 10, 8 (o) or 16 (x, X)."""
    digits = format(abs(x), "d" if letter in "di" else letter).rjust(max(precision, 0), "0")
    digits = "" if precision == 0 and x == 0 else digits
    if "'" in flags:
        digits = _grouped(digits, 3 if letter in "di" else 4, ":" if letter in "xX" else ",")
    base = ""
    if "#" in flags and letter in "xX" and x != 0:
        base = f"0{letter}"
    elif "#" in flags and letter == "o" and not digits.startswith("0"):
        base = "0"
    return _filled(_sign(x < 0, flags) + base, digits, flags, width, zeros=precision < 0)


def format_float(x: float, letter: str, flags: str, width: int, precision: int) -> str:
    """Print a floating-point number as C's printf does; ' puts commas between thousands."""
    precision = min(6 if precision < 0 else precision, _WIDEST)
    negative = repr(x).startswith("-")
    digits = f"%{'#' * ('#' in flags)}.{precision}{letter}" % abs(x)
    finite = x - x == 0
    if "'" in flags and finite and "e" not in digits.lower():
        whole, point, rest = digits.partition(".")
        digits = _grouped(whole, 3, ",") + point + rest
    return _filled(_sign(negative, flags), digits, flags, width, zeros=finite)


def _sign(negative: bool, flags: str) -> str:
    return "-" if negative else "+" if "+" in flags else " " if " " in flags else ""


def _grouped(digits: str, size: int, mark: str) -> str:
    first = len(digits) % size
    groups = [digits[:first]] * bool(first) + [digits[at : at + size] for at in range(first, len(digits), size)]
    return mark.join(groups)


def _filled(head: str, digits: str, flags: str, width: int, *, zeros: bool) -> str:
    """Fill up to the width: with zeros after the sign where the flag says so, else with spaces."""
    if "-" in flags or width < 0:
        return (head + digits).ljust(abs(width))
    if "0" in flags and zeros:
        return head + digits.rjust(width - len(head), "0")
    return (head + digits).rjust(width)


def _sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    template, *texts = arguments
    if template is None:
        return sql_literal(None, "string")
    rest = iter(zip(texts, types[1:], strict=True))
    parts, known = [], []
    for piece in read_template(template):
        if isinstance(piece, str):
            parts.append(sql_literal(piece, "string"))
            continue
        sizes = [next(rest)[0] if size is None else None for size in (piece.width, piece.precision)]
        text, checks = _piece_sql(*next(rest), piece, sizes)
        parts.append(text)
        known += checks
    made = " || ".join(parts) or sql_literal("", "string")
    return f"CASE {' '.join(known)} ELSE {made} END" if known else f"({made})"


def _piece_sql(x: str, type: str, piece: Specifier, sizes: Sequence[str | None]) -> tuple[str, list[str]]:
    """Return the text of one specifier, and the WHENs of what makes all NULL or an error before."""
    takes = _TAKES[piece.letter]
    needed = [size for size in sizes if size is not None] + [x] * bool(takes)
    checks = [f"WHEN {text} IS NULL THEN NULL" for text in needed]
    held = [size for size in sizes[: 1 if piece.letter in "gGstT" else 2] if size is not None]
    too_wide = fails(f"format: a width or precision above {_WIDEST}")
    checks += [f"WHEN NOT {size} BETWEEN {-_WIDEST} AND {_WIDEST} THEN {too_wide}" for size in held]
    if piece.letter in "oxX":
        checks.append(f"WHEN {x} < 0 THEN {fails(f'format: %{piece.letter} takes no negative number')}")
    width, precision = (
        sql_literal(size, "int64") if text is None else text
        for size, text in zip((piece.width, piece.precision), sizes, strict=True)
    )
    flags = sql_literal(piece.flags, "string")
    bare = (piece.flags, piece.width, piece.precision) == ("", 0, -1)
    if takes in ("int64", "float64"):
        if bare and piece.letter in "di":
            return f"CAST({x} AS VARCHAR)", checks
        letter = sql_literal(piece.letter, "string")
        return f"penstock_format_{takes.rstrip('64')}({x}, {letter}, {flags}, {width}, {precision})", checks
    shown = x if takes else printed_sql(x, type, literal=piece.letter == "T")
    return (shown if bare else f"penstock_format_text({shown}, {flags}, {width}, {precision})"), checks


def _row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    template, *values = arguments
    return "None" if template is None else f"formatted({', '.join([repr(template), *values])})"


FORMATTERS: tuple[tuple[Callable[..., str], tuple[str, ...]], ...] = (
    (format_int, ("int64", "string", "string", "int64", "int64")),
    (format_float, ("float64", "string", "string", "int64", "int64")),
    (format_text, ("string", "string", "int64", "int64")),
)
"""The functions that DuckDB calls, and their parameters."""

_DATE, _AT = datetime.date(2015, 9, 1), datetime.datetime(2015, 9, 1, 19, 34, 56, tzinfo=datetime.UTC)
_CIVIL, _TIME = datetime.datetime(2016, 4, 26, 15, 23, 27, 123456), datetime.time(15, 23, 27)
_INTEGERS = (
    ("%d", 10, "10"), ("|%10d|", 11, "|        11|"), ("+%010d+", 12, "+0000000012+"),
    ("%'d", 123456789, "123,456,789"),
    ("%5.3d", 5, "  005"), ("%+5.3d", 5, " +005"), ("%0.3d", 5, "005"), ("%-03d", 5, "5  "), ("%+03d", -5, "-05"),
    ("% 05d", 123, " 0123"), ("%+06.4d", 123, " +0123"), ("%'015d", 1234567, "0000001,234,567"), ("%.0d", 0, ""),
    ("%'+09d", 54321, "+0054,321"), ("%i", -(2**63), "-9223372036854775808"), ("%x", 30, "1e"), ("%#.4X", 1, "0X0001"),
    ("%'x", 12345678, "bc:614e"), ("%'o", 55555, "15,4403"), ("%#o", 55, "067"), ("%-#6.4o|", 55, "0067  |"),
    ("%0#9x", 123, "0x000007b"), ("%'#9.5X", 1, " 0X0:0001"), ("%#x", 0, "0"), ("%x", -30, Raises), ("%t", 15, "15"),
    ("%6.3t", 10000, "   100"), ("%T", 15, "15"), ("%d", None, None), ("00-%t-00", None, "00-NULL-00"),
    ("%T", None, "NULL"), (None, 1, None),
)  # fmt: skip
_FLOATS = (
    ("%f", 1.1, "1.100000"), ("%E", 2.2, "2.200000E+00"), ("%g", 1e20, "1e+20"), ("%G", 1e20, "1E+20"),
    ("%+f", -0.0, "-0.000000"), ("%'f", 1e20, "100,000,000,000,000,000,000.000000"), ("%06.2f", 1.1, "001.10"),
    ("%+-6.2f|", 1.1, "+1.10 |"), ("%0# 15.5g", -158.49559295148902, "-00000000158.50"), ("%F", -math.inf, "-INF"),
    ("%'015.2f", -1234567.0, "-001,234,567.00"), ("%'015.2e", 1234567.0, "00000001.23e+06"), ("%'g", 1000.0, "1,000"),
    ("%015.2e", math.nan, "            nan"), ("%f", math.inf, "inf"), ("%t", 15.0, "15.0"), ("%t", 1e20, "1e+20"),
    ("%t", math.nan, "nan"), ("%T", -math.inf, 'CAST("-inf" AS FLOAT64)'), ("%T", 15.5, "15.5"), ("%e", None, None),
)  # fmt: skip
_STRINGS = (
    ("-%s-", "abcd efg", "-abcd efg-"), ("%-5s|", "abc", "abc  |"), ("%+05s", "abc", "  abc"),
    ("%5.2s", "abc", "   ab"),
    ("%.s", "abc", ""), ("%5s", "*€*", "  *€*"), ("abc%%de%s", "f", "abc%def"), ("ъ %s xy", "ьь", "ъ ьь xy"),
    ("%t", "ьь", "ьь"), ("%T", "ьь", '"ьь"'), ("%T", "a\"b\n\\'", '"a\\"b\\n\\\\\'"'), ("%T", 'a"b', "'a\"b'"),
    ("%s", "a\0b", "a\0b"), ("%T", "\0", '"\\x00"'), ("%s", None, None), ("%9T", "", '       ""'),
)  # fmt: skip

OPERATIONS = (
    Operation(
        name="format",
        meaning="The template (a constant) with the values in it, each in place of a specifier: %d %i %o %x %X %f %F "
        "%e %E %g %G %s, %t for any value, %T for it as a literal; between % and the letter flags (- + space # 0 '), a "
        "width and a precision. NULL is printed by %t and %T, and makes all NULL elsewhere.",
        parameters=(
            Parameter(name="template", types=("string",), constant=True, prepare=checked_template),
            Parameter(name="x", types=("any",), default=None, repeated=True),
        ),
        result=_type,
        sql=_sql,
        row=_row,
        nulls="handles",
        names={"formatted": formatted},
        bigquery="FORMAT",
        examples=(
            *golden(*_INTEGERS, types="string; int64"),
            *golden(*_FLOATS, types="string; float64"),
            *golden(*_STRINGS, types="string; string"),
            *golden(("", ""), ("abc%%", "abc%"), (None, None), types="string"),
            *golden(("%*d|", -5, 5, "5    |"), ("%.*d", 3, -5, "-005"), ("%.*d", -3, 5, "5"), ("%*d", None, 5, None),
                ("%*d", 2**31, 5, Raises), ("%.*d", 2**20 + 1, 5, Raises), ("%*x", None, -1, None),
                ("%x%d", -1, None, Raises), types="string; int64; int64"),
            *golden(("%*s", 5, "abc", "  abc"), ("%.*s", -2, "abc", "abc"), ("%.*s", 2**40, "abc", "abc"),
                types="string; int64; string"),
            *golden(("%t", b"abc123\x01\xab'\"\x00", "abc123\\x01\\xab\\'\\\"\\x00"),
                ("%T", b"q'\"\xff", "b\"q'\\\"\\xff\""),
                ("%T", b'q"', "b'q\"'"), ("%t", b"\t\n\\", "\\t\\n\\\\"), types="string; bytes"),
            *golden(("%t", _DATE, "2015-09-01"), ("%T", _DATE, 'DATE "2015-09-01"'), ("%t", None, "NULL"),
                types="string; date"),
            *golden(("%t", _AT, "2015-09-01 19:34:56+00"), ("%T", _AT, 'TIMESTAMP "2015-09-01 19:34:56+00"'),
                types="string; timestamp"),
            *golden(("%t", _CIVIL, "2016-04-26 15:23:27.123456"),
                ("%T", _CIVIL, 'DATETIME "2016-04-26 15:23:27.123456"'),
                types="string; datetime"),
            *golden(("%t", _TIME, "15:23:27"), ("%T", _TIME, 'TIME "15:23:27"'), types="string; time"),
            *golden(("%t", True, "true"), ("%T", False, "false"), ("%.2t", True, "tr"), types="string; bool"),
            *golden(("%t", [0, None], "[0, NULL]"), ("%T", [], "[]"), ("%t", None, "NULL"),
                types="string; array<int64>"),
            *golden(("%t", ["a", None], "[a, NULL]"), ("%T", ["a", None], '["a", NULL]'),
                types="string; array<string>"),
            *golden(("%T", [-4.0, math.inf], '[-4.0, CAST("inf" AS FLOAT64)]'), types="string; array<float64>"),
            *golden(("%t", {"a": "foo", "b": 0}, "(foo, 0)"), ("%T", {"a": "foo", "b": None}, '("foo", NULL)'),
                ("%t", None, "NULL"), types="string; struct<a string, b int64>"),
            *golden(("%T", {"a": "foo"}, 'STRUCT("foo")'), types="string; struct<a string>"),
        ),
    ),
)  # fmt: skip
