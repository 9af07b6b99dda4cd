"""What reads sequences, of words or of numbers: order is learned, lengths differ, both forms give the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from served_encoders import served

import penstock as ps
from penstock import models
from penstock.errors import ExpressionError
from penstock.models.exporting.onnx_model import parity_of
from penstock.models.fitting.agreement import close
from penstock.multimodal import Ragged
from penstock.multimodal.encoders import FORMS
from penstock.multimodal.tensors import NO_NUMBER, NO_TOKEN

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

_SETTINGS = {"dim": 5, "filters": 4, "widths": (1, 2, 5), "pooling": "attention"}
_TOKENS = np.array([[3, 0, 2, 6], [1, NO_TOKEN, NO_TOKEN, NO_TOKEN], [NO_TOKEN] * 4, [0, 5, NO_TOKEN, NO_TOKEN]])
_NUMBERS = np.array(
    [[1.5, NO_NUMBER, -2.0, 4.0], [7.0, *[NO_NUMBER] * 3], [NO_NUMBER] * 4, [NO_NUMBER, 1.0, *[NO_NUMBER] * 2]],
    dtype=np.float32,
)


@pytest.mark.parametrize("name", ["embedding", "gru", "conv1d", "gru_of_numbers", "conv1d_of_numbers"])
@pytest.mark.parametrize("seed", range(3))
def test_both_forms_give_the_same_and_what_stands_beyond_a_row_does_not_count(name: str, seed: int) -> None:
    form, given, shape = FORMS[name], _NUMBERS if name.endswith("numbers") else _TOKENS, () if "_of_" in name else (7,)
    torch.manual_seed(seed)
    sample = Ragged(np.array([0, 4]), np.array([1.0, np.nan, 3.0, 9.0], dtype=np.float32))
    module = form.module(torch, _SETTINGS, shape, sample).eval()
    run = served(form, module, _SETTINGS, shape)
    with torch.no_grad():
        by_torch = module(torch.from_numpy(given)).numpy()
    wider = np.concatenate([given, np.full_like(given, NO_NUMBER if "_of_" in name else NO_TOKEN)], axis=1)
    for x in (given, wider):
        assert np.allclose(run(x), by_torch, atol=1e-6)
    for place in range(len(given)):
        assert np.allclose(run(given[place : place + 1]), by_torch[place], atol=1e-6)
    assert not np.allclose(by_torch[0], by_torch[1], atol=1e-3)


def _in_order(count: int, seed: int = 0) -> pa.Table:
    """Return texts in which two words stand side by side, and whether the one that counts is first; and numbers that
    rise or fall, some of them unknown."""
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        first, rises = (bool(bit) for bit in chance.integers(0, 2, 2))
        words = [f"filler{number}" for number in chance.integers(0, 20, chance.integers(2, 9))]
        at = int(chance.integers(0, len(words) + 1))
        words[at:at] = ["early", "late"] if first else ["late", "early"]
        length = int(chance.integers(3, 12))
        steps = chance.uniform(0.2, 1, length) * (1 if rises else -1)
        numbers: list[float | None] = [*(np.cumsum(steps) + chance.normal(0, 2))]
        numbers[int(chance.integers(1, length))] = None
        row = {"text": " ".join(words), "numbers": numbers, "whole": [round(3 * (each or 0)) for each in numbers]}
        rows.append(row | {"first": str(first), "rises": str(rises)})
    return pa.Table.from_pylist(rows)


_ROWS, _OTHERS = _in_order(500), _in_order(100, seed=1)
_LEARNED = {
    "text gru": ("first", ps.col("text").gru(24)),
    "text conv1d": ("first", ps.col("text").conv1d(24, 16)),
    "items gru": ("first", ps.col("text").split(" ").gru(24)),
    "numbers gru": ("rises", ps.col("numbers").gru(16)),
    "numbers conv1d": ("rises", ps.col("numbers").conv1d(16, 16)),
    "whole numbers gru": ("rises", ps.col("whole").gru(16)),
}
_ODD: list[dict[str, Any]] = [
    {"text": None, "numbers": None, "whole": None},
    {"text": "", "numbers": [], "whole": []},
    {"text": "never seen words", "numbers": [None, None], "whole": [None]},
    {"text": "early " * 300, "numbers": [float("nan"), float("inf"), 1.0], "whole": [2**62] * 300},
    {"text": "early late", "numbers": [1.0, 1e300, -1e300, 2.0], "whole": [1]},  # beyond single precision
]


@pytest.mark.parametrize("case", list(_LEARNED))
def test_order_is_learned_and_a_row_is_predicted_as_in_a_batch(case: str) -> None:
    label, expr = _LEARNED[case]
    options = {"max_iterations": 8, "learn_rate": 0.02, "batch_size": 16}
    graph = models.fit(ps.model("m", type="dnn_classifier", label=label, features={"x": expr}, options=options), _ROWS)
    assert graph.facts["disagreements"] == []
    assert graph.evaluate(_OTHERS)["accuracy"] > 0.9
    some = [*_OTHERS.slice(0, 10).to_pylist(), *_ODD]
    batch = graph.predict(pa.Table.from_pylist(some, schema=_OTHERS.schema))[f"predicted_{label}_probs"].to_pylist()
    predictor = models.row_predictor(graph)
    for row, known in zip(some, batch, strict=True):
        assert close(predictor.predict(row)[f"predicted_{label}_probs"], known, 1e-5), row


def test_numbers_beyond_single_precision_are_not_known_to_any_form(tmp_path: Path) -> None:
    chance, names = np.random.default_rng(0), ("a", "b", "c")
    rows = pa.table({name: chance.normal(size=60) for name in (*names, "y")})
    numbers = ps.col("a").array(ps.col("b"), ps.col("c"))
    features = {"plain": numbers, "dense": numbers.dense(4), "read": numbers.gru(4)}
    options = {"max_iterations": 1}
    graph = models.fit(ps.model("m", type="dnn_regressor", label="y", features=features, options=options), rows)
    odd = [dict(zip(names, each, strict=True)) for each in ((1e300, 1.0, -1e300), (float("inf"), 2.0, 1e39))]
    batch = graph.predict(odd)["predicted_y"].to_pylist()
    assert all(map(math.isfinite, batch))
    predictor = models.row_predictor(graph)
    assert [predictor.predict(each)["predicted_y"] for each in odd] == pytest.approx(batch, abs=1e-5)
    given = pa.Table.from_pylist([*odd, *rows.select(list(names)).to_pylist()])
    assert parity_of(graph.export("onnx", tmp_path / "m.onnx", rows=given)).largest <= 1e-5


def test_the_mean_of_words_knows_no_order() -> None:
    """So what the tests before show is learned from the order."""
    model = ps.model("m", type="dnn_classifier", label="first", features={"x": ps.col("text").embedding(24)})
    assert models.fit(model, _ROWS, options={"max_iterations": 8}).evaluate(_OTHERS)["accuracy"] < 0.7


def test_sets_and_crosses_are_embedded() -> None:
    chance = np.random.default_rng(0)
    day, hour = chance.integers(1, 8, 600), chance.integers(0, 24, 600)
    tags = [[f"t{number}" for number in chance.integers(0, 9, chance.integers(0, 4))] for _ in day]
    busy = (day < 6) == (hour < 12)
    rows = pa.table(
        {
            "day": day.astype(str),
            "hour": (hour // 12).astype(str),
            "tags": tags,
            "ids": [[int(tag[1:]) for tag in each] for each in tags],
            "y": busy.astype(float) + ["t3" in each for each in tags],
        }
    )
    features = {
        "cross": ps.struct(day=ps.col("day"), hour=ps.col("hour")).feature_cross().field("day_hour").embedding(4),
        "tags": ps.col("tags").embedding(4, "max"),
        "ids": ps.col("ids").embedding(4, "attention"),
    }
    options = {"max_iterations": 40, "learn_rate": 0.01}
    graph = models.fit(ps.model("m", type="dnn_regressor", label="y", features=features, options=options), rows)
    assert graph.evaluate(rows)["r2_score"] > 0.9


def test_a_sequence_of_sentences_is_no_text() -> None:
    with pytest.raises(ExpressionError, match=r"tokens are the items of an array of strings .* array<struct"):
        models.fit(
            ps.model("m", type="dnn_regressor", label="y", features={"x": ps.col("x").gru()}),
            pa.table({"x": [[{"a": 1}]] * 9, "y": [1.0] * 9}),
        )


def test_filters_need_a_width() -> None:
    model = ps.model("m", type="dnn_classifier", label="rises", features={"x": ps.col("text").conv1d(4, 4, [0])})
    with pytest.raises(ExpressionError, match="conv1d: widths cannot be"):
        models.fit(model, _ROWS)
