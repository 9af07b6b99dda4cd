"""Linear models learned: what scikit-learn learns by hand from the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge

from penstock.models.learning.learner import Lesson
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.matrix import Examples, Features, Sparse
from penstock.models.learning.settings import with_defaults
from penstock.models.learning.weights import WEIGHTS_FILE, probabilities, read_weights, scores

RANDOM = np.random.default_rng(7)
ROWS = 600
NUMBER = RANDOM.normal(size=ROWS)
TWIN = NUMBER * 2 + RANDOM.normal(size=ROWS) * 1e-3  # nearly collinear
CATEGORY = RANDOM.integers(2, 9, ROWS)  # 0 and 1 (unseen, NULL) are not there
BLOCK = Sparse(np.arange(ROWS, dtype=np.int64), RANDOM.integers(0, 4, ROWS), RANDOM.random(ROWS))
FEATURES = Features(ROWS, (NUMBER, TWIN, CATEGORY, BLOCK))
WIDTHS = (1, 1, 9, 4)
TARGET = 3 * NUMBER - TWIN + np.sin(CATEGORY) + 10 + RANDOM.normal(size=ROWS)


def by_hand():
    block = np.zeros((ROWS, 4))
    block[BLOCK.rows, BLOCK.indices] = BLOCK.values
    return np.column_stack([NUMBER, TWIN, np.eye(9)[CATEGORY], block])


def fitted(options=None, target=TARGET, type="linear_reg", **more):
    settings = with_defaults(options or {}, LEARNERS[type].options)
    lesson = Lesson(
        train=Examples(FEATURES, target),
        held_out=None,
        names=("number", "twin", "category", "block"),
        kinds=("number", "number", "category", "sparse"),
        widths=WIDTHS,
        options=settings,
        classes=0 if type == "linear_reg" else len(np.unique(target)),
        weights=more.get("weights"),
    )
    learned = LEARNERS[type].method.fit(lesson)
    return read_weights(learned.files[WEIGHTS_FILE]), learned.facts


def predicted(options=None):
    return scores(fitted(options)[0], FEATURES)[:, 0]


def test_least_squares_equals_scikit_learn():
    expected = LinearRegression().fit(by_hand(), TARGET).predict(by_hand())
    assert np.abs(predicted() - expected).max() < 1e-8


def test_many_columns_are_solved_as_exactly(monkeypatch):
    few = predicted()
    monkeypatch.setattr("penstock.models.learning.linear._EIGEN_COLUMNS", 1)
    assert np.abs(predicted() - few).max() < 1e-8
    monkeypatch.setattr("penstock.models.learning.linear._EXACT_COLUMNS", 1)
    assert fitted({"l2_reg": 1.0})[1]["solver"] == "conjugate gradients"
    assert np.abs(predicted() - few).max() < 1e-2


def test_collinear_columns_get_the_smallest_weights_as_in_scikit_learn():
    learner = LinearRegression().fit(by_hand(), TARGET)
    weights = np.concatenate(fitted()[0].weights[0])
    assert np.abs(weights - learner.coef_).max() < 1e-6


def test_ridge_equals_scikit_learn():
    expected = Ridge(alpha=3.0).fit(by_hand(), TARGET).predict(by_hand())
    assert np.abs(predicted({"l2_reg": 3.0}) - expected).max() < 1e-8


def test_least_squares_without_a_constant_equals_scikit_learn():
    expected = LinearRegression(fit_intercept=False).fit(by_hand(), TARGET).predict(by_hand())
    weights, _ = fitted({"fit_intercept": False})
    assert weights.constants == (0.0,)
    assert np.abs(scores(weights, FEATURES)[:, 0] - expected).max() < 1e-8


def test_l1_equals_scikit_learn():
    learner = ElasticNet(alpha=20.0 / 2 / ROWS, l1_ratio=1.0, tol=1e-10).fit(by_hand(), TARGET)
    assert np.abs(predicted({"l1_reg": 20.0}) - learner.predict(by_hand())).max() < 1e-4


def test_a_category_that_training_never_saw_has_weight_zero():
    weights, _ = fitted()
    assert weights.weights[0][2][:2] == (0.0, 0.0)
    later = Features(1, (np.zeros(1), np.zeros(1), np.array([50]), Sparse(*(np.zeros(0, dtype=int),) * 2, np.zeros(0))))
    assert scores(weights, later)[0, 0] == weights.constants[0]


def test_dummy_encoding_gives_the_most_frequent_category_weight_zero():
    weights, _ = fitted({"category_encoding_method": "DUMMY_ENCODING"})
    assert weights.weights[0][2][int(np.bincount(CATEGORY).argmax())] == 0.0
    assert np.abs(scores(weights, FEATURES)[:, 0] - predicted()).max() < 1e-8


def test_l1_takes_weights_out_of_a_logistic_regression():
    target = (TARGET > 10).astype(np.int64)
    weights, facts = fitted({"l1_reg": 60.0}, target, "logistic_reg")
    assert facts["solver"] == "saga"
    assert sum(value == 0.0 for part in weights.weights[0] for value in part) > 4


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l2", [0.0, 2.0])
def test_logistic_regression_equals_scikit_learn(classes, l2):
    target = np.digitize(TARGET, np.quantile(TARGET, np.arange(1, classes) / classes))
    weights, facts = fitted({"l2_reg": l2, "max_iterations": 1000}, target, "logistic_reg")
    used = np.column_stack([NUMBER, TWIN, by_hand()[:, 4:]])  # without the two empty columns
    learner = LogisticRegression(C=1 / l2 if l2 else np.inf, max_iter=1000).fit(used, target)
    assert facts["converged"]
    found = probabilities(scores(weights, FEATURES))
    assert np.abs(found - learner.predict_proba(used)).max() < (1e-4 if l2 else 5e-3)


def test_class_weights_reach_the_learner():
    target = (np.quantile(TARGET, 0.9) < TARGET).astype(np.int64)
    plain, _ = fitted({"l2_reg": 1.0}, target, "logistic_reg")
    heavy, _ = fitted({"l2_reg": 1.0}, target, "logistic_reg", weights=np.where(target == 1, 9.0, 1.0))
    assert (
        probabilities(scores(heavy, FEATURES))[:, 1].mean() > probabilities(scores(plain, FEATURES))[:, 1].mean() + 0.1
    )


def test_a_fit_that_did_not_converge_says_so():
    target = (TARGET > 10).astype(np.int64)
    assert fitted({"max_iterations": 2}, target, "logistic_reg")[1]["converged"] is False


def test_probabilities_far_out_are_0_and_1():
    assert probabilities(np.array([[-800.0], [800.0]])).tolist() == [[1.0, 0.0], [0.0, 1.0]]
