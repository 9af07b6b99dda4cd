"""Sentences: a text as the vector that a pretrained model makes of it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from penstock.core.expression import Expr, literal
from penstock.core.operation import Operation, Parameter, golden
from penstock.operations.literals import sql_literal
from penstock.operations.templates import STRING

_ROOM = "penstock.multimodal.sentences"  # a room above this one, which is loaded when the first text comes


def sentence_embedding(x: str, model: str, digest: str) -> list[float]:
    """Return a text's vector; raises where the model is not there, or is another than the digest's, if one is given."""
    found: list[float] = importlib.import_module(_ROOM).embedding(x, model, digest)
    return found


def pinned(expr: Expr) -> Expr:
    """Return a use of a pretrained model that names the model's bytes; raises where they are not there, or others."""
    x, model, *given = expr.args
    digest = given[0].args[0] if given else None
    found = importlib.import_module(_ROOM).loaded(model.args[0], digest or "").digest
    return Expr(expr.op, (x, model, literal(found)))


def _digest(arguments: Sequence[Any]) -> str:
    return (arguments[2] or "") if len(arguments) > 2 else ""


def _sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    constants = ", ".join(sql_literal(text, "string") for text in (arguments[1], _digest(arguments)))
    return f"penstock_sentence_embedding({arguments[0]}, {constants})"


NATIVE_FUNCTIONS = ((sentence_embedding, ("string",) * 3, "array<float64>"),)
"""Functions that the SQL form calls, with the types that they take and give."""

OPERATIONS = (
    Operation(
        name="sentence_embedding",
        meaning="The vector that a pretrained model makes of a text. The model is a folder, or an installed package "
        "that holds one: tokenizer.json with model.onnx, or with the weights of a BERT in model.safetensors. A fit "
        "keeps the digest of its files, and no other model is taken for it after that. Nothing is downloaded. Needs "
        "the extra sentences.",
        parameters=(STRING, Parameter(name="model", types=("string",), constant=True),
            Parameter(name="digest", types=("string",), default=None, constant=True)),
        result="array<float64>",
        sql=_sql,
        row=lambda a, t: f"sentence_embedding({a[0]}, {a[1]!r}, {_digest(a)!r})",
        names={"sentence_embedding": sentence_embedding},
        # There is no model that is everywhere: what one gives is tested on those that the tests make.
        examples=(*golden((None, "some-model", None), types="string; string"),
            *golden((None, "some-model", None, None), (None, "folder/of/a/model", "00", None),
                types="string; string; string")),
    ),
)  # fmt: skip
