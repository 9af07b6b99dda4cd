"""What a tuned model tells of its trials; only the optimal one is kept as a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, UnknownNameError
from penstock.models.fitting.tuning import shown
from penstock.models.learning.learners import LEARNERS
from penstock.models.routing import check_no_cascade
from penstock.tables import arrow_schema

_TYPES = {"int": "int64", "float": "float64", "bool": "bool", "ints": "array<int64>"}


def is_tuned(graph: ModelGraph) -> bool:
    """Tell whether a model was made by trials."""
    return "tuning" in graph.facts


def trial_field(graph: ModelGraph) -> tuple[Field, ...]:
    """Return the column by which what a tuned model learned is told apart by trial; a model without trials has none."""
    return (Field("trial_id", "int64"),) if is_tuned(graph) else ()


def trial_value(graph: ModelGraph) -> dict[str, int]:
    """Return that column's value in every row: the optimal trial's, which is the one that is kept."""
    return {"trial_id": _optimal(graph)} if is_tuned(graph) else {}


def check_trial(graph: ModelGraph, trial: int, *, kept: bool = True) -> None:
    """Raise an error for a trial that the model does not have, or, with `kept`, that is not the one that was kept."""
    if not is_tuned(graph):
        raise DataError(f"model '{graph.name}' was not tuned; it has no trial {trial}: leave trial_id out")
    trials, optimal = {each["trial_id"]: each for each in _trials(graph)}, _optimal(graph)
    if trial not in trials:
        raise UnknownNameError("trial", str(trial), map(str, trials), within=f"model '{graph.name}'")
    if kept and trial != optimal:
        raise DataError(
            f"of the trials of model '{graph.name}' only the optimal one, {optimal}, is kept; to have trial {trial}, "
            f"create a model with its options and no num_trials: {shown(trials[trial]['hyperparameters'])}"
        )


def trial_schema(graph: ModelGraph) -> Schema:
    """Return the columns of the trials, by BigQuery's names; `DataError` for a model that was not tuned."""
    check_no_cascade(graph, "trials", is_tuned)
    if not is_tuned(graph):
        raise DataError(f"model '{graph.name}' was not tuned; a tuned model is one with the option num_trials")
    known = LEARNERS[graph.facts["type"]].options
    names = _trials(graph)[0]["hyperparameters"]
    chosen = ", ".join(f"{name} {_TYPES.get(known[name].type, 'string')}" for name in names)
    return Schema.of(
        trial_id="int64",
        hyperparameters=f"struct<{chosen}>",
        hparam_tuning_evaluation_metrics=f"struct<{graph.facts['tuning']['objective']} float64>",
        training_loss="float64",
        eval_loss="float64",
        status="string",
        error_message="string",
        is_optimal="bool",
    )


def trial_info(graph: ModelGraph) -> pa.Table:
    """Return a row for each trial: its hyperparameters, how good it was on the rows held out, and what became of it."""
    schema, objective = trial_schema(graph), graph.facts["tuning"]["objective"]
    rows = [
        {
            **each,
            "hparam_tuning_evaluation_metrics": {objective: (each["evaluation"] or {}).get(objective)},
        }
        for each in _trials(graph)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(schema))


def trial_metrics_schema(graph: ModelGraph) -> Schema:
    """Return the columns of the metrics of trials: `trial_id`, and one for each metric."""
    metrics = tuple(Field(metric, "float64") for metric in graph.facts["evaluation"])
    return Schema((Field("trial_id", "int64"), *metrics))


def trial_metrics(graph: ModelGraph, trial: int | None = None) -> pa.Table:
    """Return the metrics of each trial that succeeded, or of one, on the rows kept to test, as the model's own are."""
    rows = [
        {"trial_id": each["trial_id"], **(each["test_evaluation"] or each["evaluation"])}
        for each in _trials(graph)
        if each["evaluation"] is not None and trial in (None, each["trial_id"])
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(trial_metrics_schema(graph)))


def trial_rows(graph: ModelGraph) -> list[dict[str, Any]]:
    """Return the trials of a tuned model as those of a search over a pipeline are told: see `trials_table`."""
    objective = graph.facts["tuning"]["objective"]
    return [
        {
            "number": each["trial_id"],
            "state": "succeeded" if each["status"] == "SUCCEEDED" else "failed",
            "value": (each["evaluation"] or {}).get(objective),
            "error": each["error_message"] or "",
            "params": each["hyperparameters"],
            "is_optimal": each["is_optimal"],
        }
        for each in _trials(graph)
    ]


def trials_table(trials: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return trials as a table: a row each, with its number, state, value and parameters, which are a struct; and with
    how many seconds it took and which run it was, where that is told. A parameter whose values are of several types is
    JSON there."""
    names = dict.fromkeys(name for trial in trials for name in trial["params"])
    chosen = {name: _column([trial["params"].get(name) for trial in trials]) for name in names}
    return pa.table(
        {
            "trial": pa.array([trial["number"] for trial in trials], pa.int64()),
            "state": pa.array([trial["state"] for trial in trials], pa.string()),
            "value": pa.array([trial["value"] for trial in trials], pa.float64()),
            "seconds": pa.array([trial.get("seconds") for trial in trials], pa.float64()),
            "run": pa.array([trial.get("run", "") for trial in trials], pa.string()),
            "error": pa.array([trial["error"] for trial in trials], pa.string()),
            "params": pa.StructArray.from_arrays([*chosen.values()], [*chosen]) if chosen else pa.nulls(len(trials)),
        }
    )


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and kinds != {int}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if len(kinds) == 1 and kinds <= {int, str, bool}:
        return pa.array(values)
    return pa.array([msgspec.json.encode(value, enc_hook=repr).decode() for value in values])


def _optimal(graph: ModelGraph) -> int:
    number: int = next(each["trial_id"] for each in _trials(graph) if each["is_optimal"])
    return number


def _trials(graph: ModelGraph) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = graph.facts["tuning"]["trials"]
    return found
