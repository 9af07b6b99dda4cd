"""Regular expressions: RE2 in both forms, so that what a pattern matches never depends on where it runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import capped, fails, sql_literal
from penstock.operations.templates import bound

_X = Parameter(name="x", types=("string",))
_INSIDE_A_CHARACTER = re.compile(r"(?<!\\)(?:\\\\)*\\[BC]")


def compiled(pattern: str) -> Any:
    """Return RE2's pattern; raises `ValueError` where RE2 cannot read it. The library is loaded at the first one."""
    import re2

    if _INSIDE_A_CHARACTER.search(pattern):
        raise ValueError(r"\B and \C match inside a character; there is no text of such a match")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode() if isinstance(reason, bytes) else reason) from error


def searcher(pattern: str) -> Callable[[str], Any]:
    """Return the function that finds the first match in a text, or None."""
    search: Callable[[str], Any] = compiled(pattern).search
    return search


def grouped(pattern: str) -> Any:
    """Return RE2's pattern; raises `ValueError` if it has more than one group."""
    regexp = compiled(pattern)
    if regexp.groups > 1:
        raise ValueError(f"it has {regexp.groups} groups; leave one, and write the others as (?:...)")
    return regexp


def matches(regexp: Any, x: str) -> Iterator[Any]:
    """Yield the matches in a text's bytes, each beginning where the one before ended; after an empty one, beyond it."""
    data, at = x.encode(), 0
    while (match := regexp.search(data, at)) is not None:
        yield match
        start, at = match.span()
        if start == at:
            if at == len(data):
                return
            at += 1
            while at < len(data) and data[at] & 0xC0 == 0x80:  # inside a character
                at += 1


def _taken(match: Any, group: int) -> str | None:
    found = match.group(group)
    return None if found is None else found.decode()


def extractor(pattern: str) -> Callable[..., str | None]:
    """Return the function that gives the text of a match, or of its group if the pattern has one."""
    regexp = grouped(pattern)

    def extract(x: str, position: int = 1, occurrence: int = 1) -> str | None:
        if position == occurrence == 1:
            match = regexp.search(x)
            return None if match is None else match.group(regexp.groups)
        checked(position, occurrence)
        if position > len(x):
            return None
        found = next(itertools.islice(matches(regexp, x[position - 1 :]), occurrence - 1, None), None)
        return None if found is None else _taken(found, regexp.groups)

    return extract


def all_extractor(pattern: str) -> Callable[[str], list[str | None]]:
    """Return the function that gives the texts of all matches, or of the group in each."""
    regexp = grouped(pattern)
    return lambda x: [_taken(match, regexp.groups) for match in matches(regexp, x)]


def finder(pattern: str) -> Callable[..., int]:
    """Return the function that gives the place of a match."""
    regexp = compiled(pattern)
    if regexp.groups:
        raise ValueError("it has groups; write them as (?:...)")

    def find(x: str, position: int, occurrence: int, side: int) -> int:
        checked(position, occurrence)
        if side not in (0, 1):
            raise ExpressionError(f"regexp_instr: occurrence_position is 0 or 1, not {side}")
        if position > len(x) or not pattern:
            return 0
        rest = x[position - 1 :]
        spans = [match.span() for match in matches(regexp, rest)]
        if occurrence > 1 and any(start == end for start, end in spans):
            raise ExpressionError("regexp_instr: an empty match; only its first occurrence has a place")
        if occurrence > len(spans):
            return 0
        return position + len(rest.encode()[: spans[occurrence - 1][side]].decode())

    return find


def checked(position: int, occurrence: int) -> None:
    """Raise where a position or an occurrence is not positive."""
    if position < 1 or occurrence < 1:
        raise ExpressionError(f"position {position}, occurrence {occurrence}; both start at 1")


