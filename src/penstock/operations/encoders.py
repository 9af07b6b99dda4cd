"""Encoders: representations whose weights a network learns together with what it predicts.

An encoder stands at the top of a feature of a model of type `dnn_*`. What it reads of each row is an ordinary
expression, so training and serving cannot differ in it; the weights are the network's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.expression import Expr, literal
from penstock.core.operation import Parameter
from penstock.core.schema import SCALAR_TYPES, element_type
from penstock.errors import ExpressionError
from penstock.operations.modules import arguments_of, check_source
from penstock.operations.tokens import UNITS

AUGMENTATIONS = ("flip", "crop", "color")
POOLINGS = ("mean", "max", "attention")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A learned representation: what it takes (its first parameter), its settings, and what is read of each row.

    `reads` gives, for the value, its type and the settings, the expression that enters the network, which may have to
    learn constants, and what kind of thing its value is: `image` (bytes as `image` makes them), `tokens` (places in a
    vocabulary), `sequence` or `vector` (numbers).
    """

    name: str
    meaning: str
    parameters: tuple[Parameter, ...]
    reads: Callable[[Expr, str, Mapping[str, Any]], tuple[Expr, str]]
    result: str = "array<float64>"
    bigquery: str = ""


def settings_of(encoder: Encoder, expr: Expr) -> dict[str, Any]:
    """Return the settings of one use of an encoder, all of them set."""
    given = [argument.args[0] for argument in expr.args[1:]]
    own = encoder.parameters[1:]
    return {
        parameter.name: given[place] if place < len(given) else parameter.default for place, parameter in enumerate(own)
    }


def _image(x: Expr, type: str, settings: Mapping[str, Any]) -> tuple[Expr, str]:
    return x, "image"


def vector(x: Expr, type: str, settings: Mapping[str, Any]) -> tuple[Expr, str]:
    """Read an array of numbers at one length."""
    return Expr("fixed_length", (x,)), "vector"


def _image_or_vector(x: Expr, type: str, settings: Mapping[str, Any]) -> tuple[Expr, str]:
    return _image(x, type, settings) if type == "bytes" else vector(x, type, settings)


def _tokens(x: Expr, type: str, settings: Mapping[str, Any]) -> tuple[Expr, str]:
    """Read the items of an array, or of another value what its unit says: a text's words, or the value as a whole."""
    if type.startswith("array<") and element_type(type) not in _CATEGORIES:
        raise ExpressionError(f"tokens are the items of an array of strings or the like, but it was given {type}")
    if not type.startswith("array<"):
        text = x if type == "string" else Expr("cast", (x, literal("string")))
        unit = settings["unit"] if type == "string" else "value"
        x = Expr("tokens", (text, literal(unit)))
    limits: tuple[Expr, ...] = (literal(settings["top_k"]), literal(settings["frequency_threshold"]))
    return Expr("token_ids", (x, *limits)), "tokens"


def _sequence(x: Expr, type: str, settings: Mapping[str, Any]) -> tuple[Expr, str]:
    """Read the numbers of an array in their order, or the words of a text, or the items of another array."""
    if type in ("array<float64>", "array<int64>"):
        return x, "sequence"
    return _tokens(x, type, {**settings, "unit": "words"})


def _least(least: int, most: int) -> Callable[[int], None]:
    def check(given: int) -> None:
        if not least <= given <= most:
            raise ValueError(f"it is from {least:,} to {most:,}")

    return check


def _count(name: str, default: int, *, least: int = 1, most: int = 65_536) -> Parameter:
    return Parameter(name=name, types=("int64",), default=default, constant=True, prepare=_least(least, most))


def _choice(name: str, *choices: str) -> Parameter:
    return Parameter(name=name, types=("string",), default=choices[0], constant=True, choices=choices)


def _widths(given: Sequence[int]) -> None:
    if not given or not all(1 <= width <= 64 for width in given):
        raise ValueError("it is one width or several, each from 1 to 64 steps")


def _augmentations(given: Sequence[str]) -> None:
    if not set(given) <= set(AUGMENTATIONS):
        raise ValueError(f"it is some of {', '.join(AUGMENTATIONS)}")


