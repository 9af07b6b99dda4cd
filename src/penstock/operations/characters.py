"""Characters: code points, words, sounds and distances of strings, searching from a place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.letters import lower, upper
from penstock.operations.literals import fails, sql_literal
from penstock.operations.templates import STRING, bound, plain

_WORD_ENDS = "\t\n\v\f\r []" + '(){}/|\\<>!?@"^#$&~_,.:;*%+-'
_OTHER = Parameter(name="other", types=("string",))
_LETTERS, _SOUNDS = "AEIOUYBFPVCGJKQSXZDTLMNRHW", "000000111122222222334556"  # H and W have no sound of their own


def character(code: int) -> str:
    """Return the character of a code point, none for 0; raise if there is no such character."""
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ExpressionError(f"there is no character {code}")
    return chr(code) if code else ""


def ascii_code(x: str) -> int:
    """Return the code of the first character, 0 for an empty text; raise if it is not ASCII."""
    if x[:1].isascii():
        return ord(x[0]) if x else 0
    raise ExpressionError(f"ascii: {x[0]!r} is not an ASCII character; unicode takes any")


def text_of_code_points(x: list[int | None]) -> str | None:
    """Return the text of code points, None if one is None."""
    return None if None in x else "".join(map(character, x))  # type: ignore[arg-type]


def bytes_of_code_points(x: list[int | None]) -> bytes | None:
    """Return the bytes of numbers from 0 to 255, None if one is None; other numbers raise `ValueError`."""
    return None if None in x else bytes(x)  # type: ignore[arg-type]


def initcap(x: str, delimiters: str) -> str:
    """Return x with the first letter of each word in upper case, the others in lower case."""
    ends = set(delimiters)
    return "".join(
        upper(own) if before in ends else lower(own) for before, own in zip([*delimiters[:1], *x], x, strict=False)
    ) if delimiters else upper(x[:1]) + lower(x[1:])  # fmt: skip


def translated(x: str, source: str, target: str) -> str:
    """Return x with each character of the source replaced by its counterpart, left out where it has none."""
    if len(set(source)) < len(source):
        raise ExpressionError(f"translate: a character stands twice in {source!r}")
    pairs = {ord(own): target[place : place + 1] for place, own in enumerate(source)}
    return x.translate(pairs)


def soundex(x: str) -> str:
    """Return a letter and three digits that tell how an English word sounds; '' without a Latin letter."""
    letters = "".join(own for own in x if own.isascii() and own.isalpha()).upper()
    if not letters:
        return ""
    sounds = [_SOUNDS[place] for own in letters if (place := _LETTERS.index(own)) < len(_SOUNDS)]
    told = [own for before, own in zip(["", *sounds], sounds, strict=False) if own != before]
    told = told if letters[0] in "HW" else told[1:]
    return letters[0] + "".join(own for own in told if own != "0")[:3].ljust(3, "0")


def instr(x: str, other: str, position: int, occurrence: int) -> int:
    """Return where the other stands in x for the n-th time from a position on, backwards from a negative one."""
    if position == 0 or occurrence < 1:
        raise ExpressionError(f"instr: position {position}, occurrence {occurrence}; they start at 1 (-1 is the last)")
    last = min(len(x) - len(other) + 1, len(x))
    places = range(position, last + 1) if position > 0 else range(min(last, len(x) + position + 1), 0, -1)
    for place in places:
        if x.startswith(other, place - 1):
            occurrence -= 1
            if not occurrence:
                return place
    return 0


def edit_distance(x: str, other: str) -> int:
    """Return how many characters must be inserted, deleted or replaced to make one text of the other."""
    row = list(range(len(other) + 1))
    for count, own in enumerate(x, 1):
        above, row = row, [count]
        for place, its in enumerate(other):
            row.append(min(above[place + 1] + 1, row[place] + 1, above[place] + (own != its)))
    return row[-1]


def capped_distance(x: str, other: str, most: int) -> int:
    """Return the distance, or `most` if it is more."""
    if most < 0:
        raise ExpressionError(f"edit_distance: max_distance is {most}; it cannot be negative")
    return min(edit_distance(x, other), most)


def _instr_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, other, position, occurrence = arguments
    one = sql_literal(1, "int64")
    if position == occurrence == one:
        return f"CASE WHEN {x} = '' AND {other} IS NOT NULL THEN 0 ELSE strpos({x}, {other}) END"
    last = "least(length(s.x) - length(s.y) + 1, length(s.x))"
    found = "lambda i: substring(s.x, i, length(s.y)) = s.y"
    forward = f"list_filter(range(s.p, {last} + 1), {found})"
    backward = f"list_reverse(list_filter(range(1, least({last}, length(s.x) + s.p + 1) + 1), {found}))"
    return bound(
        f"CASE WHEN s.p = 0 OR s.o < 1 THEN {fails('instr: position and occurrence start at 1')} "
        f"ELSE coalesce(list_extract(CASE WHEN s.p > 0 THEN {forward} ELSE {backward} END, s.o), 0) END",
        x=x, y=other, p=position, o=occurrence,
    )  # fmt: skip


def _instr_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, other, position, occurrence = arguments
    if position == occurrence == "1":
        return f"({x}.find({other}) + 1 if {x} else 0)"
    return f"instr({x}, {other}, {position}, {occurrence})"


def _edit_distance_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, other, *most = arguments
    if not most:
        return f"levenshtein({x}, {other})"
    refused = fails("edit_distance: max_distance cannot be negative")
    return (
        f"CASE WHEN {x} IS NOT NULL AND {other} IS NOT NULL AND {most[0]} IS NOT NULL THEN "
        f"CASE WHEN {most[0]} < 0 THEN {refused} ELSE least(levenshtein({x}, {other}), {most[0]}) END END"
    )


def _collapsed(text: str) -> str:
    """Return DuckDB text in which a run of one digit from 0 to 6 is that digit once."""
    for digit in range(7):
        text = f"regexp_replace({text}, '{digit}+', '{digit}', 'g')"
    return text


_SOUNDEX = bound(
    "CASE WHEN s.x = '' THEN '' ELSE s.x[1] || rpad(left(replace(substring("
    + _collapsed(f"translate(s.x, '{_LETTERS}', '{_SOUNDS}')")
    + ", CASE WHEN s.x[1] IN ('H', 'W') THEN 1 ELSE 2 END), '0', ''), 3), 3, '0') END",
    x="upper(regexp_replace({0}, '[^A-Za-z]', '', 'g'))",
)
_INITCAP = (
    "array_to_string(list_transform(s.c, lambda c, i: CASE WHEN i = 1 OR contains(s.d, s.c[i - 1]) "
    "THEN upper(c) ELSE lower(c) END), '')"
)
_NO_CHARACTER = "NOT c BETWEEN 0 AND 1114111 OR c BETWEEN 55296 AND 57343"
_CODES = Parameter(name="x", types=("array<int64>",))


def _from_codes(valid: str, refused: str, made: str) -> str:
    """Return DuckDB text that makes something of a list of codes: NULL if one is, an error if one is not valid."""
    return bound(
        f"CASE WHEN list_count(s.x) < len(s.x) THEN NULL WHEN len(list_filter(s.x, lambda c: {valid})) > 0 "
        f"THEN {fails(refused)} ELSE {made} END",
        x="{0}",
    )


def _to_code_points_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x = arguments[0]
    if types[0] == "string":
        codes = f"list_transform(string_split({x}, ''), lambda c: CAST(unicode(c) AS BIGINT))"
        return f"CASE WHEN {x} = '' THEN CAST([] AS BIGINT[]) ELSE {codes} END"
    pairs = "list_transform(range(0, len(s.h), 2), lambda i: CAST('0x' || substring(s.h, i + 1, 2) AS BIGINT))"
    return bound(pairs, h=f"hex({x})")


OPERATIONS = (
    plain("ascii", "The ASCII code of the first character, 0 for an empty text; raises if it is not ASCII.",
        f"CASE WHEN {{0}} = '' THEN 0 WHEN unicode({{0}}) > 127 THEN {fails('ascii: not an ASCII character')} "
        "ELSE CAST(unicode({0}) AS BIGINT) END", "ascii_code({0})",
        golden(("abcd", 97), ("a", 97), ("", 0), ("\0", 0), ("é", Raises), (None, None), types="string"),
        result="int64", names={"ascii_code": ascii_code}),
    plain("unicode", "The Unicode code point of the first character, 0 for an empty text.",
        "CASE WHEN {0} = '' THEN 0 ELSE CAST(unicode({0}) AS BIGINT) END", "(ord({0}[0]) if {0} else 0)",
        golden(("âbcd", 226), ("â", 226), ("", 0), ("👍🏽", 128077), (None, None), types="string"), result="int64"),
    plain("chr", "The character of a Unicode code point, '' for 0; raises if there is no such character.",
        f"CASE WHEN {_NO_CHARACTER.replace('c ', '{0} ')} THEN {fails('chr: there is no such character')} "
        "WHEN {0} = 0 THEN '' ELSE chr(CAST({0} AS INTEGER)) END", "character({0})",
        golden((65, "A"), (255, "ÿ"), (513, "ȁ"), (1024, "Ѐ"), (97, "a"), (0xF9B5, "\uf9b5"), (0, ""), (-1, Raises),
            (0xD800, Raises), (0x110000, Raises), (2**63 - 1, Raises), (None, None), types="int64"),
        Parameter(name="x", types=("int64",)), names={"character": character}),
    Operation(
        name="to_code_points",
        meaning="The code points of the characters of a string, or the bytes as numbers.",
        parameters=(Parameter(name="x", types=("string", "bytes")),),
        result="array<int64>",
        sql=_to_code_points_sql,
        row=lambda a, t: f"[*map(ord, {a[0]})]" if t[0] == "string" else f"[*{a[0]}]",
        bigquery="TO_CODE_POINTS",
        examples=(*golden(("foo", [102, 111, 111]), ("Ā", [256]), ("giraffe", [103, 105, 114, 97, 102, 102, 101]),
                      ("", []), (None, None), types="string"),
                  *golden((b"\x00\x01\x10\xff", [0, 1, 16, 255]), ("Ā".encode(), [196, 128]), (b"", []), (None, None),
                      types="bytes")),
    ),
    plain("code_points_to_string", "The text of Unicode code points (0 gives none); NULL if one is NULL.",
        _from_codes(_NO_CHARACTER, "code_points_to_string: there is no such character",
            "array_to_string(list_transform(list_filter(s.x, lambda c: c <> 0), "
            "lambda c: chr(CAST(c AS INTEGER))), '')"),
        "text_of_code_points({0})",
        golden(([65, 255, 513, 1024], "AÿȁЀ"), ([97, 0, 0xF9B5], "a\uf9b5"), ([65, 255, None, 1024], None), ([], ""),
            ([-1], Raises), ([0xDFFF], Raises), (None, None), types="array<int64>"),
        _CODES, nulls="makes", names={"text_of_code_points": text_of_code_points}),
    plain("code_points_to_bytes", "The bytes of numbers from 0 to 255; NULL if one is NULL.",
        _from_codes("NOT c BETWEEN 0 AND 255", "code_points_to_bytes: a number that is not from 0 to 255",
            "unhex(array_to_string(list_transform(s.x, lambda c: printf('%02x', c)), ''))"),
        "bytes_of_code_points({0})",
        golden(([65, 98, 67, 100], b"AbCd"), ([0, 255], b"\x00\xff"), ([1, None], None), ([], b""), ([256], Raises),
            ([-1], Raises), (None, None), types="array<int64>"),
        _CODES, result="bytes", nulls="makes", names={"bytes_of_code_points": bytes_of_code_points}),
    Operation(
        name="initcap",
        meaning="The first letter of each word in upper case, the others in lower case; words end at the delimiters "
        "(white space and signs, unless given).",
        parameters=(STRING, Parameter(name="delimiters", types=("string",), default=None)),
        result="string",
        sql=lambda a, t: bound(_INITCAP, c=f"string_split({a[0]}, '')", d=(*a, sql_literal(_WORD_ENDS, "string"))[1]),
        row=lambda a, t: f"initcap({a[0]}, {(*a, repr(_WORD_ENDS))[1]})",
        names={"initcap": initcap},
        bigquery="INITCAP",
        examples=(
            *golden(("Hello World-everyone!", "Hello World-Everyone!"), ("", ""), (None, None),
                ("tHe dog BARKS loudly+friendly", "The Dog Barks Loudly+Friendly"), ("éa ßb", "Éa ẞb"),
                types="string"),
            *golden(("Apples1oranges2pears", "12", "Apples1Oranges2Pears"), ("a b", "", "A b"), (None, " ", None),
                ("a", None, None), types="string; string"),
        ),
    ),
    plain("translate", "x with each character of the source replaced by the one at its place in the target, left out "
        "where there is none; raises if one stands twice in the source.",
        bound("CASE WHEN len(list_distinct(string_split(s.f, ''))) < length(s.f) "
            f"THEN {fails('translate: a character stands twice in the source')} ELSE translate(s.x, s.f, s.t) END",
            x="{0}", f="{1}", t="{2}"),
        "translated({0}, {1}, {2})",
        golden(("This is a cookie", "sco", "zku", "Thiz iz a kuukie"), ("abc", "ab", "x", "xc"),
            ("abc", "", "x", "abc"),
            ("aéa", "é", "ea", "aea"), ("abc", "aa", "xy", Raises), ("", "a", "b", ""), (None, "aa", "b", None),
            ("a", None, "b", None), ("a", "a", None, None), types="string; string; string"),
        STRING, Parameter(name="source", types=("string",)), Parameter(name="target", types=("string",)),
        names={"translated": translated}),
    plain("soundex", "A letter and three digits that tell how an English word sounds; '' without a Latin letter.",
        _SOUNDEX, "soundex({0})",
        golden(("Ashcraft", "A261"), ("Tymczak", "T522"), ("Pfister", "P236"), ("Washington", "W252"), ("Lee", "L000"),
            ("o'Hara", "O600"), ("é", ""), ("", ""), (None, None), types="string"), names={"soundex": soundex}),
    Operation(
        name="instr",
        meaning="Where the other stands in x for the n-th time (`occurrence`) from a position on; a negative position "
        "searches backwards from that character. Occurrences may overlap; 0 if there are too few.",
        parameters=(STRING, _OTHER, Parameter(name="position", types=("int64",), default=1),
            Parameter(name="occurrence", types=("int64",), default=1)),
        result="int64",
        sql=_instr_sql,
        row=_instr_row,
        names={"instr": instr},
        bigquery="INSTR",
        examples=golden(
            ("banana", "an", 1, 1, 2), ("banana", "an", 1, 2, 4), ("banana", "an", 1, 3, 0), ("banana", "an", 3, 1, 4),
            ("banana", "an", -1, 1, 4), ("banana", "an", -3, 1, 4), ("banana", "ann", 1, 1, 0),
            ("helloooo", "oo", 1, 1, 5), ("helloooo", "oo", 1, 2, 6), ("banana", "an", -4, 1, 2),
            ("banana", "a", -1, 3, 2), ("ab", "b", 3, 1, 0), ("éaéa", "a", 3, 1, 4), ("a", "a", 0, 1, Raises),
            ("a", "a", 1, 0, Raises), (None, "a", 0, 1, None), ("a", "a", None, 0, None), ("", "", 1, 1, 0),
            types="string; string; int64; int64"),
    ),
    Operation(
        name="edit_distance",
        meaning="The Levenshtein distance: how many characters must be inserted, deleted or replaced; `max_distance` "
        "where it is more.",
        parameters=(STRING, _OTHER, Parameter(name="max_distance", types=("int64",), default=None)),
        result="int64",
        sql=_edit_distance_sql,
        row=lambda a, t: f"edit_distance({a[0]}, {a[1]})" if len(a) == 2 else f"capped_distance({', '.join(a)})",
        names={"edit_distance": edit_distance, "capped_distance": capped_distance},
        bigquery="EDIT_DISTANCE",
        examples=(*golden(("a", "b", 1), ("aa", "b", 2), ("aa", "ba", 1), ("éa", "ea", 1), ("", "abc", 3), ("", "", 0),
                      (None, "a", None), types="string; string"),
                  *golden(("abcdefg", "a", 2, 2), ("ab", "b", 5, 1), ("a", "b", -1, Raises), ("a", None, -1, None),
                      types="string; string; int64")),
    ),
)  # fmt: skip
