"""Hyperparameters tuned: one prepared lesson fitted in several trials, the best of which becomes the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.errors import DataError, DeclarationError, MissingExtraError, PenstockError
from penstock.models.fitting.axes import axes_of
from penstock.models.fitting.lessons import Ready, judged_on, learn, losses
from penstock.models.fitting.proposing import Proposal, Proposer, Search
from penstock.models.graph import ModelGraph
from penstock.models.judging.scores import is_rising
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.search import plain
from penstock.models.learning.settings import spaces_in

_SAMPLERS = {"VIZIER_DEFAULT": "tpe", "RANDOM_SEARCH": "random", "GRID_SEARCH": "grid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one set of hyperparameters: a graph with the objective's value, or an error."""

    chosen: Mapping[str, Any]
    status: str
    graph: ModelGraph | None = None
    value: float | None = None
    error: str | None = None


def tune(ready: Ready, settings: Mapping[str, Any]) -> ModelGraph:
    """Try hyperparameters, and return the graph of the best trial, the earliest of equals, judged on the part to test.

    A trial that fails does not end the others. Its facts hold all trials. Raises `DataError` where all fail.
    """
    objective = settings["hparam_tuning_objectives"][0]
    maximize = is_rising(objective)
    told: list[dict[str, Any]] = []
    best: Trial | None = None
    for trial in _trials(ready, settings, objective, maximize=maximize):
        told.append({"trial_id": len(told) + 1, **_told(ready, trial)})
        if trial.value is not None and (best is None or _better(trial.value, best.value, maximize)):
            best, optimal = trial, len(told)
    if best is None or best.graph is None:
        first = told[0]
        raise DataError(
            f"model '{ready.model.name}': all {len(told)} trials failed; the first, with "
            f"{shown(first['hyperparameters'])}: {first['error_message']}"
        )
    tuning = {
        "objective": objective,
        "algorithm": settings["hparam_tuning_algorithm"],
        "trials": [{**each, "is_optimal": each["trial_id"] == optimal} for each in told],
    }
    facts: dict[str, Any] = {**best.graph.facts, "tuning": tuning}
    if ready.tested is not None:
        facts["evaluated_on"] = "test"
    facts |= judged_on(ready, best.graph, ready.tested or ready.judged)
    return dataclasses.replace(best.graph, facts=FrozenMap(facts))


def shown(hyperparameters: Mapping[str, Any]) -> str:
    """Return hyperparameters as a person writes them into the options of a model."""
    return ", ".join(f"{name}={value!r}" for name, value in hyperparameters.items())


def _trials(ready: Ready, settings: Mapping[str, Any], objective: str, *, maximize: bool) -> Iterator[Trial]:
    """Yield every trial. Those of a round are chosen together, and told in order, so that none depends on the clock."""
    search = Search(
        axes=axes_of(spaces_in(settings), LEARNERS[ready.model.type].options),
        trials=settings["num_trials"],
        maximize=maximize,
        sampler=_SAMPLERS[settings["hparam_tuning_algorithm"]],
        seed=settings.get("seed", 0),
    )
    proposer = Proposer(search)
    left, at_once = settings["num_trials"], settings["max_parallel_trials"]

    def tried(proposal: Proposal) -> Trial:
        return _tried(ready, settings, proposal.chosen, objective)

    with ThreadPoolExecutor(max_workers=at_once if ready.method.concurrent else 1) as threads:
        while proposals := proposer.ask(min(at_once, left)):
            left -= len(proposals)
            for proposal, trial in zip(proposals, threads.map(tried, proposals), strict=True):
                proposer.tell(proposal.number, trial.value)
                yield trial


def _tried(ready: Ready, settings: Mapping[str, Any], chosen: Mapping[str, Any], objective: str) -> Trial:
    try:
        graph = learn(ready, {**settings, **chosen}, counted=False)
    except MissingExtraError:
        raise  # no trial can do without
    except DeclarationError as error:
        return Trial(chosen=chosen, status="INFEASIBLE", error=str(error))
    except PenstockError as error:
        return Trial(chosen=chosen, status="FAILED", error=str(error))
    except Exception as error:  # whatever the learner's library raises is kept with the trial; the others go on
        return Trial(chosen=chosen, status="FAILED", error=f"{type(error).__name__}: {error}")
    value = graph.facts["evaluation"][objective]
    if value is None:
        return Trial(chosen=chosen, status="FAILED", error=f"{objective} has no value on the rows to judge by")
    return Trial(chosen=chosen, status="SUCCEEDED", graph=graph, value=value)


def _told(ready: Ready, trial: Trial) -> dict[str, Any]:
    graph = trial.graph
    training_loss, eval_loss = (None, None) if graph is None else losses(ready, graph)
    return {
        "hyperparameters": {name: plain(value) for name, value in trial.chosen.items()},
        "evaluation": None if graph is None else graph.facts["evaluation"],
        "test_evaluation": None if graph is None else graph.facts.get("test_evaluation"),
        "training_loss": training_loss,
        "eval_loss": eval_loss,
        "status": trial.status,
        "error_message": trial.error,
    }


def _better(value: float, best: float | None, maximize: bool) -> bool:
    return best is None or (value > best if maximize else value < best)
