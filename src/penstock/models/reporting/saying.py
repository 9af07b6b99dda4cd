"""What a report on a cascade comes to, in words: whether it pays, and what to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.models.judging.scores import ROOT

FEW_ROWS = 100
SINGLE = "single_model"
"""What a choice, and a prediction's route, call one model of all rows with no router before it."""

_MATTERS = 0.25  # of a share: a change that is worth a word
_SURE = 3.0  # standard errors
_TOO_GOOD = 2.0  # times as good on the rows that belong to a stage as on those that it gets
_TOO_MANY = 3.0  # times as many rows as belong to it
_DISHONEST = 0.05
_GAP = 0.05

Report = Mapping[str, Any]


def number(value: float | None) -> str:
    """Return a number of a report as people read it."""
    if value is None:
        return "-"
    if 0 < abs(value) < 0.0001:
        return "<0.0001" if value > 0 else ">-0.0001"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def percent(share: float | None) -> str:
    """Return a share in percent; one that is not 0 never reads as 0."""
    if share is None:
        return "-"
    return f"{share:.1%}" if share == 0 or share >= 0.001 else "<0.1%"


def metric_name(metric: str) -> str:
    """Return the name of a metric in words."""
    return metric.replace("_", " ")


def gain(report: Report) -> float | None:
    """Return by how much the cascade is better than one model, in the metric's own unit; less than 0 if it is worse."""
    values = of_whole(report)
    if values["cascade"] is None or values["baseline"] is None:
        return None
    difference: float = values["cascade"] - values["baseline"]
    return difference if report["rising"] else -difference


def of_whole(report: Report) -> dict[str, float | None]:
    """Return the metric that judges, of the cascade, of one model, and of the oracle."""
    metric = report["metric"]
    return {name: (each or {}).get(metric) for name, each in report["whole"].items()}


def verdict(report: Report) -> str:
    """Return in one sentence whether the cascade pays."""
    values, found, error = of_whole(report), gain(report), report["standard_error"]
    name = metric_name(report["metric"])
    if report["policy"] == SINGLE:
        own = number(values["cascade"])
        return f"No cascade was found to be better than one model: every row goes to it, {name} {own}"
    if found is None:
        return f"{name} {number(values['cascade'])}; there is no single model to compare with"
    both = f"{name} {number(values['cascade'])}, one model of all rows {number(values['baseline'])}"
    relative = f" ({abs(found / values['baseline']):.1%})" if values["baseline"] else ""
    if error is not None and abs(found) <= error:
        return f"One model of all rows is as good: {both}, which is within one standard error ({number(error)})"
    word = "better" if found > 0 else "worse"
    sure = "" if error is None else f", {abs(found) / error:.1f} standard errors" if error else ""
    return f"The cascade is {word} than one model of all rows: {both}{relative}{sure}"


def said(report: Report) -> list[str]:
    """Return what somebody who looks at the report should not miss."""
    return [*_of_whole(report), *_of_training(report), *_of_routes(report), *_of_router(report)]


def _of_whole(report: Report) -> Iterator[str]:
    if unknown := report["rows"]["unknown_label"]:
        yield f"{unknown:,} rows have a label that no training row had, and are not judged: it cannot be predicted"
    values, found, error = of_whole(report), gain(report), report["standard_error"]
    if found is not None and found <= (error or 0.0) and report["policy"] != SINGLE:
        how = "as well" if found >= -(error or 0.0) else "better"
        cost = report.get("cost") or {}
        dear = (cost.get("baseline") or 0.0) > (cost.get("budget") or math.inf)
        why = (
            f"but a row costs {number(cost['baseline'])} there, more than the budget"
            if dear
            else "and is simpler to keep"
        )
        yield f"One model of all rows does {how}, {why}"
    if values["oracle"] is not None and values["baseline"] is not None:
        left = values["oracle"] - values["baseline"]
        if (left if report["rising"] else -left) <= 0:
            yield (
                f"Even a router that is always right would not be better than one model ({number(values['oracle'])} "
                f"against {number(values['baseline'])}): what the routes divide does not help the stages as they are "
                "trained"
            )


def _of_training(report: Report) -> Iterator[str]:
    trusted = report["router"]["trusted"]
    if (trusted.get("gap") or 0.0) > _GAP and trusted.get("metric") == "accuracy":
        both = (
            f"{percent(trusted['in_sample'])} on its own training rows and {percent(trusted['out_of_fold'])} on others"
        )
        harm = " and the stages were trained on the former" if report["policy"] == "in_sample" else ""
        yield f"The router's accuracy is {both}: of rows that it learned from it says what it will not say{harm}"
    for each in report["routes"]:
        shares, rows = each["shares"], report["rows"]["train"] or 0
        served, judged = "of the same rows by the router that serves", "of the rows judged"
        for name, words, others in (
            ("refitted", served, rows),
            ("judged", judged, min(rows, report["rows"]["judged"])),
        ):
            if _moved(shares["training"], shares[name], others):
                yield (
                    f"Route '{each['name']}' takes {percent(shares['training'])} of the rows that stages learned from, "
                    f"and {percent(shares[name])} {words}"
                )
                break
        if _moved(shares["judged"], shares["serving"], report["rows"]["judged"]):
            yield (
                f"Route '{each['name']}' takes {percent(shares['serving'])} of the requests that were answered, and "
                f"{percent(shares['judged'])} of the rows judged"
            )


def _moved(before: float | None, after: float | None, rows: int) -> bool:
    """Tell whether a share changed by more than chance would, and by enough to matter."""
    if before is None or after is None or not rows:
        return False
    apart, larger = abs(before - after), max(before, after)
    chance = math.sqrt(larger * (1 - larger) / rows) if larger < 1 else 0.0
    return apart > _MATTERS * larger and apart > _SURE * chance


def _of_routes(report: Report) -> Iterator[str]:
    metric, rising = report["metric"], report["rising"]
    for each in report["routes"]:
        name = each["name"]
        if not each["rows"]:
            yield f"No row that was judged takes the route '{name}'"
        elif each["shares"]["label"] is not None and each["shares"]["judged"] > _TOO_MANY * each["shares"]["label"]:
            yield (
                f"Route '{name}' takes {percent(each['shares']['judged'])} of the rows, and "
                f"{percent(each['shares']['label'])} belong to it: the router sends it many that it was not made for"
            )
        if each.get("baseline_instead"):
            yield f"Too few rows are routed to '{name}' to learn from: it predicts as the baseline does"
        elif each["learned_from"] is not None and each["learned_from"] < FEW_ROWS:
            yield f"The stage of route '{name}' learned from {each['learned_from']} rows"
        routed, own = each["routed"].get(metric), each["of_label"].get(metric)
        if rising or routed is None or own is None or metric not in (ROOT, "mean_absolute_error"):
            continue
        if own * _TOO_GOOD < routed:
            yield (
                f"Route '{name}' has a {metric_name(metric)} of {number(own)} on the rows that belong to it, and of "
                f"{number(routed)} on those that it gets: the router's mistakes are what costs"
            )


def _of_router(report: Report) -> Iterator[str]:
    found = report["router"]["calibration"]
    if report["blend"] and (found["error_after"] or 0.0) > _DISHONEST:
        how = "calibrate='isotonic' may help" if found["method"] is None else "more rows may help"
        yield (
            f"The router's probabilities, which weigh the blend, are off by {percent(found['error_after'])} "
            f"in the mean; {how}"
        )
    if report["oracle"]["why_not"]:
        yield f"Where rows belong is not known: {report['oracle']['why_not']}"
