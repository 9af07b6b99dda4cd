"""The component that tests the data before anything learns from it, and gives on what passed: validate."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from penstock import tables as rows_of_tables, transforms
from penstock.components.registered import registered
from penstock.core.artifact import Source
from penstock.core.ports import Context
from penstock.errors import DataError, DeclarationError
from penstock.models import ModelGraph
from penstock.pipelines import Mode, in_step, log_metric, step
from penstock.tables import Table, to_arrow
from penstock.transforms import Anomaly, Checked, Distance, Finding, Severity

BECAUSE = "set_aside_because"
"""The column that rows set aside have beside their own: what is wrong with each."""
_SHOWN = 10


class Validated(NamedTuple):
    """Rows that passed, what was found in all of them, and the rows that were set aside."""

    rows: Table
    report: dict[str, Any]
    aside: Table


@step
def validate(
    rows: Table,
    schema: dict[str, Any],
    on_anomaly: Literal["stop", "warn", "set_aside"] = "stop",
    *,
    rules: list[Any] | None = None,
    statistics: dict[str, Any] | None = None,
    model: Any = None,
    skew: float | dict[str, float] = 0.3,
    previous: dict[str, Any] | None = None,
    drift: float | dict[str, float] = 0.3,
    metric: Distance | None = None,
    severity: dict[str, Severity] | None = None,
    tables: dict[str, Table] | None = None,
    now: datetime.datetime | None = None,
    mode: Mode = "train",
    context: Context | None = None,
) -> Validated:
    """Hold rows against a schema, rules and earlier statistics, and give on those that pass: take `.rows` from here.

        rows = ps.validate(ps.read("flights"), expected, rules=["distance > 0", ps.rule(unique="flight_id")]).rows

    An error stops the run; with `on_anomaly="warn"` it is only reported; with "set_aside" rows that are wrong by
    themselves go to `aside`, and only faults of the whole table stop. A wider range and an extra column are warnings,
    unless `severity` says otherwise of a kind: {"out_of_range": "error"}. In mode infer the columns that the schema has
    in training only (the label) may be absent, and are taken out where they are not.

    `model` is what the rows are for, a model graph or a registered name such as "flights@champion" (where there is
    none yet nothing is asked): a column further than `skew` from the rows that it has learned from is an error, as is
    one in another unit. `statistics` of these rows say more, of columns that are no input too. `previous`, `drift`: the
    same against an earlier span. Both may be of single columns, {"dep_delay": 0.1}; `metric` is PSI, KS, L_INFTY or
    JENSEN_SHANNON_DIVERGENCE (default: the last for numbers, L_INFTY for categories).
    `tables` are those in which rules look values up; `now` is the time for rules about freshness (default: the clock).
    """
    _check_choice("on_anomaly", on_anomaly, ("stop", "warn", "set_aside"))
    table = rows_of_tables.normalize(to_arrow(rows))  # once: a stream gives its rows no second time
    found = transforms.check(table, schema, rules=transforms.rules_of(rules or ()), tables=tables, mode=mode, now=now)
    learned = _learned_from(statistics, model, context)
    compared = table.drop_columns([name for name in found.gone if name in table.column_names])
    moved = _moved(compared, [("skew", learned, skew), ("drift", previous, drift)], metric, mode)
    findings = _judged([*found.findings, *moved], severity or {})
    errors = [each for each in findings if each.anomaly["severity"] == "error"]
    faults = [each for each in errors if not (each.wrong or each.key)]
    if on_anomaly == "stop":
        _stop(errors, found)
    if on_anomaly == "set_aside":
        _stop(faults, found)
    reasons = transforms.reasons(table, errors, tables) if on_anomaly == "set_aside" and errors else None
    kept, aside = _apart(table, reasons)
    if on_anomaly == "set_aside" and errors and not kept.num_rows:
        _stop(errors, found)
    if aside.num_rows:
        print(f"set aside {aside.num_rows:,} of {found.rows:,} rows")
    if in_step():
        log_metric("anomalies", len(findings))
        log_metric("set_aside", aside.num_rows)
    kept = kept.drop_columns([name for name in found.gone if name in kept.column_names])
    return Validated(kept, _report(found, findings, mode, kept.num_rows, aside.num_rows), aside)


@step
def check(
    rows: Source,
    schema: dict[str, Any],
    on_anomaly: Literal["stop", "warn"] = "stop",
    *,
    rules: list[Any] | None = None,
    severity: dict[str, Severity] | None = None,
    tables: dict[str, Table] | None = None,
    now: datetime.datetime | None = None,
    mode: Mode = "train",
) -> dict[str, Any]:
    """Hold files against a schema and rules where they lie, streamed: for tables larger than memory.

        report = ps.check("clicks/*.parquet", expected)

    What `validate` says of its report, rules and severities holds here too; nothing is set aside.
    """
    _check_choice("on_anomaly", on_anomaly, ("stop", "warn"))
    given: Any = rows
    if isinstance(given, str | Path):
        given = rows_of_tables.resolve(str(given), root=Path.cwd(), declared={})
    found = transforms.check(given, schema, rules=transforms.rules_of(rules or ()), tables=tables, mode=mode, now=now)
    findings = _judged(found.findings, severity or {})
    if on_anomaly == "stop":
        _stop([each for each in findings if each.anomaly["severity"] == "error"], found)
    return _report(found, findings, mode, found.rows, 0)


def _check_choice(name: str, given: object, choices: Sequence[str]) -> None:
    if given not in choices:
        raise DeclarationError(f"{name}={given!r} is none of {', '.join(choices)}")


def _learned_from(statistics: dict[str, Any] | None, model: Any, context: Context | None) -> dict[str, Any] | None:
    """Return the statistics of training rows: as they are given, or those that a model keeps."""
    if statistics is not None and model is not None:
        raise DeclarationError("validate: statistics= and model= both say what was learned from; leave one out")
    graph = registered(model, context, asked="validate: model") if isinstance(model, str) else model
    if graph is None:
        if model is not None:
            print(f"note: there is no '{model}' yet, so skew is not judged")
        return statistics
    if not isinstance(graph, ModelGraph):
        raise DeclarationError(f"validate: model={model!r} is no model graph and no name of a registered model")
    return transforms.profile_of_learned(graph.facts.get("statistics", ()))


def _moved(
    rows: Table,
    against: Sequence[tuple[Literal["skew", "drift"], dict[str, Any] | None, float | dict[str, float]]],
    metric: Distance | None,
    mode: str,
) -> list[Finding]:
    """Return what has moved away from earlier statistics, whose columns alone are described."""
    if metric is not None:
        _check_choice("metric", metric, tuple(transforms.DISTANCES))
    moved: list[Finding] = []
    for kind, base, over in against:
        if base is None:
            continue
        if rows.num_rows < transforms.LEAST_ROWS:
            print(f"note: {kind} is not judged by {rows.num_rows} rows; it takes {transforms.LEAST_ROWS}")
        edges = transforms.edges_of(base)
        now = transforms.profile(rows, only=[column["name"] for column in base["columns"]], edges=edges)
        if kind == "skew" and mode == "infer" and _without_cells(now) == base["columns"]:
            print(
                "note: the statistics are those of these very rows, so there is no skew; take those of training: model="
            )
        found = transforms.shifts(base, now, kind=kind, over=over, metric=metric)
        moved += [Finding(anomaly=each) for each in found]
    return moved


def _without_cells(now: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in column.items() if key != "cells"} for column in now["columns"]]


def _judged(findings: Sequence[Finding], severity: Mapping[str, Severity]) -> list[Finding]:
    """Return the findings with the severity that a person gave their kinds, without those to be ignored; say them."""
    transforms.check_severities(severity)
    judged = []
    for each in findings:
        level = severity.get(each.anomaly["kind"], each.anomaly["severity"])
        if level != "ignore":
            judged.append(replace(each, anomaly={**each.anomaly, "severity": level}))
    for each in judged:
        print(f"{each.anomaly['severity']}: {each.anomaly['message']}; {each.anomaly['do']}")
    return judged


def _stop(errors: Sequence[Finding], found: Checked) -> None:
    if not errors:
        return
    shown = "; ".join(each.anomaly["message"] for each in errors[:_SHOWN])
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    count = f"{len(errors)} {'anomaly' if len(errors) == 1 else 'anomalies'}"
    raise DataError(f"{count} in {found.rows:,} rows: {shown}{more}", field=errors[0].anomaly["column"])


def _apart(table: Table, reasons: pa.ChunkedArray | None) -> tuple[Table, Table]:
    if reasons is None:
        return table, table.slice(0, 0).append_column(BECAUSE, pa.array([], pa.string()))
    good = reasons.is_null()
    return table.filter(good), table.append_column(BECAUSE, reasons).filter(reasons.is_valid())


def _report(found: Checked, findings: Sequence[Finding], mode: str, kept: int, aside: int) -> dict[str, Any]:
    anomalies: list[Anomaly] = [each.anomaly for each in findings]
    return {
        "valid": not any(each["severity"] == "error" for each in anomalies),
        "anomalies": anomalies,
        "rows": found.rows,
        "kept": kept,
        "set_aside": aside,
        "columns": found.columns,
        "mode": mode,
    }
