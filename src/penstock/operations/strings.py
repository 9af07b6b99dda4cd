"""Strings: counted in characters (code points), compared by them. Bytes only where a meaning says so."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.conversion import conversion
from penstock.operations.letters import lower, upper
from penstock.operations.literals import SMALL, capped, fails, sql_literal
from penstock.operations.templates import plain

_S = Parameter(name="x", types=("string",))
_OTHER = Parameter(name="other", types=("string",))
_LENGTH = Parameter(name="length", types=("int64",))
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
LONGEST_TEXT = 2**20


def substring(x: str, position: int, length: int | None = None) -> str:
    """Return the characters from `position` (1 is the first, -1 the last; before the start means the start)."""
    if length is not None and length < 0:
        raise ExpressionError(f"substr: a length of {length}; it cannot be negative")
    start = position - 1 if position > 0 else max(len(x) + position, 0) if position < 0 else 0
    return x[start:] if length is None else x[start : start + length]


def sized(length: int) -> int:
    """Return a length of text that may be made; raise if it is negative or above a million characters."""
    if not 0 <= length <= LONGEST_TEXT:
        raise ExpressionError(f"a text of length {length}; it must be from 0 to {LONGEST_TEXT}")
    return length


def padded(x: str, length: int, pattern: str, *, left: bool) -> str:
    """Fill up to `length` characters with the pattern, on the left or the right; cut what is longer."""
    if not pattern:
        raise ExpressionError("a pattern to pad with cannot be empty")
    missing = sized(length) - len(x)
    if missing <= 0:
        return x[:length]
    filling = (pattern * (missing // len(pattern) + 1))[:missing]
    return filling + x if left else x + filling


def lpad(x: str, length: int, pattern: str) -> str:
    """Fill on the left."""
    return padded(x, length, pattern, left=True)


def rpad(x: str, length: int, pattern: str) -> str:
    """Fill on the right."""
    return padded(x, length, pattern, left=False)


def split(x: str, delimiter: str) -> list[str]:
    """Split at each delimiter; an empty one splits into characters."""
    return x.split(delimiter) if delimiter else list(x) or [""]


def like(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Return the matcher of a LIKE pattern: % any text, _ one character, a backslash takes the next as it is."""
    parts, characters = [], iter(pattern)
    for character in characters:
        taken = next(characters, "\\") if character == "\\" else None
        parts.append(re.escape(taken) if taken else {"%": ".*", "_": "."}.get(character, re.escape(character)))
    return re.compile("".join(parts), re.DOTALL).fullmatch


def _sized_sql(length: str, *others: str) -> str:
    """Return a condition that is TRUE where a length cannot be, and no argument is NULL."""
    known = "".join(f" AND {other} IS NOT NULL" for other in others)
    return f"NOT {length} BETWEEN 0 AND {LONGEST_TEXT}{known}"


def _trim(name: str, meaning: str, python: str, examples: tuple[Example, ...]) -> Operation:
    return Operation(
        name=name,
        meaning=meaning,
        parameters=(_S, Parameter(name="characters", types=("string",), default=None, constant=True)),
        result="string",
        sql=lambda a, t: f"{name}({a[0]}, {sql_literal((*a, SPACES)[1], 'string')})",
        row=lambda a, t: f"{a[0]}.{python}({(*a, SPACES)[1]!r})",
        examples=examples,
        bigquery=name.upper(),
    )


def _pad(name: str, side: str, function: Callable[[str, int, str], str], examples: tuple[Example, ...]) -> Operation:
    def sql(a: Sequence[Any], t: Sequence[Any]) -> str:
        wrong = _sized_sql(a[1], a[0], a[2])
        return (
            f"CASE WHEN {wrong} THEN {fails(f'{name}: the length must be from 0 to {LONGEST_TEXT}')} "
            f"WHEN {a[2]} = '' AND {a[0]} IS NOT NULL AND {a[1]} IS NOT NULL THEN {fails(f'{name}: an empty pattern')} "
            f"WHEN {a[0]} IS NOT NULL AND {a[2]} IS NOT NULL THEN {name}({a[0]}, CAST({a[1]} AS INTEGER), {a[2]}) END"
        )

    return Operation(
        name=name,
        meaning=f"x filled on the {side} with a pattern up to `length` characters, or cut to them.",
        parameters=(_S, _LENGTH, Parameter(name="pattern", types=("string",), default=" ")),
        result="string",
        sql=sql,
        row=lambda a, t: f"{name}({a[0]}, {a[1]}, {a[2]})",
        names={name: function},
        examples=examples,
        bigquery=name.upper(),
    )


