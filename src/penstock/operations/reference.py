"""Writes the page `docs/operations.md` from the table: each operation in Python and in SQL, and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from penstock.core.expression import Expr, literal
from penstock.core.operation import Example, LearnedOperation, Operation
from penstock.operations.absent import ABSENT
from penstock.operations.construct import method_name
from penstock.operations.encoders import ENCODERS, Encoder
from penstock.operations.safe import safe_forms
from penstock.operations.table import FAMILIES, LEARNED, OPERATIONS, Named
from penstock.operations.text import OUR_NAMESPACE, literal_text, text

_HEAD = f"""# Operations

Every function that an expression can apply, made from the table in `src/penstock/operations/` by
`python -m penstock.operations.generate`. Each has one meaning in SQL, in Python and in a served model, held by golden
examples; one of them stands here.
There are {len(OPERATIONS) + len(LEARNED)} of them, safe forms counted. NULL in, NULL out, unless
the meaning says otherwise. What BigQuery has no name for
is written `{OUR_NAMESPACE}.NAME(...)` in SQL. Python's operators are operations too: `+ - * / % < <= > >= & | ~`.
"""
_OPERATORS = {
    "add": "x + y",
    "subtract": "x - y",
    "multiply": "x * y",
    "divide": "x / y",
    "and": "x & y",
    "or": "x | y",
}
_OPERATORS |= {"not": "~x", "negate": "-x", "struct": "ps.struct(a=x, b=y)"}
_OPERATORS["module"] = "x.module('package.module:Class', dim=64, **arguments)"


def reference() -> str:
    """Return the text of `docs/operations.md`."""
    sections = [_section(family.__doc__ or "", family.OPERATIONS) for family in FAMILIES]
    learned = _section("Learned from the training rows, and constants of the graph after that.", LEARNED.values())
    encoders = _section("Learned within a network: representations, each at the top of a feature.", ENCODERS.values())
    safe = [f"`{item.name}`" for item in safe_forms(one for family in FAMILIES for one in family.OPERATIONS)]
    return "\n".join([_HEAD, *sections, learned, encoders, _SAFE_HEAD, ", ".join(safe) + ".\n", *_absent()])


def _absent() -> list[str]:
    """Return the section of BigQuery's functions that are not here."""
    reasons = dict.fromkeys(ABSENT.values())
    rows = [f"- {', '.join(f'`{name}`' for name in ABSENT if ABSENT[name] == why)}: {why}." for why in reasons]
    return [_ABSENT_HEAD, *rows, ""]


_ABSENT_HEAD = """## What BigQuery has and we do not
Scalar functions of its documentation. Where the two forms of an operation could not give the same bits, and those that
the documentation names, it is left out. Functions that change from call to call (`RAND`, `CURRENT_DATE`) are refused.
"""


_SAFE_HEAD = """## Safe forms
`SAFE.LN(x)`, in Python `x.safe_ln()`, is NULL where `LN(x)` raises. What raises in its arguments still raises.
"""


def _section(title: str, operations: Iterable[Named]) -> str:
    head, _, rest = title.splitlines()[0].rstrip(".").partition(":")
    lines = [f"## {head}", *([f"{rest[1].upper()}{rest[2:]}."] if rest else [])]
    rows = [
        f"| `{item.name}` | `{_cell(_fluent(item))}` | {_example(item)} | {_cell(item.meaning)} |"
        for item in operations
    ]
    return "\n".join([*lines, "", "| operation | in Python | in SQL | meaning |", "|---|---|---|---|", *rows, ""])


def _fluent(operation: Named) -> str:
    if operation.name in _OPERATORS:
        return _OPERATORS[operation.name]
    first, *others = operation.parameters
    arguments = [
        "*others" if item.repeated else item.name if item.default is ... else f"{item.name}={item.default!r}"
        for item in (operation.parameters if first.repeated else others)
    ]
    return f"x.{method_name(operation.name)}({', '.join(arguments)})"


def _example(operation: Named) -> str:
    """Return the first example that gives a value, as SQL; a learned operation is shown over a column."""
    if isinstance(operation, LearnedOperation):
        return f"`{operation.bigquery}(x) OVER ()`"
    if isinstance(operation, Encoder):
        needed = ", ".join(each.name for each in operation.parameters if each.default is ...)
        return f"`{OUR_NAMESPACE}.{operation.name.upper()}({needed})`"
    for example in operation.examples:
        if not example.raises and example.value is not None and None not in example.arguments:
            shown = _call(operation, example)
            if shown is not None:
                return f"`{_cell(shown)}` is `{_cell(_value(example.value))}`"
    return f"`{operation.bigquery}`" if operation.bigquery else ""


def _call(operation: Operation, example: Example) -> str | None:
    """Return the call of an example; None where an argument (a struct) has no literal."""
    if any(isinstance(value, dict) for value in example.arguments):
        return None
    return text(Expr(operation.name, tuple(literal(value) for value in example.arguments)))


def _value(value: Any) -> str:
    if isinstance(value, dict) or (isinstance(value, Sequence) and any(isinstance(item, dict) for item in value)):
        return str(value)
    made: Expr = literal(value)
    return literal_text(*made.args)


def _cell(content: str) -> str:
    return content.replace("|", "\\|").replace("\n", " ")
