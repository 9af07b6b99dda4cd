"""Functions that DuckDB lacks: ours in Python, registered on every connection that runs our texts.

So the SQL form calls the very function that the row form calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from penstock.operations import (
    documents,
    extraction,
    facts,
    formatting,
    imagefacts,
    images,
    jsonvalues,
    printing,
    sentences,
    tokens,
)
from penstock.operations.analyzers import terms
from penstock.operations.encodings import sha512
from penstock.operations.fingerprints import fingerprint, hash_bucket
from penstock.operations.jsontext import quoted_string
from penstock.operations.letters import folded
from penstock.operations.safe import attempt
from penstock.operations.unicodeforms import contains_folded, normalized


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A Python function by its name in DuckDB, with our types. It is not called where an argument is NULL."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str
    may_be_null: bool = False  # it gives None for other reasons too
    in_threads: bool = False  # it leaves Python's lock while it works: threads gain


def _or_null(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that gives None where the other raises what an operation raises."""

    @wraps(function)  # DuckDB reads from the signature how many arguments there are
    def called(*arguments: Any) -> Any:
        return attempt(function, *arguments)

    return called


NATIVES = (
    Native(name="penstock_fingerprint", function=fingerprint, parameters=("bytes",), result="int64"),
    Native(name="penstock_hash_bucket", function=hash_bucket, parameters=("bytes", "int64"), result="int64"),
    Native(name="penstock_terms", function=terms, parameters=("string",) * 3, result="array<string>"),
    Native(name="penstock_sha512", function=sha512, parameters=("bytes",), result="bytes"),
    Native(name="penstock_normalized", function=normalized, parameters=("string",) * 2, result="string"),
    Native(name="penstock_folded", function=folded, parameters=("string",) * 2, result="string"),
    Native(name="penstock_contains_folded", function=contains_folded, parameters=("string",) * 2, result="bool"),
    *(
        Native(
            name=f"penstock_{function.__name__}",
            function=function,
            parameters=("string", "string", "bool"),
            result=result,
            may_be_null=True,
        )
        for function, result in extraction.EXTRACTORS
    ),
    *(
        Native(
            name=f"penstock_{function.__name__}",
            function=_or_null(function),
            parameters=parameters,
            result=result,
            may_be_null=True,
            in_threads=True,
        )
        for function, parameters, result in (*images.NATIVE_FUNCTIONS, *imagefacts.NATIVE_FUNCTIONS)
    ),
    *(
        Native(name=f"penstock_{function.__name__}", function=function, parameters=parameters, result=result)
        for function, parameters, result in (
            *documents.NATIVE_FUNCTIONS,
            *facts.NATIVE_FUNCTIONS,
            *sentences.NATIVE_FUNCTIONS,
            *tokens.NATIVE_FUNCTIONS,
        )
    ),
    Native(name="penstock_quoted_string", function=quoted_string, parameters=("string",), result="string"),
    *(
        Native(
            name=f"penstock_{function.__name__}",
            function=function,
            parameters=("string",),
            result=result,
            may_be_null=True,
        )
        for function, result in jsonvalues.READERS
    ),
    *(
        Native(name=f"penstock_{function.__name__}", function=function, parameters=parameters, result="string")
        for function, parameters in (*formatting.FORMATTERS, *printing.PRINTERS)
    ),
)
