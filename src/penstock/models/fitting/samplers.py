"""The ways to search and to give up, by name: Optuna's samplers and pruners."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from penstock.errors import DeclarationError, UnknownNameError

Opened = Callable[[Any, int, int], Any]

SAMPLERS: Mapping[str, Opened] = {
    "tpe": lambda optuna, seed, trials: optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=min(10, max(3, trials // 3))
    ),
    "random": lambda optuna, seed, trials: optuna.samplers.RandomSampler(seed=seed),
    "grid": lambda optuna, seed, trials: optuna.samplers.RandomSampler(seed=seed),  # which draws nothing: all is given
    "cmaes": lambda optuna, seed, trials: optuna.samplers.CmaEsSampler(seed=seed),
    "gp": lambda optuna, seed, trials: optuna.samplers.GPSampler(seed=seed),
    "qmc": lambda optuna, seed, trials: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
}
"""By the trials before (TPE), by chance, each of a grid, by an evolving normal distribution, by a Gaussian process, or
evenly spread."""
_NEEDS = {"cmaes": ("cmaes",), "gp": ("torch", "scipy"), "qmc": ("scipy",)}

PRUNERS: Mapping[str, Callable[[Any], Any]] = {
    "none": lambda optuna: optuna.pruners.NopPruner(),
    "median": lambda optuna: optuna.pruners.MedianPruner(),
    "hyperband": lambda optuna: optuna.pruners.HyperbandPruner(),
    "halving": lambda optuna: optuna.pruners.SuccessiveHalvingPruner(),
}
"""Never; where a trial is worse than the median of those before; by Hyperband; by successive halving."""


def open_sampler(optuna: Any, name: str, seed: int, trials: int) -> Any:
    """Return a sampler; `DeclarationError` where a package that it needs is not installed."""
    if name not in SAMPLERS:
        raise UnknownNameError("sampler", name, SAMPLERS)
    for package in _NEEDS.get(name, ()):
        if find_spec(package) is None:
            raise DeclarationError(f"sampler '{name}' needs the package {package}: pip install {package}; tpe does not")
    with warnings.catch_warnings():  # that some are experimental in Optuna is no news to who has chosen one
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](optuna, seed, trials)


def open_pruner(optuna: Any, name: str) -> Any:
    """Return a pruner."""
    if name not in PRUNERS:
        raise UnknownNameError("pruner", name, PRUNERS)
    return PRUNERS[name](optuna)
