"""Tokens: what of a text is looked up in a vocabulary that was learned, and the places where it was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.core.schema import element_type
from penstock.operations.analyzers import ANALYZERS, prepared
from penstock.operations.literals import sql_literal
from penstock.operations.vocabularies import KNOWN, MANY, Places, list_of_places

UNITS = ("auto", "words", "value")
LONGEST_VALUE = 64  # what is longer is no name of something, of which there would be many rows
VALUE = "="


def tokens(x: str, unit: str) -> list[str]:
    """Return the words of a text, the text as a whole with '=' before it, or, `auto`, both."""
    whole = [f"{VALUE}{x}"] if unit == "value" or (unit == "auto" and len(x) <= LONGEST_VALUE) else []
    return whole if unit == "value" else [*whole, *_words(x)]


def lookup_indices(x: list[Any], places: Places) -> list[int]:
    """Return the place of each item."""
    return [places(item, 0) for item in x]


_words = prepared(ANALYZERS[0], "")


def _tokens_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    return f"penstock_tokens({arguments[0]}, {sql_literal(arguments[1], 'string')})"


NATIVE_FUNCTIONS = ((tokens, ("string", "string"), "array<string>"),)
"""Functions that the SQL form calls, with the types that they take and give."""

OPERATIONS = (
    Operation(
        name="tokens",
        meaning="What an embedding looks up of a text: its words as TEXT_ANALYZE finds them, its value as a whole "
        "('=' before it), or, auto, both, but for the value of a long text.",
        parameters=(Parameter(name="x", types=("string",)),
            Parameter(name="unit", types=("string",), default=UNITS[0], constant=True, choices=UNITS)),
        result="array<string>",
        sql=_tokens_sql,
        row=lambda a, t: f"tokens({a[0]}, {a[1]!r})",
        names={"tokens": tokens},
        examples=golden(("New York", "auto", ["=New York", "new", "york"]), ("New York", "words", ["new", "york"]),
            ("New York", "value", ["=New York"]), ("", "auto", ["="]), ("a " * 40, "auto", ["a"] * 40),
            (None, "auto", None), types="string; string"),
    ),
    Operation(
        name="lookup_indices",
        meaning="The place of each item of an array in the vocabulary, from 1; 0 for NULL and what is not in it.",
        parameters=(Parameter(name="x", types=("array",)), KNOWN),
        result="array<int64>",
        sql=lambda a, t: list_of_places(a[0], a[1], element_type(t[0])),
        row=lambda a, t: f"lookup_indices({a[0]}, {a[1]})",
        names={"lookup_indices": lookup_indices},
        examples=(
            *golden((["c", "b", "b", None, "z"], ("a", "b", "c"), [3, 2, 2, 0, 0]), ([], ("a",), []),
                ([None], ("a",), [0]), (["a"], (), [0]), (None, ("a",), None),
                (["w299", "w0", "w299"], MANY, [300, 0, 300]), types="array<string>; array<string>"),
            *golden(([7, None, -7], (-7, 7), [2, 0, 1]), types="array<int64>; array<int64>"),
        ),
    ),
)  # fmt: skip
