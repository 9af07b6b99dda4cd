"""Metrics: scikit-learn's numbers under BigQuery ML's names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import metrics as reference

from penstock.models.judging import metrics

values = st.floats(0, 1e6).map(lambda value: round(value, 6))  # scikit-learn itself overflows on 1e-156
positive = st.lists(st.tuples(values, values), min_size=2, max_size=40)


@settings(max_examples=50, deadline=None)
@given(positive)
def test_regression_metrics_equal_those_of_scikit_learn(pairs):
    actual, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    found = metrics.regression(actual, predicted)
    expected = {
        "mean_absolute_error": reference.mean_absolute_error(actual, predicted),
        "mean_squared_error": reference.mean_squared_error(actual, predicted),
        "mean_squared_log_error": reference.mean_squared_log_error(actual, predicted),
        "median_absolute_error": reference.median_absolute_error(actual, predicted),
        "r2_score": reference.r2_score(actual, predicted),
        "explained_variance": reference.explained_variance_score(actual, predicted),
    }
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_squared_log_error_of_negative_values_has_no_value():
    found = metrics.regression(np.array([-2.0, 1.0]), np.array([0.0, 1.0]))
    assert math.isnan(found["mean_squared_log_error"])
    assert found["mean_absolute_error"] == 1.0


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classification_metrics_equal_those_of_scikit_learn(classes):
    random = np.random.default_rng(classes)
    actual = random.integers(0, classes, 300)
    raw = random.random((300, classes)).round(1) + 0.01  # rounded: there are ties
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    average = "binary" if classes == 2 else "macro"
    score = probabilities[:, 1] if classes == 2 else probabilities
    assert metrics.classification(actual, probabilities) == pytest.approx(
        {
            "precision": reference.precision_score(actual, predicted, average=average),
            "recall": reference.recall_score(actual, predicted, average=average),
            "accuracy": reference.accuracy_score(actual, predicted),
            "f1_score": reference.f1_score(actual, predicted, average=average),
            "log_loss": reference.log_loss(actual, probabilities),
            "roc_auc": reference.roc_auc_score(actual, score, multi_class="ovr"),
        }
    )


def test_a_class_that_is_never_predicted_has_precision_zero():
    found = metrics.classification(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]))
    assert (found["precision"], found["recall"], found["f1_score"]) == (0.0, 0.0, 0.0)


def test_the_curve_of_one_class_alone_has_no_area():
    found = metrics.classification(np.array([1, 1]), np.array([[0.4, 0.6], [0.2, 0.8]]))
    assert math.isnan(found["roc_auc"])
