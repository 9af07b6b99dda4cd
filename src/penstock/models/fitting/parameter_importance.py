"""How much each hyperparameter has counted in a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from penstock.models.fitting.proposing import load_optuna, quiet

_LEAST_TRIALS = 4


def parameter_importance(trials: Sequence[Mapping[str, Any]], maximize: bool) -> dict[str, float]:
    """Return the share that each hyperparameter has in how much trials differ, the largest first; the same each time.

    By functional ANOVA of a random forest, or, without scikit-learn, of Parzen estimators. Empty of fewer than four
    trials with values, and where all values are the same.
    """
    judged = [trial for trial in trials if trial["value"] is not None and trial["state"] == "succeeded"]
    if len(judged) < _LEAST_TRIALS or len({trial["value"] for trial in judged}) == 1:
        return {}
    optuna = load_optuna()
    varied = {
        name: [trial["params"][name] for trial in judged]
        for name in judged[0]["params"]
        if len({repr(trial["params"][name]) for trial in judged}) > 1
    }
    if not varied:
        return {}
    distributions = {name: _distribution(optuna, values) for name, values in varied.items()}
    with quiet(optuna):
        study = optuna.create_study(direction="maximize" if maximize else "minimize")
        for at, trial in enumerate(judged):
            params = {name: _coded(values[at], distributions[name]) for name, values in varied.items()}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=trial["value"]))
        kinds = optuna.importance
        by_forest = find_spec("sklearn") is not None
        evaluator = kinds.FanovaImportanceEvaluator(seed=0) if by_forest else kinds.PedAnovaImportanceEvaluator()
        found: dict[str, float] = kinds.get_param_importances(study, evaluator=evaluator)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _distribution(optuna: Any, values: Sequence[Any]) -> Any:
    """Return what the values lie in, as far as the trials tell."""
    kinds = optuna.distributions
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = float(min(values)), float(max(values))
        return kinds.FloatDistribution(low, high, log=low > 0 and high / low >= 100)
    return kinds.CategoricalDistribution(tuple(dict.fromkeys(map(repr, values))))


def _coded(value: Any, distribution: Any) -> Any:
    return repr(value) if hasattr(distribution, "choices") else float(value)
