"""CAST: what of it ONNX can do exactly. The text of a float it cannot: its own has eight digits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from penstock.operations.tensors import days as calendar
from penstock.operations.tensors.choices import known_places
from penstock.operations.tensors.flags import both, unless
from penstock.operations.tensors.mathematics import rounded
from penstock.operations.tensors.moments import DAY
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict

_MOST = str(2**63 - 1)
_DATE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_FLOAT = "[+-]?([0-9]{1,100}[.]?[0-9]{0,100}|[.][0-9]{1,100})([eE][+-]?[0-9]{1,2})?"
_LONG_FLOAT = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_WORDS = {"inf": float("inf"), "infinity": float("inf"), "nan": float("nan")}


def _cast(t: Recorder, types: Sequence[Any], x: Scalar, target: str) -> Result | None:
    if x.type == target:
        return Result(data=x.data, bounds=x.bounds)
    lower = CONVERSIONS.get((x.type, target))
    return None if lower is None else lower(t, x)


def _safe_cast(t: Recorder, types: Sequence[Any], x: Scalar, target: str) -> Result | None:
    made = _cast(t, types, x, target)
    return None if made is None else Result(data=made.data, null=made.refused, unable=made.unable, bounds=made.bounds)


def _float_to_int(t: Recorder, x: Scalar) -> Result:
    low, high = t.number(-(2.0**63)), t.number(2.0**63)
    fits = t.node("And", t.node("GreaterOrEqual", x.data, low), t.node("Less", x.data, high))
    held = t.node("Where", fits, x.data, t.number(0.0))
    return Result(data=t.to("int64", rounded(t, held)), refused=t.node("Not", fits))


def _up_to(most: str) -> str:
    """Return a pattern of the decimal numbers of as many digits as `most` that are at most it."""
    lower = [
        f"{most[:place]}[0-{int(digit) - 1}][0-9]{{{len(most) - place - 1}}}"
        for place, digit in enumerate(most)
        if digit != "0"
    ]
    return "|".join([*lower, most])


def _matched(t: Recorder, x: Scalar, pattern: str, otherwise: str) -> tuple[str, str]:
    """Return the texts, those that are not of the form replaced, and where they are not."""
    matches = t.node("RegexFullMatch", x.data, pattern=pattern)
    return t.node("Where", matches, x.data, t.scalar("string", otherwise)), t.node("Not", matches)


def _string_to_int(t: Recorder, x: Scalar) -> Result:
    shorter = f"0*[0-9]{{1,{len(_MOST) - 1}}}"
    plus, minus = _up_to(_MOST), _up_to(_MOST[:-1] + "8")
    held, refused = _matched(t, x, f"[+-]?{shorter}|[+]?0*({plus})|-0*({minus})", "0")
    return Result(data=t.to("int64", held), refused=refused)


def _string_to_float(t: Recorder, x: Scalar) -> Result:
    held, odd = _matched(t, x, _FLOAT, "0")
    words = [
        (sign + spelled, -value if sign == "-" else value)
        for word, value in _WORDS.items()
        for spelled in _spellings(word)
        for sign in ("", "+", "-")
        if not (sign and word == "nan")
    ]
    place = known_places(t, x.data, "string", [word for word, _ in words])
    assert place is not None  # noqa: S101 - strings have places
    table = t.tensor("float64", [0.0, *(value for _, value in words)])
    is_word = t.node("Greater", place, t.integer(0))
    data = t.node("Where", is_word, t.node("Gather", table, place), t.to("float64", held))
    long = t.node("RegexFullMatch", x.data, pattern=_LONG_FLOAT)  # ONNX Runtime stops at what a double cannot hold
    other = unless(t, unless(t, odd, is_word), long)
    return Result(data=data, refused=other, unable=both(t, odd, long))


def _spellings(word: str) -> list[str]:
    return ["".join(letters) for letters in itertools.product(*((letter, letter.upper()) for letter in word))]


def _string_to_bool(t: Recorder, x: Scalar) -> Result:
    yes, no = _spellings("true"), _spellings("false")
    place = known_places(t, x.data, "string", [*yes, *no])
    assert place is not None  # noqa: S101 - strings have places
    known = t.node("Greater", place, t.integer(0))
    data = t.node("And", known, t.node("LessOrEqual", place, t.integer(len(yes))))
    return Result(data=data, refused=t.node("Not", known))


def _string_to_date(t: Recorder, x: Scalar) -> Result:
    held, odd = _matched(t, x, _DATE, "1970-01-01")
    parts, _ = t.outputs("StringSplit", (held,), count=2, delimiter="-")
    numbers = t.to("int64", parts)
    year, month, day = (t.node("Gather", numbers, t.integer(place), axis=1) for place in range(3))
    missing = t.node("Not", calendar.exists(t, year, month, day))
    return Result(data=calendar.days_of(t, year, month, day), refused=t.node("Or", odd, missing))


def _date_to_string(t: Recorder, x: Scalar) -> Result:
    here = calendar.civil(t, x.data)
    years = t.tensor("string", [f"{year:04}-" for year in range(10_000)])
    year = t.node("Max", t.node("Min", here.year, t.integer(9999)), t.integer(0))
    two = t.tensor("string", [f"{number:02}" for number in range(32)])
    month, day = (t.node("Gather", two, part) for part in (here.month, here.day))
    months = t.node(
        "StringConcat", t.node("Gather", years, year), t.node("StringConcat", month, t.scalar("string", "-"))
    )
    return Result(data=t.node("StringConcat", months, day))


CONVERSIONS: dict[tuple[str, str], Callable[[Recorder, Scalar], Result]] = {
    ("bool", "int64"): lambda t, x: Result(data=t.to("int64", x.data), bounds=(0, 1)),
    ("int64", "bool"): lambda t, x: Result(data=t.node("Not", t.node("Equal", x.data, t.integer(0)))),
    ("int64", "float64"): lambda t, x: Result(data=t.to("float64", x.data)),
    ("int64", "string"): lambda t, x: Result(data=t.to("string", x.data)),
    ("float64", "int64"): _float_to_int,
    ("string", "int64"): _string_to_int,
    ("string", "float64"): _string_to_float,
    ("string", "bool"): _string_to_bool,
    ("string", "date"): _string_to_date,
    ("date", "string"): _date_to_string,
    ("date", "datetime"): lambda t, x: Result(data=t.node("Mul", x.data, t.integer(DAY))),
    ("date", "timestamp"): lambda t, x: Result(data=t.node("Mul", x.data, t.integer(DAY))),
    ("datetime", "date"): lambda t, x: Result(data=t.quotient(x.data, DAY)),
    ("datetime", "time"): lambda t, x: Result(data=t.remainder(x.data, DAY)),
    ("datetime", "timestamp"): lambda t, x: Result(data=x.data),
    ("timestamp", "date"): lambda t, x: Result(data=t.quotient(x.data, DAY)),
    ("timestamp", "time"): lambda t, x: Result(data=t.remainder(x.data, DAY)),
    ("timestamp", "datetime"): lambda t, x: Result(data=x.data),
}
"""(from, to) -> how; a value whose type is not here casts where it is one of few, by a table."""

STRICT: dict[str, Strict] = {"cast": _cast, "safe_cast": _safe_cast}
HANDLING: dict[str, Handling] = {}