_OF_IMAGES = (
    Parameter(name="x", types=("bytes",)),
    _count("filters", 16, most=1024),
    _count("layers", 3, most=8),
    _count("dim", 64, most=4096),
    Parameter(name="augment", types=("array<string>",), default=(), constant=True, prepare=_augmentations),
)
_AUGMENTED = (
    "While it learns, and never when it predicts, images are changed at random as `augment` says: flip (mirrored), "
    "crop (a cut-out of at least 80 % of each side), color (other brightness, contrast, saturation)."
)
_SEQUENCE = Parameter(name="x", types=("string", "array"))
_VOCABULARY = (
    _count("top_k", 20_000, most=10_000_000),
    _count("frequency_threshold", 2, most=2**31),
    _count("most_tokens", 256),
)
_CATEGORIES = tuple(type for type in SCALAR_TYPES if type not in ("float64", "bytes"))

ENCODERS: dict[str, Encoder] = {
    encoder.name: encoder
    for encoder in (
        Encoder(
            name="embedding",
            meaning="A vector learned for each token, and of the tokens of a row the mean, the greatest numbers, or "
            "the mean by shares that are learned too (attention). A text has its words for tokens and, unless it is "
            "long, itself as a whole, which is what a category is; an array its items. Tokens that few rows hold share "
            "one vector.",
            parameters=(
                Parameter(name="x", types=(*_CATEGORIES, "array")),
                _count("dim", 64, most=4096),
                _choice("pooling", *POOLINGS),
                _choice("unit", *UNITS),
                *_VOCABULARY,
            ),
            reads=_tokens,
        ),
        Encoder(
            name="conv",
            meaning="What a small convolutional network sees in an image: layers of 3 x 3 filters, each with half the "
            "sides of the one before it and twice its filters. " + _AUGMENTED,
            parameters=_OF_IMAGES,
            reads=_image,
        ),
        Encoder(
            name="residual",
            meaning="What a deeper convolutional network sees in an image: blocks of two layers of 3 x 3 filters, "
            "scaled in groups, that add to what entered them, each with half the sides of the one before it and twice "
            "its filters. " + _AUGMENTED,
            parameters=_OF_IMAGES,
            reads=_image,
        ),
        Encoder(
            name="conv1d",
            meaning="What filters over neighbouring words of a text, items or numbers of an array find in it: of each "
            "filter the most and the mean. Numbers are scaled by the training rows'; NULL among them is not known.",
            parameters=(
                _SEQUENCE,
                _count("dim", 64, most=4096),
                _count("filters", 32, most=1024),
                Parameter(name="widths", types=("array<int64>",), default=(1, 2, 3), constant=True, prepare=_widths),
                *_VOCABULARY,
            ),
            reads=_sequence,
        ),
        Encoder(
            name="gru",
            meaning="What is remembered of the words of a text, of the items or the numbers of an array, read from the "
            "first to the last by gated recurrent units. Numbers are scaled by the training rows'; NULL among them is "
            "not known.",
            parameters=(_SEQUENCE, _count("dim", 64, most=4096), *_VOCABULARY),
            reads=_sequence,
        ),
        Encoder(
            name="dense",
            meaning="A layer of its own over the numbers of an array, before they meet the other features.",
            parameters=(
                Parameter(name="x", types=("array<float64>", "array<int64>")),
                _count("units", 32),
            ),
            reads=vector,
        ),
        Encoder(
            name="module",
            meaning="What a PyTorch module of your own makes of it: a class 'package.module:Class', made with the "
            "keyword arguments, and with dim where it takes that. Of an image it gets (rows, channels, height, width), "
            "from 0 to 1; of an array (rows, length), scaled by the training rows'; it returns (rows, dim). It is "
            "trained with the network and served without PyTorch.",
            parameters=(
                Parameter(name="x", types=("array<float64>", "array<int64>", "bytes")),
                Parameter(name="source", types=("string",), constant=True, prepare=check_source),
                _count("dim", 64, most=4096),
                Parameter(name="arguments", types=("string",), default="{}", constant=True, prepare=arguments_of),
            ),
            reads=_image_or_vector,
        ),
    )
}
"""The encoders by name."""
