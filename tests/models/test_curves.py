"""How classifiers err: the columns of their confusion matrices, and the shares of their curves."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError
from penstock.models.judging.curves import confusion_matrix, count_confusions, count_errors, error_curve


def test_labels_that_are_no_names_of_columns_are_altered_and_told_apart() -> None:
    labels = ["1", "a b", "a-b", "A_b", "expected_label"]
    rows = pa.table({"x": [float(n) for n in range(len(labels) * 4)], "y": labels * 4})
    graph = ps.fit(ps.model("m", type="logistic_reg", label="y", features={"x": ps.col("x")}), rows)
    table = confusion_matrix(graph, rows)
    assert table.column_names == ["expected_label", "_1", "A_b", "a_b_", "a_b__", "expected_label_"]
    assert table["expected_label"].to_pylist() == ["1", "A_b", "a b", "a-b", "expected_label"]
    assert sum(table[name].to_pylist()[row] for name in table.column_names[1:] for row in range(5)) == 20
    with pytest.raises(DataError, match="predicts 5 labels; such a curve is of two"):
        error_curve(graph, rows)


def test_counts_by_hand() -> None:
    actual = np.array([0, 0, 1, 1])
    scores = np.array([0.1, 0.6, 0.4, 0.8])
    probabilities = np.column_stack([1 - scores, scores])
    assert count_confusions(actual, probabilities) == [[1, 1], [1, 1]]
    assert count_confusions(actual, probabilities, 0.7) == [[2, 0], [1, 1]]
    assert count_errors(actual, probabilities, [0.5, 0.7]) == {
        "positives": 2,
        "negatives": 2,
        "points": [[0.7, 1, 0], [0.5, 1, 1]],
    }


def test_a_share_of_no_rows_is_null() -> None:
    rows = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": [False, False, True, True]})
    graph = ps.fit(ps.model("m", type="logistic_reg", label="y", features={"x": ps.col("x")}), rows)
    curve = error_curve(graph, rows.slice(2))
    assert set(curve["false_positive_rate"].to_pylist()) == {None}
    assert curve["recall"].to_pylist()[-1] == 1.0