def _substr_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, position = arguments[:2]
    start = position
    if not SMALL.fullmatch(position):
        start = f"CASE WHEN {position} > 0 THEN {capped(position)} WHEN {position} < -length({x}) THEN 1 ELSE "
        start += f"CASE {position} WHEN 0 THEN 1 ELSE length({x}) + {position} + 1 END END"
    if len(arguments) == 2:
        return f"substring({x}, {start})"
    length = arguments[2]
    wrong = f"{length} < 0 AND {x} IS NOT NULL AND {position} IS NOT NULL"
    taken = f"substring({x}, {start}, {capped(length)})"
    return f"CASE WHEN {wrong} THEN {fails('substr: the length cannot be negative')} ELSE {taken} END"


def _substr_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, position, *rest = arguments
    if position.isdigit() and position != "0" and all(length.isdigit() for length in rest):
        start = int(position) - 1
        return f"{x}[{start or ''}:{start + int(rest[0]) if rest else ''}]"
    return f"substring({', '.join(arguments)})"


_CAST_TO_STRING = ("bool", "int64", "float64", "date", "time", "datetime", "timestamp")
_DAY = datetime.date(2024, 5, 5)
_AT = datetime.datetime(2024, 5, 5, 1, tzinfo=datetime.UTC)


def _concat_type(types: Sequence[Any]) -> str:
    if "bytes" in types and set(types) != {"bytes"}:
        raise ExpressionError(f"concat takes either bytes or what can be cast to string, not both: {', '.join(types)}")
    return "bytes" if "bytes" in types else "string"


def _each_as_text(arguments: Sequence[Any], types: Sequence[Any], form: Literal["sql", "row"]) -> list[str]:
    return [
        given if type in ("string", "bytes") else getattr(conversion(type, "string"), form).format(given)
        for given, type in zip(arguments, types, strict=True)
    ]


