"""Three-valued logic: AND, OR, NOT, and tests of a truth value. Both sides are always computed, in both forms."""

from __future__ import annotations

from penstock.core.operation import Operation, Parameter, golden

_PAIR = (Parameter(name="x", types=("bool",)), Parameter(name="y", types=("bool",)))
_ONE = (Parameter(name="x", types=("bool",)),)

OPERATIONS = (
    Operation(
        name="and",
        meaning="FALSE if either is FALSE, else NULL if either is NULL, else TRUE.",
        parameters=_PAIR,
        result="bool",
        sql=lambda a, t: f"({a[0]} AND {a[1]})",
        row=lambda a, t: f"(False if {a[0]} is False or {a[1]} is False else {a[0]} and {a[1]})",
        nulls="handles",
        examples=golden(
            (True, True, True), (True, False, False), (False, False, False), (None, False, False), (False, None, False),
            (None, True, None), (True, None, None), (None, None, None),
            types="bool; bool",
        ),
    ),
    Operation(
        name="or",
        meaning="TRUE if either is TRUE, else NULL if either is NULL, else FALSE.",
        parameters=_PAIR,
        result="bool",
        sql=lambda a, t: f"({a[0]} OR {a[1]})",
        row=lambda a, t: f"(True if {a[0]} or {a[1]} else None if {a[0]} is None or {a[1]} is None else False)",
        nulls="handles",
        examples=golden(
            (True, True, True), (True, False, True), (False, False, False), (None, True, True), (True, None, True),
            (None, False, None), (False, None, None), (None, None, None),
            types="bool; bool",
        ),
    ),
    Operation(
        name="not",
        meaning="The other truth value; NULL stays NULL.",
        parameters=_ONE,
        result="bool",
        sql=lambda a, t: f"(NOT {a[0]})",
        row=lambda a, t: f"(not {a[0]})",
        examples=golden((True, False), (False, True), (None, None), types="bool"),
    ),
    Operation(
        name="is_true",
        meaning="Whether x is TRUE; FALSE for NULL.",
        parameters=_ONE,
        result="bool",
        sql=lambda a, t: f"({a[0]} IS TRUE)",
        row=lambda a, t: f"({a[0]} is True)",
        nulls="answers",
        examples=golden((True, True), (False, False), (None, False), types="bool"),
    ),
    Operation(
        name="is_false",
        meaning="Whether x is FALSE; FALSE for NULL.",
        parameters=_ONE,
        result="bool",
        sql=lambda a, t: f"({a[0]} IS FALSE)",
        row=lambda a, t: f"({a[0]} is False)",
        nulls="answers",
        examples=golden((True, False), (False, True), (None, False), types="bool"),
    ),
)  # fmt: skip