def replacement(template: str) -> tuple[bytes | int, ...]:
    r"""Return the parts of a replacement: texts, and the numbers of groups (`\1`; `\0` is the whole match)."""
    parts: list[bytes | int] = []
    characters = iter(template)
    for character in characters:
        escaped = next(characters, "") if character == "\\" else None
        if escaped is not None and escaped != "\\" and (not escaped.isascii() or not escaped.isdigit()):
            raise ValueError("a backslash stands before a digit, the number of a group, or another backslash")
        parts.append((escaped or character).encode() if escaped in (None, "\\") else int(escaped))
    return tuple(parts)


def replaced(x: str, pattern: Any, template: Sequence[bytes | int]) -> str:
    """Return x with every match replaced; an empty match right after another is none, as in RE2's own replacing."""
    data, made = x.encode(), []
    at, last = 0, -1
    while (match := pattern.search(data, at)) is not None:
        start, end = match.span()
        made.append(data[at:start])
        if start < end or start != last:
            made += [part if isinstance(part, bytes) else match.group(part) or b"" for part in template]
        at = last = end
        if start == end:
            if at == len(data):
                break
            at += 1
            while at < len(data) and data[at] & 0xC0 == 0x80:  # inside a character
                at += 1
            made.append(data[end:at])
    else:
        made.append(data[at:])
    return b"".join(made).decode()


def _replace_result(types: Sequence[Any]) -> str:
    """Refuse a replacement that names a group the pattern does not have."""
    _, pattern, template = types
    if pattern is not None and template is not None:
        groups = compiled(pattern).groups
        most = max((part for part in replacement(template) if isinstance(part, int)), default=0)
        if most > groups:
            raise ExpressionError(f"regexp_replace: the replacement names group {most}; the pattern has {groups}")
    return "string"


_ONE = sql_literal(1, "int64")
_REFUSED = fails("position and occurrence start at 1")


def _extract_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, pattern, position, occurrence = arguments
    text, groups = sql_literal(pattern, "string"), compiled(pattern).groups
    if position == occurrence == _ONE:
        if groups:
            return f"list_extract(regexp_extract_all({x}, {text}, 1), 1)"  # NULL where the group takes no part
        return f"CASE WHEN regexp_matches({x}, {text}) THEN regexp_extract({x}, {text}) END"
    known = " AND ".join(f"{argument} IS NOT NULL" for argument in (x, position, occurrence))
    found = f"list_extract(regexp_extract_all(substring({x}, {capped(position)}), {text}, {groups}), {occurrence})"
    return (
        f"CASE WHEN {known} THEN CASE WHEN {position} < 1 OR {occurrence} < 1 THEN {_REFUSED} "
        f"WHEN {position} = 1 OR {position} <= length({x}) THEN {found} END END"
    )


