"""Regular expressions: RE2 in both forms, so that what a pattern matches never depends on where it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import sql_literal

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


def extractor(pattern: str) -> Callable[[str], str | None]:
    """Return the function that gives the text of the first match, or of its group if the pattern has one."""
    regexp = compiled(pattern)
    if regexp.groups > 1:
        raise ValueError(f"it has {regexp.groups} groups; leave one, and write the others as (?:...)")

    def extract(x: str) -> str | None:
        match = regexp.search(x)
        return None if match is None else match.group(regexp.groups) or ""

    return extract


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


def _extract_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, pattern = arguments
    text = sql_literal(pattern, "string")
    return f"CASE WHEN regexp_matches({x}, {text}) THEN regexp_extract({x}, {text}, {compiled(pattern).groups}) END"


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
        meaning="The first match of the regular expression (RE2) in x, or of its group if it has one ('' where the "
        "group takes no part); NULL where nothing matches.",
        parameters=(_X, Parameter(name="pattern", types=("string",), constant=True, prepare=extractor)),
        result="string",
        sql=_extract_sql,
        row=lambda a, t: f"{a[1]}({a[0]})",
        nulls="makes",
        bigquery="REGEXP_EXTRACT",
        examples=golden(
            ("foo@example.com", r"^[a-zA-Z0-9_.+-]+", "foo"),
            ("foo@example.com", r"^[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.([a-zA-Z0-9-.]+$)", "com"),
            ("Hello Helloo", "H?ello+", "Hello"), ("abc", "x", None), ("abc", "x*", ""), ("abc", "b(z)?", ""),
            ("例子", ".$", "子"), ("", "a", None), (None, "a", None), ("a", None, None), types="string; string",
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