OPERATIONS = (
    plain("length", "The number of characters.", "length({0})", "len({0})", golden(
        ("абвгд", 5), ("", 0), ("e\u0301", 2), ("👍🏽", 2), (None, None), types="string"), result="int64"),
    plain("byte_length", "The number of bytes of the text in UTF-8.", "octet_length(encode({0}))",
        "len({0}.encode())",
            golden(("абвгд", 10), ("", 0), (None, None), types="string"), result="int64"),
    plain("lower", "Every letter in lower case; each stays one character.", "lower({0})",
            "({0}.lower() if {0}.isascii() else lower({0}))",
            golden(("FOO", "foo"), ("ÉΣ", "éσ"), ("İ", "i"), ("", ""), (None, None), types="string"),
                names={"lower": lower}),
    plain("upper", "Every letter in upper case; each stays one character.", "upper({0})",
            "({0}.upper() if {0}.isascii() else upper({0}))",
            golden(("foo", "FOO"), ("é", "É"), ("ß", "ẞ"), ("ﬁ", "ﬁ"), ("", ""), (None, None), types="string"),
            names={"upper": upper}),
    _trim("trim", "x without those characters (white space, unless given) at both ends.", "strip", golden(
        ("   apple   ", " ", "apple"), ("***apple***", "*", "apple"), ("\t\u3000a b\n", SPACES, "a b"),
        ("", SPACES, ""), ("xyx", "yx", ""), ("a", "", "a"), (None, "*", None), types="string; string")),
    _trim("ltrim", "x without those characters (white space, unless given) at the start.", "lstrip", golden(
        ("   apple   ", SPACES, "apple   "), ("***apple***", "*", "apple***"), (None, "*", None),
        types="string; string")),
    _trim("rtrim", "x without those characters (white space, unless given) at the end.", "rstrip", golden(
        ("   apple   ", SPACES, "   apple"), ("***apple***", "*", "***apple"), (None, "*", None),
        types="string; string")),
    Operation(
        name="substr",
        meaning="`length` characters of x (to the end, unless given) from a position: 1 the first, -1 the last; 0, and "
        "what lies before the start, mean the start. A negative length raises.",
        parameters=(_S, Parameter(name="position", types=("int64",)), Parameter(name="length", types=("int64",),
            default=None)),
        result="string",
        sql=_substr_sql,
        row=_substr_row,
        names={"substring": substring},
        bigquery="SUBSTR",
        examples=(
            *golden(("apple", 2, "pple"), ("apple", -2, "le"), ("apple", 0, "apple"), ("apple", -9, "apple"),
                ("apple", 9, ""),
                    ("", 1, ""), (None, 1, None), ("apple", None, None), ("apple", 2**62, ""), types="string; int64"),
            *golden(("apple", 2, 2, "pp"), ("apple", 0, 3, "app"), ("apple", -9, 3, "app"), ("apple", -3, 2, "pl"),
                ("apple", 1, 0, ""),
                    ("apple", 2, -1, Raises), (None, 2, -1, None), ("apple", 2, None, None), ("éàü", 2, 2**62, "àü"),
                    types="string; int64; int64"),
        ),
    ),
    Operation(
        name="concat",
        meaning="The texts one after the other, and other values as CAST writes them; or bytes after bytes. NULL if "
        "any is NULL.",
        parameters=(Parameter(name="x", types=("string", "bytes", *_CAST_TO_STRING), repeated=True),),
        result=_concat_type,
        sql=lambda a, t: f"({' || '.join(_each_as_text(a, t, 'sql'))})",
        row=lambda a, t: f"({' + '.join(_each_as_text(a, t, 'row'))})",
        names={name: value for type in _CAST_TO_STRING for name, value in conversion(type, "string").names.items()},
        bigquery="CONCAT",
        examples=(
            *golden(("T.P.", "Bar", "T.P.Bar"), ("", "", ""), ("a", None, None), (None, "a", None),
                types="string; string"),
            *golden(("Summer", " ", 1923, "Summer 1923"), ("", "", None, None), types="string; string; int64"),
            *golden((1.0, True, "1true"), (-0.0, False, "0false"), types="float64; bool"),
            *golden((_DAY, _AT, "2024-05-052024-05-05 01:00:00+00"), types="date; timestamp"),
            *golden((b"a\xff", b"\0", b"a\xff\0"), (b"", None, None), types="bytes; bytes"),
        ),
    ),
    plain("replace", "x with every `old` replaced by `new`; an empty `old` changes nothing.",
        "replace({0}, {1}, {2})",
            "({0}.replace({1}, {2}) if {1} else {0})",
            golden(("blackberry pie", "pie", "cobbler", "blackberry cobbler"), ("aaa", "aa", "b", "ba"),
                ("abc", "", "x", "abc"),
                   ("abc", "b", "", "ac"), (None, "a", "b", None), ("a", None, "b", None),
                   types="string; string; string"),
            _S, Parameter(name="old", types=("string",)), Parameter(name="new", types=("string",))),
    plain("starts_with", "Whether x starts with the other.", "starts_with({0}, {1})", "{0}.startswith({1})",
            golden(("bar", "b", True), ("foo", "b", False), ("a", "", True), ("", "a", False), (None, "a", None),
                   ("a", None, None), types="string; string"), _S, _OTHER, result="bool"),
    plain("ends_with", "Whether x ends with the other.", "suffix({0}, {1})", "{0}.endswith({1})",
            golden(("apple", "e", True), ("banana", "e", False), ("a", "", True), (None, "a", None),
                types="string; string"),
            _S, _OTHER, result="bool"),
    plain("strpos", "Where the other first stands in x: 1 is the start, 0 nowhere.", "strpos({0}, {1})",
        "({0}.find({1}) + 1)",
            golden(("foo@example.com", "@", 4), ("quxexample.com", "@", 0), ("éa", "a", 2), ("abc", "", 1), ("", "", 1),
                   (None, "a", None), types="string; string"), _S, _OTHER, result="int64"),
    _pad("lpad", "left", lpad, (
        *golden(("abc", 5, "  abc"), ("abcd", 2, "ab"), ("", 0, ""), ("a", -1, Raises), (None, -1, None),
            types="string; int64"),
        *golden(("abc", 8, "def", "defdeabc"), ("abc", 5, "", Raises), ("例子", 5, "中", "中中中例子"),
                ("a", None, "", None),
                types="string; int64; string"))),
    _pad("rpad", "right", rpad, (
        *golden(("abc", 5, "abc  "), ("abcd", 2, "ab"), ("a", 2**40, Raises), (None, 1, None), types="string; int64"),
        *golden(("abc", 8, "def", "abcdefde"), ("abc", 5, "", Raises), types="string; int64; string"))),
    plain("left", "The first `length` characters; a negative length raises.",
            f"CASE WHEN {{1}} < 0 AND {{0}} IS NOT NULL THEN {fails('left: the length cannot be negative')} "
            f"ELSE substring({{0}}, 1, {capped('{1}')}) END", "substring({0}, 1, {1})",
            golden(("apple", 3, "app"), ("apple", 9, "apple"), ("", 1, ""), ("a", -1, Raises), (None, -1, None),
                ("a", None, None),
                   types="string; int64"), _S, _LENGTH, names={"substring": substring}),
    plain("right", "The last `length` characters; a negative length raises.",
            f"CASE WHEN {{1}} < 0 AND {{0}} IS NOT NULL THEN {fails('right: the length cannot be negative')} "
            "WHEN {1} >= length({0}) THEN {0} ELSE substring({0}, length({0}) - {1} + 1) END",
            "substring({0}, -{1} if {1} > 0 else len({0}) + 1 if {1} == 0 else 1, {1} if {1} < 0 else None)",
            golden(("apple", 3, "ple"), ("apple", 9, "apple"), ("apple", 0, ""), ("", 1, ""), ("a", -1, Raises),
                (None, -1, None),
                   ("a", None, None), types="string; int64"), _S, _LENGTH, names={"substring": substring}),
    plain("reverse", "The characters in reverse order (a combining mark does not stay with its letter).",
            "array_to_string(list_reverse(string_split({0}, '')), '')", "{0}[::-1]",
            golden(("foo", "oof"), ("абв", "вба"), ("ae\u0301", "\u0301ea"), ("", ""), (None, None), types="string")),
    plain("repeat", "x so many times; a negative number raises, and a text of above a million characters.",
            f"CASE WHEN ({{1}} < 0 OR length({{0}}) * {capped('{1}')} > {LONGEST_TEXT}) AND {{0}} IS NOT NULL "
            f"THEN {fails(f'repeat: the text must be of 0 to {LONGEST_TEXT} characters')} "
            "WHEN {0} <> '' THEN repeat({0}, {1}) "
            "WHEN {1} IS NOT NULL THEN {0} END",
            "({0} * (sized({1} if {1} < 0 else len({0}) * {1}) and {1}))",
            golden(("abc", 3, "abcabcabc"), ("abc", 0, ""), ("", 5, ""), ("a", -1, Raises), ("ab", 2**40, Raises),
                (None, 2, None),
                   ("a", None, None), types="string; int64"),
            _S, Parameter(name="times", types=("int64",)), names={"sized": sized}),
    plain("split", "The parts of x between delimiters; an empty delimiter splits into characters.",
        "CASE WHEN {1} IS NOT NULL THEN CASE WHEN {0} = '' THEN [''] ELSE string_split({0}, {1}) END END",
            "split({0}, {1})",
            golden(("a,b,", ",", ["a", "b", ""]), ("", ",", [""]), ("", "", [""]),
                ("a b c", " ", ["a", "b", "c"]), ("ab", "", ["a", "b"]), ("", None, None), (None, ",", None),
                types="string; string"),
            _S, Parameter(name="delimiter", types=("string",), default=","), result="array<string>",
                names={"split": split}),
    Operation(
        name="like",
        meaning="Whether the whole of x is of the pattern: % any text, _ one character, \\\\ takes the next as it is.",
        parameters=(_S, Parameter(name="pattern", types=("string",), constant=True, prepare=like)),
        result="bool",
        sql=lambda a, t: f"({a[0]} LIKE {sql_literal(a[1], 'string')} ESCAPE '\\')",
        row=lambda a, t: f"({a[1]}({a[0]}) is not None)",
        examples=golden(("Kings Cross", "Kings%", True), ("abc", "a_c", True), ("a\nc", "a%", True),
            ("abc", "b", False),
                        ("", "%", True), ("a%", "a\\%", True), ("ab", "a\\%", False), (None, "%", None),
                        types="string; string"),
    ),
)  # fmt: skip