def _instr_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Find each match with what stands before it: the lengths of both tell the place."""
    x, pattern, position, occurrence, side = arguments
    rest = f"substring({x}, {capped(position if position == _ONE else f'greatest({position}, 1)')})"
    each = f"(?s:.*?)((?:{pattern}))"
    length = "list_sum(list_transform(s.f[1:s.o], lambda c: length(c)))"
    empty = fails("regexp_instr: an empty match; only its first occurrence has a place")
    return bound(
        f"CASE WHEN s.p < 1 OR s.o < 1 THEN {_REFUSED} WHEN s.e NOT IN (0, 1) "
        f"THEN {fails('regexp_instr: occurrence_position is 0 or 1')} "
        + (
            f"WHEN s.p > length(s.x) THEN 0 WHEN s.o > 1 AND list_contains(s.m, '') THEN {empty} "
            f"WHEN s.o > len(s.f) THEN 0 ELSE s.p + CAST({length} AS BIGINT) "
            "- CASE WHEN s.e = 0 THEN length(list_extract(s.m, s.o)) ELSE 0 END END"
            if pattern
            else "ELSE 0 END"
        ),
        x=x, p=position, o=occurrence, e=side,
        f=f"regexp_extract_all({rest}, {sql_literal(each, 'string')}, 0)",
        m=f"regexp_extract_all({rest}, {sql_literal(each, 'string')}, 1)",
    )  # fmt: skip


OPERATIONS = (
    Operation(
        name="regexp_contains",
        meaning="Whether the regular expression (RE2) matches somewhere in x.",
        parameters=(_X, Parameter(name="pattern", types=("string",), constant=True, prepare=searcher)),
        result="bool",
        sql=lambda a, t: f"regexp_matches({a[0]}, {sql_literal(a[1], 'string')})",
        row=lambda a, t: f"({a[1]}({a[0]}) is not None)",
        bigquery="REGEXP_CONTAINS",
        examples=golden(
            ("foo@example.com", r"@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+", True),
            ("www.example.net", r"@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+", False),
            ("a@foo.com", r"^([\w.+-]+@foo\.com|[\w.+-]+@bar\.org)$", True),
            ("a\nb", "a.b", False), ("a\nb", "(?s)a.b", True), ("a\nb", "^b", False), ("éa", "^.a$", True),
            ("", "", True), ("ÉA", "(?i)éa", True), (None, "a", None), ("a", None, None), types="string; string",
        ),
    ),
    Operation(
        name="regexp_extract",
        meaning="The n-th match (`occurrence`) of the regular expression (RE2) from a position on, or of its group if "
        "it has one; NULL where there is none. ^ stands for the position.",
        parameters=(
            _X,
            Parameter(name="pattern", types=("string",), constant=True, prepare=extractor),
            Parameter(name="position", types=("int64",), default=1),
            Parameter(name="occurrence", types=("int64",), default=1),
        ),
        result="string",
        sql=_extract_sql,
        row=lambda a, t: f"{a[1]}({a[0]})" if a[2] == a[3] == "1" else f"{a[1]}({a[0]}, {a[2]}, {a[3]})",
        nulls="makes",
        bigquery="REGEXP_EXTRACT",
        examples=(
            *golden(
                ("foo@example.com", r"^[a-zA-Z0-9_.+-]+", "foo"),
                ("foo@example.com", r"^[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.([a-zA-Z0-9-.]+$)", "com"),
                ("ab", ".b", "ab"), ("ab", "(.)b", "a"), ("xyztb", "(.)+b", "t"), ("ab", "(z)?b", None),
                ("Hello Helloo", "H?ello+", "Hello"), ("abc", "x", None), ("abc", "x*", ""), ("abc", "b(z)?", None),
                ("例子", ".$", "子"), ("", "a", None), (None, "a", None), ("a", None, None), types="string; string",
            ),
            *golden(
                *(("Hello Helloo and Hellooo", "H?ello+", *case) for case in (
                    (1, 1, "Hello"), (1, 2, "Helloo"), (1, 3, "Hellooo"), (1, 4, None), (2, 1, "ello"),
                    (3, 1, "Helloo"), (3, 2, "Hellooo"), (3, 3, None), (20, 1, None))),
                ("cats&dogs&rabbits", r"\w+&", 1, 2, "dogs&"), ("cats&dogs&rabbits", r"\w+&", 2, 3, None),
                ("éb éc", "é(.)", 2, 1, "c"), ("a", "a", 0, 1, Raises), ("a", "a", 1, -1, Raises),
                ("ab", "x*", 3, 1, None), (None, "a", 0, 1, None), ("a", "a", None, 0, None), ("a", "a", 0, None, None),
                types="string; string; int64; int64",
            ),
        ),
    ),
    Operation(
        name="regexp_extract_all",
        meaning="All matches of the regular expression (RE2) that do not overlap, or the texts of its group in them.",
        parameters=(_X, Parameter(name="pattern", types=("string",), constant=True, prepare=all_extractor)),
        result="array<string>",
        sql=lambda a, t: f"regexp_extract_all({a[0]}, {sql_literal(a[1], 'string')}, {compiled(a[1]).groups})",
        row=lambda a, t: f"{a[1]}({a[0]})",
        bigquery="REGEXP_EXTRACT_ALL",
        examples=golden(
            ("Try `func(x)` or `func(y)`", "`(.+?)`", ["func(x)", "func(y)"]), ("123456", r"\d(\d)\d", ["2", "5"]),
            ("banana", "ana", ["ana"]), ("abc", "x", []), ("éa", "", ["", "", ""]), ("ab", "(a)|b", ["a", None]),
            (None, "a", None), ("a", None, None), types="string; string",
        ),
    ),
    Operation(
        name="regexp_instr",
        meaning="Where the n-th match (`occurrence`) of the regular expression (RE2) begins, searched from a position "
        "on; with `occurrence_position` 1 the place after it. 0 if there is none. ^ stands for the position.",
        parameters=(
            _X,
            Parameter(name="pattern", types=("string",), constant=True, prepare=finder),
            Parameter(name="position", types=("int64",), default=1),
            Parameter(name="occurrence", types=("int64",), default=1),
            Parameter(name="occurrence_position", types=("int64",), default=0),
        ),
        result="int64",
        sql=_instr_sql,
        row=lambda a, t: f"{a[1]}({a[0]}, {a[2]}, {a[3]}, {a[4]})",
        bigquery="REGEXP_INSTR",
        examples=(
            *golden(
                ("ab@cd-ef", "@[^-]*", 3), ("ab@d-ef", "@[^-]*", 3), ("abc@cd-ef", "@[^-]*", 4),
                ("abc-ef", "@[^-]*", 0), ("é\nb", "b", 3), ("abc", "", 0), ("", "a*", 0), (None, "a", None),
                types="string; string",
            ),
            *golden(
                *(("a@cd-ef b@cd-ef", "@[^-]*", start, 1, 0, place) for start, place in ((1, 2), (2, 2), (3, 10))),
                *(("a@cd-ef b@cd-ef c@cd-ef", "@[^-]*", 1, n, 0, place) for n, place in ((1, 2), (2, 10), (3, 18))),
                ("a@cd-ef", "@[^-]*", 1, 1, 0, 2), ("a@cd-ef", "@[^-]*", 1, 1, 1, 5), ("ab", "b", 1, 1, 1, 3),
                ("a", "a", 2, 1, 0, 0), ("a", "a", 0, 1, 0, Raises), ("a", "a", 1, 0, 0, Raises),
                ("a", "a", 1, 1, 2, Raises), ("ab", "x*", 1, 2, 0, Raises), ("a", "a", None, 0, 0, None),
                types="string; string; int64; int64; int64",
            ),
        ),
    ),
    Operation(
        name="regexp_replace",
        meaning="x with every match of the regular expression (RE2) replaced; \\1 to \\9 stand for the text of a "
        "group, \\0 for the whole match.",
        parameters=(
            _X,
            Parameter(name="pattern", types=("string",), constant=True, prepare=compiled),
            Parameter(name="replacement", types=("string",), constant=True, prepare=replacement),
        ),
        result=_replace_result,
        sql=lambda a, t: (
            f"regexp_replace({a[0]}, {sql_literal(a[1], 'string')}, {sql_literal(a[2], 'string')}, 'g')"
        ),
        row=lambda a, t: f"replaced({a[0]}, {a[1]}, {a[2]})",
        names={"replaced": replaced},
        bigquery="REGEXP_REPLACE",
        examples=golden(
            ("# Heading", r"^# ([a-zA-Z0-9\s]+$)", r"<h1>\1</h1>", "<h1>Heading</h1>"),
            ("abc", "b", "X", "aXc"), ("abc", "b(.)", r"\1b\\", "acb\\"), ("aba", "a", r"<\0>", "<a>b<a>"),
            ("abc", "x*", "-", "-a-b-c-"), ("aab", "a*", "-", "-b-"), ("éa", "", "-", "-é-a-"), ("", "^", "-", "-"),
            ("ab", "(x)?b", r"[\1]", "a[]"), ("例子", "例", "", "子"), (None, "a", "b", None), ("a", "a", None, None),
            types="string; string; string",
        ),
    ),
)  # fmt: skip
