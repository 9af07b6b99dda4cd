"""BigQuery's dialect as sqlglot parses it for us: one expression, each function call left as it is written."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.bigquery import BigQueryParser

from penstock.errors import SqlError

_ORDINARY = {"CEIL", "CHR", "FLOOR", "INITCAP", "JSON_ARRAY", "JSON_OBJECT", "MAKE_INTERVAL", "NORMALIZE", "SUBSTRING"}
_ORDINARY |= {"TRANSLATE"}
"""Functions that sqlglot reads in a way of its own, though they are written as any other."""


class NamedFunctions(BigQuery):
    """BigQuery's dialect in which sqlglot leaves each function call as it is written: name and arguments."""

    class Parser(BigQueryParser):
        """The parser, without sqlglot's own reading of functions."""

        FUNCTIONS = {}  # noqa: RUF012  # sqlglot's way to configure a dialect
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: parser for name, parser in BigQueryParser.FUNCTION_PARSERS.items() if name not in _ORDINARY
        }


def tree(text: str) -> exp.Expr:
    """Parse one expression. It is read in parentheses: at the start of a text some words are commands to sqlglot."""
    try:
        node = sqlglot.parse_one(f"({text}\n)", dialect=NamedFunctions)
    except (ParseError, TokenError) as error:
        raise SqlError(f"cannot read {text!r}: {_place(error)}") from error
    if not isinstance(node, exp.Paren | exp.Subquery):
        raise SqlError(f"cannot read {text!r}: it is not one expression")
    return node


def _place(error: Exception) -> str:
    """Return what sqlglot has against a text, and where (the parenthesis that we put before it does not count)."""
    details = getattr(error, "errors", None)
    if not details:
        return str(error).splitlines()[0]
    line, column = details[0]["line"], details[0]["col"]
    return f"{details[0]['description'].split(' for <class')[0]} (line {line}, column {column - (line == 1)})"
