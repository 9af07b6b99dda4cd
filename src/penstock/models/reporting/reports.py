"""The report on a cascade: plain JSON, from the graph and rows with labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.graph import ModelGraph
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.models.judging import labels
from penstock.models.judging.calibration import calibration_error
from penstock.models.judging.certainty import Judge, difference
from penstock.models.judging.evaluate import labelled_rows
from penstock.models.judging.scores import is_rising, measured
from penstock.models.predicting.predict import estimates_of
from penstock.models.reporting.saying import said, verdict
from penstock.models.reporting.slices import slices_of
from penstock.models.reporting.ways import Ways, ways_of
from penstock.models.routing import Routing, aligned, classes_of, is_routed, routing_of, with_columns
from penstock.operations import text

if TYPE_CHECKING:
    from penstock.models.learning.matrix import Floats, Integers
    from penstock.tables import TableLike

REPORT = "report"
"""The fact of a cascade's graph that holds its report on the rows held out."""


def report(
    graph: ModelGraph,
    rows: TableLike | None = None,
    *,
    baseline: ModelGraph | None = None,
    ideal: Mapping[str, ModelGraph] | None = None,
    slices: Sequence[str] | None = None,
    serving: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return how good a cascade is on rows with labels; without rows, what was found of those held out when it was
    learned.

    Beside the metrics of the whole stand those of `baseline`, one model of all rows, and of the *oracle*: each row
    taken by the route that the router's own label says, to a stage of `ideal`, which learned from the rows that belong
    to it; without those, to the stage that serves. Of each route there are the metrics on the rows routed to it
    and on those that truly belong to it, its shares, and what its stage learned from; then the router, which rows went
    where (`confusion`), and the metric by slices: the inputs with few values, or the columns that `slices` names; and
    which `candidates` the training chose its policy and thresholds from, and what a row costs, where that is known.
    `serving` are the routes of requests, as `project.requests.route_shares` has them.

    Raises `DeclarationError` for a model that is no cascade, and `DataError` where rows lack an input or the label.
    """
    if not is_routed(graph):
        raise DeclarationError(f"model '{graph.name}' is no cascade; graph.evaluate(rows) judges it")
    if rows is None:
        found = graph.facts.get(REPORT)
        if found is None:
            raise DataError(f"cascade '{graph.name}' has no report of rows held out; give rows: graph.report(rows)")
        return _completed(graph, copy.deepcopy(found), serving or {})  # facts are frozen with the graph
    table, column, unknown_label = answerable(graph, rows)
    if unknown := [name for name in slices or () if name not in table.column_names]:
        raise UnknownNameError("column", unknown[0], table.column_names, within="slices")
    return _completed(graph, _report(graph, table, column, baseline, ideal, slices, unknown_label), serving or {})


def answerable(graph: ModelGraph, rows: TableLike) -> tuple[pa.Table, pa.ChunkedArray | None, int]:
    """Return the rows whose label a graph could predict, their labels, and how many rows have another one: such as a
    kind that only came up after the rows that it learned from. Raises `DataError` where there is no such row."""
    table, column = labelled_rows(graph, rows)
    known = classes_of(graph)
    if column is None or not known:
        return table, column, 0
    there = pc.is_in(column, value_set=pa.array(known, column.type))
    found = table.filter(there), column.filter(there)
    if not found[0].num_rows:
        raise DataError(
            f"cascade '{graph.name}' knows the labels {', '.join(map(repr, known))}, and no row has any of them; one "
            f"has {graph.label}={column[0].as_py()!r}",
            field=graph.label,
        )
    return *found, table.num_rows - found[0].num_rows


def _completed(graph: ModelGraph, made: dict[str, Any], serving: Mapping[str, float]) -> dict[str, Any]:
    """Return a report with what the training knows: how it chose policy and thresholds, and what rows cost."""
    told = {name: copy.deepcopy(graph.facts.get(name)) for name in ("thresholds", "candidates", "cost")}
    whole = {**made, **told}
    return _with_serving({**whole, "warnings": said(whole)}, serving)


def _with_serving(made: dict[str, Any], routes: Mapping[str, float]) -> dict[str, Any]:
    """Return a report with the share of each route among requests; one within a stage counts for the stage."""
    names, counts = [each["name"] for each in made["routes"]], dict[str, float]()
    for name, count in routes.items():
        outer = name if name in names else name.partition("/")[0]
        if outer not in names:
            raise UnknownNameError("route", name, names, within=f"cascade '{made['cascade']}'")
        counts[outer] = counts.get(outer, 0) + count
    total = sum(counts.values())
    if total:
        for each in made["routes"]:
            each["shares"]["serving"] = counts.get(each["name"], 0) / total
        made["warnings"] = said(made)
    return made


def _report(
    graph: ModelGraph,
    table: pa.Table,
    column: pa.ChunkedArray | None,
    baseline: ModelGraph | None,
    ideal: Mapping[str, ModelGraph] | None,
    slices: Sequence[str] | None,
    unknown_label: int = 0,
) -> dict[str, Any]:
    routing, metric = routing_of(graph), graph.facts["options"]["metric"]
    ways, known = ways_of(graph, routing, table, ideal), routing.classes
    actual = _labels(graph, known, column)
    alone = None if baseline is None else _of_classes(baseline, estimates_of(baseline, table), known)
    whole: dict[str, Any] = {"cascade": measured(actual, ways.whole, known)}
    whole["baseline"] = None if alone is None else measured(actual, alone, known)
    whole["oracle"] = None
    if ways.own is not None and ways.by_own is not None:  # judged beside the others on the rows whose route is known
        there = ways.own >= 0
        bound = ways.by_own if ways.ideal is None else ways.ideal
        whole["oracle"] = measured(actual[there], bound[there], known)
    made: dict[str, Any] = {
        "cascade": graph.name,
        "label": graph.label,
        "metric": metric,
        "rising": is_rising(metric),
        "policy": graph.facts.get("policy", {}).get("policy", graph.facts["options"]["policy"]),
        "declared_policy": graph.facts["options"]["policy"],
        "blend": routing.blend,
        "rows": {
            "train": graph.facts.get("rows", {}).get("train"),
            "judged": len(actual),
            "unknown_label": unknown_label,
        },
        "whole": whole,
        "standard_error": None
        if alone is None
        else _by_chance(metric, actual, ways.whole, alone, known, _groups(graph, table)),
        "oracle": _oracle_told(ways),
        "router": _router(graph, routing, ways),
        "routes": _routes(graph, routing, ways, actual, alone),
        "confusion": _confusion(routing, ways),
        "slices": slices_of(table, _sliced(graph, table, slices), actual, (ways.whole, alone), known, metric),
        "inner": _inner(routing, ways, table),
    }
    return {**made, "verdict": verdict(made), "warnings": said(made)}


def _by_chance(
    metric: str, actual: Any, whole: Floats, alone: Floats, known: Sequence[Any], groups: Integers | None
) -> float | None:
    """Return the standard error of the difference between a cascade and one model; None where it has no value."""
    judge = Judge(metric=metric, actual=actual, classes=len(known), groups=groups, seed=0)
    error = difference(judge, whole, alone)[1]
    return error if math.isfinite(error) else None


def _groups(graph: ModelGraph, table: pa.Table) -> Integers | None:
    """Return the number of each row's group, where the cascade was declared with groups that the rows have."""
    group = graph.facts["options"].get("group")
    if group not in table.column_names:
        return None
    coded = table.column(group).combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(coded.indices.to_numpy(), dtype=np.int64)


def _labels(graph: ModelGraph, known: Sequence[Any], column: Any) -> Any:
    label = graph.label or ""
    return labels.class_numbers(graph.name, label, known, column) if known else labels.values(graph.name, label, column)


def _of_classes(graph: ModelGraph, estimates: Floats, known: Sequence[Any]) -> Floats:
    return aligned(estimates, classes_of(graph), known) if known else estimates


def _oracle_told(ways: Ways) -> dict[str, Any]:
    """Return of how many rows it is known where they belong, or why it is not."""
    rows = 0 if ways.own is None else int((ways.own >= 0).sum())
    return {"rows": rows, "why_not": ways.why_not, "stages": "served" if ways.ideal is None else "ideal"}


def _router(graph: ModelGraph, routing: Routing, ways: Ways) -> dict[str, Any]:
    """Return how good the router is at its own label, and how honest its probabilities are."""
    stage, known = routing.stages[routing.router], routing.router_classes
    trusted = graph.facts.get("policy", {}).get("router", {})
    method = None if routing.calibration is None else routing.calibration["method"]
    found: dict[str, Any] = {
        "name": routing.router,
        "type": stage.facts["type"],
        "label": stage.label,
        "rows": 0,
        "metrics": {},
        "trusted": dict(trusted),
        "calibration": {"method": method, "error_before": None, "error_after": None},
    }
    if ways.labels is None:
        return found
    there, numbers = ways.labels.there, ways.labels.known
    found["rows"], found["metrics"] = len(numbers), measured(numbers, ways.router[there], known)
    if known:
        errors = [
            float(np.mean([calibration_error(numbers == at, each[there, at]) for at in _told_of(known)]))
            for each in (ways.raw, ways.router)
        ]
        found["calibration"] |= {"error_before": errors[0], "error_after": errors[1]}
    return found


def _told_of(known: Sequence[Any]) -> Sequence[int]:
    return (1,) if len(known) == 2 else range(len(known))


def _routes(graph: ModelGraph, routing: Routing, ways: Ways, actual: Any, alone: Floats | None) -> list[dict[str, Any]]:
    """Return what there is to know of each route; branches of one name are one route."""
    told, shares = graph.facts.get("stages", {}), graph.facts.get("policy", {}).get("shares", {})
    known, made = routing.classes, []
    belonging = 0 if ways.own is None else int((ways.own >= 0).sum())
    for name, branches in _named(routing).items():
        taken = np.isin(ways.taken, branches)
        first = routing.branches[branches[0]]
        conditions = [text(each.when) for each in (routing.branches[at] for at in branches) if each.when is not None]
        own = np.zeros(len(actual), dtype=bool) if ways.own is None else np.isin(ways.own, branches)
        found: dict[str, Any] = {
            "name": name,
            "when": " or ".join(conditions) if len(conditions) == len(branches) else None,
            **_used(routing, first.stage, first.constant, told),
            "rows": int(taken.sum()),
            "rows_of_label": None if ways.own is None else int(own.sum()),
            "shares": {
                "training": shares.get("training", {}).get(name),
                "refitted": shares.get("refitted", {}).get(name),
                "judged": float(taken.mean()),
                "label": float(own.sum() / belonging) if belonging else None,
                "serving": None,
            },
            "routed": measured(actual[taken], ways.by_taken[taken], known),
            "of_label": {} if ways.by_own is None else measured(actual[own], ways.by_own[own], known),
            "cascade": measured(actual[taken], ways.whole[taken], known),
            "baseline": {} if alone is None else measured(actual[taken], alone[taken], known),
        }
        made.append(found)
    return made


def _named(routing: Routing) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for at, branch in enumerate(routing.branches):
        found.setdefault(branch.name, []).append(at)
    return found


def _used(routing: Routing, stage: str | None, constant: float, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what predicts the rows of a route, and how many rows it learned from."""
    if stage is None:
        value = routing.classes[int(constant)] if routing.classes else constant
        return {"uses": "constant", "stage": None, "constant": value, "type": None, "learned_from": None}
    graph = routing.stages[stage]
    facts = {**told.get(stage, {}), **{name: graph.facts[name] for name in ("stands_for",) if name in graph.facts}}
    return {
        "uses": "cascade" if is_routed(graph) else "model",
        "stage": stage,
        "constant": None,
        "type": graph.facts["type"],
        "learned_from": facts.get("rows", {}).get("train"),
        "baseline_instead": "stands_for" in facts,
    }


def _confusion(routing: Routing, ways: Ways) -> dict[str, Any] | None:
    """Return how many rows that belong to each route (a line) went by each (a column); None where no label tells."""
    if ways.own is None:
        return None
    of_name = {at: place for place, branches in enumerate(_named(routing).values()) for at in branches}
    count = len(_named(routing))
    counts = np.zeros((count, count), dtype=np.int64)
    there = ways.own >= 0
    for own, taken in zip(ways.own[there].tolist(), ways.taken[there].tolist(), strict=True):
        counts[of_name[own], of_name[taken]] += 1
    return {
        "routes": list(_named(routing)),
        "counts": counts.tolist(),
        "without_label": int((~there).sum()),
    }


def _sliced(graph: ModelGraph, table: pa.Table, slices: Sequence[str] | None) -> dict[str, bool]:
    """Return the columns to slice by, and whether somebody named them: else the inputs, as far as they have few
    values."""
    if slices is not None:
        return dict.fromkeys(slices, True)
    return dict.fromkeys((name for name in graph.signature.inputs.names if name in table.column_names), False)


def _inner(routing: Routing, ways: Ways, table: pa.Table) -> dict[str, Any]:
    """Return the report of each stage that is a cascade, on the rows that are routed to it."""
    found, rows = {}, with_columns(table, ways.columns)
    for name, stage in routing.stages.items():
        branches = [at for at, branch in enumerate(routing.branches) if branch.stage == name]
        mine = np.isin(ways.taken, branches)
        if is_routed(stage) and mine.any():
            found[name] = _report(stage, *labelled_rows(stage, rows.filter(pa.array(mine))), None, None, ())
    return found
