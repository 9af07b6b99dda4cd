"""Linear models learned: least squares solved exactly, logistic regression by scikit-learn, either step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from penstock.errors import MissingExtraError
from penstock.models.learning.descent import Line, descend, descends
from penstock.models.learning.design import Design, design_of
from penstock.models.learning.learner import Learned, Lesson, Weights
from penstock.models.learning.losses import iteration, loss
from penstock.models.learning.matrix import Examples, Floats
from penstock.models.learning.weights import WEIGHTS_FILE, probabilities, scores, with_means

_EIGEN_COLUMNS = 1024  # more take minutes
_EXACT_COLUMNS = 8192  # the normal equations of more columns take 0.5 GiB and longer than iterations do
_ROUNDS = 3
_LASSO_ITERATIONS, _LOGISTIC_ITERATIONS = 1000, 100
_RANK = 1e-12  # of the largest eigenvalue: directions below it are collinear, and get no weight


def fit_linear(lesson: Lesson) -> Learned:
    """Minimise sum((y - Xw - c)^2) + l2_reg * sum(w^2) + l1_reg * sum(|w|).

    Where columns are collinear (one-hot columns always are) the smallest weights are taken, as scikit-learn does.
    """
    options, design = lesson.options, _designed(lesson)
    if descends(options):
        return _descended(lesson, design, squares=options["l2_reg"])
    target = np.asarray(lesson.train.target, dtype=np.float64)
    if options["l1_reg"] > 0 or design.matrix.shape[1] > _EXACT_COLUMNS:
        coefficients, constant, facts = _iterate(design.matrix, target, options)
    else:
        coefficients, constant = _solve(design.matrix, target, options["l2_reg"], options["fit_intercept"])
        facts = {"solver": "normal equations"}
    return _learned(lesson, (constant,), (design.unflatten(coefficients),), facts)


def fit_logistic(lesson: Lesson) -> Learned:
    """Minimise sum(log loss) + l2_reg / 2 * sum(w^2) + l1_reg * sum(|w|).

    That is what scikit-learn's LogisticRegression does with C = 1 / (l1_reg + l2_reg).
    """
    options, design = lesson.options, _designed(lesson)
    if descends(options):
        return _descended(lesson, design, squares=options["l2_reg"] / 2)
    linear_model = _sklearn_linear_model()
    most = options["max_iterations"] or _LOGISTIC_ITERATIONS
    strength = options["l1_reg"] + options["l2_reg"]
    learner = linear_model.LogisticRegression(
        C=1.0 / strength if strength > 0 else np.inf,
        l1_ratio=options["l1_reg"] / strength if strength > 0 else 0.0,
        solver="saga" if options["l1_reg"] > 0 else "lbfgs",
        max_iter=most,
        fit_intercept=options["fit_intercept"],
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "not converged" is a fact of the model, told in its facts
        learner.fit(design.matrix, lesson.train.target, sample_weight=lesson.weights)
    iterations = int(learner.n_iter_.max())
    by_output = tuple(design.unflatten(row) for row in learner.coef_)
    facts = {
        "solver": learner.solver,
        "iterations": iterations,
        "converged": iterations < most,
    }
    constants = np.broadcast_to(np.asarray(learner.intercept_, dtype=float), (len(by_output),))
    return _learned(lesson, tuple(constants.tolist()), by_output, facts)


def _descended(lesson: Lesson, design: Design, *, squares: float) -> Learned:
    """Go down the gradient, and tell of every step."""

    def held_out(line: Line) -> float:
        return _loss(lesson, _weights(design, line), lesson.held_out or lesson.train, None)

    line, training = descend(
        design.matrix, lesson, squares=squares, held_out=None if lesson.held_out is None else held_out
    )
    return Learned(
        files={WEIGHTS_FILE: msgspec.json.encode(with_means(_weights(design, line), lesson.train.features))},
        outputs=max(lesson.classes, 1),
        facts={"solver": "batch gradient descent", "iterations": len(training), "training": training},
    )


def _weights(design: Design, line: Line) -> Weights:
    return Weights(tuple(line.constants.tolist()), tuple(design.unflatten(row) for row in line.coefficients))


def _learned(
    lesson: Lesson,
    constants: tuple[float, ...],
    weights: tuple[tuple[tuple[float, ...], ...], ...],
    facts: Mapping[str, Any],
) -> Learned:
    """Return what was learned. Of the iterations the last is noted alone: the libraries tell of no other."""
    learned = with_means(Weights(constants, weights), lesson.train.features)
    train = _loss(lesson, learned, lesson.train, lesson.weights)
    held_out = None if lesson.held_out is None else _loss(lesson, learned, lesson.held_out, None)
    training = [iteration(max(facts.get("iterations", 1), 1) - 1, train, eval_loss=held_out)]
    return Learned(
        files={WEIGHTS_FILE: msgspec.json.encode(learned)},
        outputs=max(lesson.classes, 1),
        facts={**facts, "training": training},
    )


def _loss(lesson: Lesson, learned: Weights, examples: Examples, weights: Floats | None) -> float:
    totals = scores(learned, examples.features)
    estimates = probabilities(totals) if lesson.classes else totals
    return loss(examples.target, estimates, classes=lesson.classes, weights=weights)


def _designed(lesson: Lesson) -> Design:
    """Return the training matrix, without the columns that can have no weight."""
    encoding = lesson.options["category_encoding_method"]
    return design_of(lesson.train.features, lesson.widths, drop_most_frequent=encoding == "DUMMY_ENCODING")


def _solve(matrix: Any, target: Floats, l2: float, intercept: bool) -> tuple[Floats, float]:
    """Solve the normal equations of the centred columns, and again for what is left over: as exact as a QR."""
    rows, columns = matrix.shape
    means = np.asarray(matrix.mean(axis=0)).ravel() if intercept else np.zeros(columns)
    mean = float(target.mean()) if intercept else 0.0
    gram = (matrix.T @ matrix).toarray()
    gram -= rows * np.outer(means, means)
    gram[np.diag_indices(columns)] += l2
    inverse = _by_eigenvectors(gram) if columns <= _EIGEN_COLUMNS else _by_cholesky(gram)
    coefficients = np.zeros(columns)
    for _ in range(_ROUNDS):
        left = target - mean - (matrix @ coefficients - means @ coefficients)
        coefficients += inverse(matrix.T @ left - means * left.sum() - l2 * coefficients)
    return coefficients, mean - float(means @ coefficients)


def _by_eigenvectors(gram: Floats) -> Callable[[Floats], Floats]:
    """Return the pseudo-inverse of a symmetric matrix."""
    values, vectors = np.linalg.eigh(gram)
    strong = values > _RANK * values.max(initial=0.0)
    values, vectors = values[strong], vectors[:, strong]
    return lambda right: np.asarray(vectors @ ((vectors.T @ right) / values))


def _by_cholesky(gram: Floats) -> Callable[[Floats], Floats]:
    """Return nearly the inverse, ten times as fast: a trace is added to the diagonal, which the rounds make good."""
    from scipy.linalg import cho_factor, cho_solve

    gram[np.diag_indices(len(gram))] += _RANK * gram.diagonal().max()
    factor = cho_factor(gram, overwrite_a=True, check_finite=False)
    return lambda right: np.asarray(cho_solve(factor, right, check_finite=False))


def _iterate(matrix: Any, target: Floats, options: Mapping[str, Any]) -> tuple[Floats, float, dict[str, Any]]:
    """Fit by scikit-learn's iterations: coordinate descent where there is l1_reg, conjugate gradients otherwise."""
    linear_model = _sklearn_linear_model()
    rows, l1, l2 = matrix.shape[0], options["l1_reg"], options["l2_reg"]
    if l1 > 0:
        # scikit-learn minimises |y - Xw|^2 / 2n + alpha * (ratio * |w| + (1 - ratio) / 2 * w^2)
        alpha, most = (l1 / 2 + l2) / rows, options["max_iterations"] or _LASSO_ITERATIONS
        learner = linear_model.ElasticNet(
            alpha=alpha, l1_ratio=l1 / 2 / rows / alpha, tol=1e-8, max_iter=most,
            fit_intercept=options["fit_intercept"],
        )  # fmt: skip
        matrix = matrix.tocsc()
    else:
        learner = linear_model.Ridge(alpha=l2, solver="sparse_cg", tol=1e-6, fit_intercept=options["fit_intercept"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "not converged" is a fact of the model, told in its facts
        learner.fit(matrix, target)
    facts = {"solver": "coordinate descent" if l1 > 0 else "conjugate gradients"}
    return np.asarray(learner.coef_), float(learner.intercept_), facts


def _sklearn_linear_model() -> Any:
    try:
        from sklearn import linear_model  # takes a second: only when a model is learned
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="learners", purpose="learning a linear model") from error
    return linear_model
