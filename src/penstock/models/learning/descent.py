"""Linear models learned step by step, down the gradient over all rows: BigQuery ML's BATCH_GRADIENT_DESCENT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import DeclarationError
from penstock.models.learning.learner import Lesson
from penstock.models.learning.losses import iteration, loss
from penstock.models.learning.matrix import Floats
from penstock.models.learning.weights import probabilities

_FIRST_RATE, _MOST_HALVINGS = 0.1, 40
_ITERATIONS = 20

DESCENT = ("learn_rate_strategy", "learn_rate", "ls_init_learn_rate", "early_stop", "min_rel_progress")
"""The options that say how to descend."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where the descent is: a constant and coefficients for each output."""

    constants: Floats
    coefficients: Floats  # a row for each output

    def moved(self, by: Line, rate: float, threshold: float) -> Line:
        """Return the line after a step; coefficients nearer to 0 than the threshold become 0, others come nearer."""
        stepped = self.coefficients - rate * by.coefficients
        shrunk = np.sign(stepped) * np.maximum(np.abs(stepped) - threshold, 0.0)
        return Line(self.constants - rate * by.constants, shrunk)


def descends(options: Mapping[str, Any]) -> bool:
    """Tell whether the options ask for steps: by the strategy, or by saying how to make them.

    Raises `DeclarationError` where they say so beside a strategy that has none, or ask for a rate that is not used.
    """
    given = [name for name in DESCENT if options[name] is not None]
    if options["optimize_strategy"] == "NORMAL_EQUATION" and given:
        raise DeclarationError(f"optimize_strategy NORMAL_EQUATION makes no steps; leave {', '.join(given)} out")
    unused = "ls_init_learn_rate" if options["learn_rate_strategy"] == "CONSTANT" else "learn_rate"
    if options[unused] is not None:
        strategy = options["learn_rate_strategy"] or "LINE_SEARCH"
        raise DeclarationError(f"{unused} has no meaning with learn_rate_strategy {strategy}; leave it out")
    return bool(given) or options["optimize_strategy"] == "BATCH_GRADIENT_DESCENT"


def descend(
    matrix: Any, lesson: Lesson, *, squares: float, held_out: Callable[[Line], float] | None
) -> tuple[Line, list[dict[str, Any]]]:
    """Step down the gradient; return where that led, and what is worth knowing of each iteration.

    What gets smaller is the sum of losses, plus `squares` times the sum of squared coefficients, plus `l1_reg` times
    that of absolute ones, divided by the number of rows.
    """
    options, rows = lesson.options, matrix.shape[0]
    outputs = lesson.classes if lesson.classes > 2 else 1
    line = Line(np.zeros(outputs), np.zeros((outputs, matrix.shape[1])))
    cost = _Cost(matrix, lesson, squares)
    rate = options["learn_rate"] or options["ls_init_learn_rate"] or _FIRST_RATE
    early = options["early_stop"] is not False
    progress = 0.01 if options["min_rel_progress"] is None else options["min_rel_progress"]
    training: list[dict[str, Any]] = []
    for number in range(options["max_iterations"] or _ITERATIONS):
        gradient = cost.gradient(line)
        if options["learn_rate_strategy"] != "CONSTANT":
            rate = cost.searched(line, gradient, rate * 2 if number else rate)
            if not rate:  # no step makes it smaller: this is the bottom
                break
        after = line.moved(gradient, rate, rate * options["l1_reg"] / rows)
        now = iteration(number, cost.loss(after), eval_loss=held_out and held_out(after), learning_rate=rate)
        if now["loss"] is None:
            raise DeclarationError(f"the loss is no number after iteration {number}: learn_rate {rate:g} is too large")
        which = "loss" if now["eval_loss"] is None else "eval_loss"
        if early and training and training[-1][which] - now[which] < progress * abs(training[-1][which]):
            break
        line = after
        training.append(now)
    return line, training


@dataclass(frozen=True, slots=True)
class _Cost:
    matrix: Any
    lesson: Lesson
    squares: float

    def totals(self, line: Line) -> Floats:
        return np.asarray(self.matrix @ line.coefficients.T + line.constants)

    def loss(self, line: Line) -> float:
        with np.errstate(over="ignore", invalid="ignore"):  # a loss that is no number ends the descent
            totals, classes = self.totals(line), self.lesson.classes
            estimates = probabilities(totals) if classes else totals
            return loss(self.lesson.train.target, estimates, classes=classes, weights=self.lesson.weights)

    def whole(self, line: Line) -> float:
        """Return what the descent makes smaller."""
        weights, sizes = self.lesson.weights, np.abs(line.coefficients)
        penalty = self.squares * (sizes**2).sum() + self.lesson.options["l1_reg"] * sizes.sum()
        rows = self.matrix.shape[0]
        share = 1.0 if weights is None else float(weights.sum()) / rows
        return float(self.loss(line) * share + penalty / rows)

    def gradient(self, line: Line) -> Line:
        """Return the direction in which all but the absolute coefficients grow fastest."""
        totals, target, classes = self.totals(line), self.lesson.train.target, self.lesson.classes
        rows = len(totals)
        if classes == 0:
            slopes = 2.0 * (totals - target[:, np.newaxis])
        elif classes == 2:
            slopes = probabilities(totals)[:, 1:] - target[:, np.newaxis]
        else:
            slopes = probabilities(totals) - np.eye(classes)[target.astype(np.int64)]
        if self.lesson.weights is not None:
            slopes = slopes * self.lesson.weights[:, np.newaxis]
        coefficients = np.asarray(self.matrix.T @ slopes).T + 2.0 * self.squares * line.coefficients
        constants = slopes.sum(axis=0) * self.lesson.options["fit_intercept"]
        return Line(constants / rows, coefficients / rows)

    def searched(self, line: Line, gradient: Line, rate: float) -> float:
        """Return the first of the rate, its half, its quarter, ... that makes the whole smaller; 0 if none does."""
        before, absolute = self.whole(line), self.lesson.options["l1_reg"] / self.matrix.shape[0]
        for _ in range(_MOST_HALVINGS):
            if self.whole(line.moved(gradient, rate, rate * absolute)) < before:
                return rate
            rate /= 2
        return 0.0
