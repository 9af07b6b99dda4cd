"""Trees over wide and mostly empty features: their entries alone give the trees and the predictions of all cells."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.models.learning import matrix, trees
from penstock.models.learning.boosters import MODEL_FILE, Booster
from penstock.models.learning.matrix import Features, Sparse, dense, entries, is_mostly_empty
from penstock.operations import col

WORDS = [f"w{number:03d}" for number in range(300)]
FEATURES = {
    "bag": col("text").text_analyze().bag_of_words(400, 1),
    "km": col("km"),
    "city": col("city"),
    "hot": col("city").one_hot_encoder("none", 50, 1),
}


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    draw = random.Random(3)
    made = []
    for _ in range(400):
        text = draw.choices(WORDS, k=6)
        km = draw.choice([None, 0.0, -0.0, 1e-40, draw.gauss(0, 1)])
        made.append(
            {
                "text": draw.choice([None, "", *[" ".join(text)] * 8]),
                "km": km,
                "city": draw.choice([None, *"abc"]),
                "y": (km or 0.0) + sum(word < "w100" for word in text) + draw.random(),
                "kind": draw.choice("abc") if text[0] > "w150" else "a",
            }
        )
    return pa.Table.from_pylist(made)


def fitted(rows: pa.Table, type: str) -> models.ModelGraph:
    options = {"subsample": 0.8, "min_data_in_leaf": 2, "data_split_method": "RANDOM", "data_split_eval_fraction": 0.2}
    options["num_parallel_tree" if "forest" in type else "max_iterations"] = 6
    label = "y" if "regressor" in type else "kind"
    return models.fit(models.model("m", type=type, label=label, features=FEATURES, options=options), rows)


@pytest.mark.parametrize(
    "type", ["boosted_tree_regressor", "boosted_tree_classifier", "random_forest_regressor", "random_forest_classifier"]
)
def test_the_entries_give_the_trees_and_predictions_of_the_cells(type, rows, monkeypatch):
    taken = []
    monkeypatch.setattr(trees, "entries", lambda *given: taken.append(given) or entries(*given))
    few = fitted(rows, type)
    assert len(taken) == 2  # training and held-out rows
    by_entries = models.predict(few, rows)
    monkeypatch.setattr(matrix, "_FEW", 0.0)
    all_cells = fitted(rows, type)
    assert len(taken) == 2
    assert few.blobs[MODEL_FILE] == all_cells.blobs[MODEL_FILE]
    assert by_entries.equals(models.predict(all_cells, rows))
    assert not few.facts["disagreements"]
    predictor = models.row_predictor(few)
    for position in range(0, rows.num_rows, 9):
        one = predictor.predict(rows.slice(position, 1).to_pylist()[0])
        assert one == {name: by_entries[name][position].as_py() for name in one}


def test_entries_are_the_cells_that_are_not_zero():
    draw = np.random.default_rng(0)
    block = Sparse(draw.integers(0, 50, 300), draw.integers(0, 40, 300), draw.normal(size=300))  # cells meet
    block = Sparse(np.sort(block.rows), block.indices, block.values)
    numbers = np.where(np.arange(50) % 3 == 0, np.nan, 0.0)
    features = Features(50, (numbers, block, np.arange(50) % 4, block))
    widths = (1, 30, 4, 40)  # what lies beyond 30 in the first is left out
    found, cells = entries(features, widths), dense(features, widths)
    made = np.zeros(cells.shape)
    for row, (start, end) in enumerate(zip(found.starts, found.starts[1:], strict=False)):
        assert (np.diff(found.columns[start:end]) > 0).all()
        made[row, found.columns[start:end]] = found.values[start:end]
    assert made.shape == (50, found.width)
    assert made.tobytes() == cells.tobytes()


def test_no_rows_have_no_entries():
    nothing = np.array([], dtype=np.int64)
    features = Features(0, (np.array([]), Sparse(nothing, nothing, np.array([]))))
    found = entries(features, (1, 5))
    assert (found.starts.tolist(), found.width) == ([0], 6)
    assert Booster(models_text(), outputs=1).predict(found).shape == (0, 1)


def test_numbers_stay_dense():
    assert not is_mostly_empty(Features(3, (np.zeros(3),) * 40), (1,) * 40)


def test_a_bag_of_words_never_takes_the_memory_of_all_its_cells():
    count, width = 20_000, 4_000
    draw = np.random.default_rng(1)
    block = Sparse(np.repeat(np.arange(count), 10), draw.integers(0, width, count * 10), np.ones(count * 10))
    tracemalloc.start()
    entries(Features(count, (block,)), (width,))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < count * width * 8 / 20


def models_text() -> bytes:
    """Return the text of a small model of six columns."""
    import lightgbm

    draw = np.random.default_rng(2)
    data = lightgbm.Dataset(draw.normal(size=(100, 6)), draw.normal(size=100))
    return lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 2).model_to_string().encode()
