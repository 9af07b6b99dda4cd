"""What each word of a text adds to what is predicted of its row."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from penstock import values
from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models.explaining.pieces import SAMPLES, Told, one_row, told_of
from penstock.tables import TableLike
from penstock.values import Figure

MOST_WORDS = 64
"""Of more words as many neighbours are taken together as it takes to have no more pieces than that."""

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_ADDS, _TAKES = "194, 87, 26", "31, 111, 180"
_SCHEMA = pa.schema({"word": pa.string(), "position": pa.int64(), "start": pa.int64(), "attribution": pa.float64()})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextExplanation:
    """What the words of a text add to a score: from the `baseline`, the score without any word, to the `score`.

    `words` is a table of `word`, `position` (from 0), `start` (its first character in the text) and `attribution`.
    Notebooks show the text with its words coloured; so does `figure`.
    """

    predicted: Any
    baseline: float
    score: float
    words: pa.Table
    figure: Figure

    def _repr_html_(self) -> str | None:
        return self.figure._repr_html_()


def explain_text(
    graph: ModelGraph,
    row: Mapping[str, Any] | TableLike,
    column: str,
    *,
    label: Any = None,
    features: Sequence[str] | None = None,
    samples: int = SAMPLES,
) -> TextExplanation:
    """Return what each word of a column's text adds to the prediction of one row, whatever reads the text.

    These are Shapley values: what a word adds in the mean of orders in which words may come to the text. The score is
    the value, or the log-odds of the predicted label, or of the `label` given, against all others. Of up to eight words
    all combinations are tried, of more about `samples`, the same each time; a text of more than `MOST_WORDS` words is
    explained by runs of words. With `features`, it is told what words add through these alone.
    """
    inputs, value = one_row(graph, row, column, "string")
    text = str(value)
    starts = _starts(text)
    if not starts:
        raise DataError(f"model '{graph.name}': there is no word in '{column}', which is {text!r}", field=column)
    ends = [*starts[1:], len(text)]

    def made(kept: Sequence[bool]) -> str:
        pieces = zip(kept, starts, ends, strict=True)
        return "".join([text[: starts[0]], *(text[start:end] for keep, start, end in pieces if keep)])

    told = told_of(graph, inputs, column, len(starts), made, label=label, features=features, samples=samples)
    rows = [
        {"word": text[start:end].strip(), "position": at, "start": start, "attribution": part}
        for at, (start, end, part) in enumerate(zip(starts, ends, told.parts.tolist(), strict=True))
    ]
    return TextExplanation(
        predicted=told.predicted,
        baseline=told.baseline,
        score=told.score,
        words=pa.Table.from_pylist(rows, schema=_SCHEMA),
        figure=values.html(_page(text, list(zip(starts, ends, strict=True)), told)),
    )


def _starts(text: str) -> list[int]:
    """Return where the pieces of a text begin: its words, with what follows them, or runs of these."""
    found = [match.start() for match in _WORD.finditer(text)]
    return found[:: -(-len(found) // MOST_WORDS)] if found else []


def _page(text: str, places: Sequence[tuple[int, int]], told: Told) -> str:
    most = max(map(abs, told.parts.tolist())) or 1.0
    spans = [html.escape(text[: places[0][0]])]
    for (start, end), part in zip(places, told.parts.tolist(), strict=True):
        colour = f"rgba({_ADDS if part > 0 else _TAKES}, {0.75 * abs(part) / most:.3f})"
        word = html.escape(text[start:end].rstrip())
        after = html.escape(text[start + len(text[start:end].rstrip()) : end])
        style = f"background: {colour}; border-radius: 3px; padding: 1px 2px"
        spans.append(f'<span title="{part:+.4g}" style="{style}">{word}</span>{after}')
    shown = html.escape(str(told.predicted))
    return (
        '<div style="font: 15px/1.9 system-ui, sans-serif; color: #1f2933; max-width: 46em">'
        f'<p style="color: #66727f; font-size: 13px">predicted {shown}: without words {told.baseline:.4g}, '
        f"as it is {told.score:.4g}; orange words add to it, blue ones take from it</p>"
        f"<p>{''.join(spans)}</p></div>"
    )
