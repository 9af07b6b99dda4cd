"""The component that tries a packaged model in a real server: infra_validate."""

from __future__ import annotations

import http
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from penstock import models
from penstock.components.blessing import Blessing
from penstock.components.serving_trial import NoAnswerError, Served, requests_of, served
from penstock.core.units import memory_bytes, seconds
from penstock.errors import DataError, DeclarationError, RunError
from penstock.models import ModelGraph, looked_up
from penstock.models.graph import as_users_hold
from penstock.models.graphs.lookups import joined_graph
from penstock.models.judging.checks import Check, check
from penstock.models.keeping import digest_of
from penstock.models.predicting.sameness import TOLERANCE, as_answers, difference
from penstock.pipelines import in_step, log_metric, step
from penstock.tables import Table

_WARM = 20  # requests before any is timed
_SHOWN = 3


@step(modes={"train"})
def infra_validate(
    graph: ModelGraph,
    rows: Table,
    *,
    requests: int = 200,
    p50_ms: float | None = None,
    p99_ms: float | None = None,
    memory: int | str | None = None,
    start: float | str = "60s",
) -> Blessing:
    """Load a model graph in a real server process, ask it, and say whether it may be served.

        infra = ps.infra_validate(graph, test, p99_ms=20, memory="1GiB")
        ps.push(graph, name="flights", blessings=[blessing, infra])

    The server is `penstock serve` with this graph alone, on a port of its own, and is ended when the step ends. So many
    of the rows, spread over all, are sent as requests, one row each: every answer has to be what batch prediction
    gives. `p50_ms` and `p99_ms` bound the time of a request as its client measures it, `memory` what the process has at
    most, `start` how long it may take until it serves. Features of feature sets are sent with the requests, as the rows
    have them: the look-up itself is what `penstock verify` tries.
    """
    tried = as_users_hold(joined_graph(graph))
    if lacking := [name for name in looked_up(graph) if name not in rows.column_names]:
        raise DataError(
            f"model '{graph.name}' looks up {', '.join(lacking)}, which the rows lack; give rows that are joined with "
            "its features: ps.historical_features(rows, model)",
            field=lacking[0],
        )
    names = [name for name in tried.signature.inputs.names if name in rows.column_names]
    golden = rows.select(names).take(pa.array(_spread(rows.num_rows, requests)))
    limit = seconds(start, "start of infra_validate")
    try:
        with served(tried, start_seconds=limit) as server:
            found = _asked(server, tried, golden)
    except RunError as error:
        failed = check("start", kind="serves", value=None, bound=limit, passed=False, why=str(error))
        return _blessing(graph, [failed], {})
    except NoAnswerError as error:
        failed = check("answers", kind="equal", value=None, bound=0, rows=golden.num_rows, passed=False, why=str(error))
        return _blessing(graph, [failed], {})
    checks = [_started(found, limit), _equal(found), *_fast(found, p50_ms, p99_ms), *_small(found, memory)]
    return _blessing(graph, checks, found.measured)


class _Found(NamedTuple):
    requests: int
    refused: list[str]
    differing: list[str]
    measured: dict[str, Any]


def _spread(count: int, most: int) -> Any:
    if most < 1:
        raise DeclarationError(f"infra_validate: requests={most}; give how many are sent: 1, 2, ...")
    if not count:
        raise DataError("infra_validate: there are no rows to ask the server with; give some that the model predicts")
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def _asked(server: Served, graph: ModelGraph, golden: pa.Table) -> _Found:
    """Ask the server for each row, and hold its answer against batch prediction."""
    expected = as_answers(models.predict(graph, golden).select(graph.signature.outputs.names))
    bodies = requests_of(golden.to_pylist())
    for body in bodies[:_WARM]:
        server.ask(body)
    refused, differing, took = [], [], []
    for body, right in zip(bodies, expected, strict=True):
        began = time.perf_counter()
        status, answer = server.ask(body)
        took.append(1000 * (time.perf_counter() - began))
        if status != http.HTTPStatus.OK:
            refused.append(f"{status} for {_short(body)}: {_short(answer)}")
            continue
        (got,) = msgspec.json.decode(answer)["predictions"]
        if difference(right, got) > TOLERANCE:
            differing.append(f"{_short(body)}: batch {right}, served {got}")
    p50, p99 = np.quantile(took, [0.5, 0.99])
    peak = server.peak_bytes()
    measured = {"p50_ms": float(p50), "p99_ms": float(p99), "start_seconds": server.start_seconds, "memory": peak}
    return _Found(len(bodies), refused, differing, measured)


def _started(found: _Found, limit: float) -> Check:
    value = found.measured["start_seconds"]
    why = f"the server with this model served after {value:.2f} s; it may take {limit:g} s"
    return check("start", kind="max", value=value, bound=limit, passed=value <= limit, why=why)


def _equal(found: _Found) -> Check:
    wrong = [*found.refused, *found.differing]
    why = f"{found.requests - len(wrong):,} of {found.requests:,} answers are what batch prediction gives"
    if wrong:
        why += f"; refused {len(found.refused):,}, differing {len(found.differing):,}: {'; '.join(wrong[:_SHOWN])}"
    return check("answers", kind="equal", value=len(wrong), bound=0, rows=found.requests, passed=not wrong, why=why)


def _fast(found: _Found, p50_ms: float | None, p99_ms: float | None) -> Sequence[Check]:
    checks = []
    for name, most in (("p50_ms", p50_ms), ("p99_ms", p99_ms)):
        value = found.measured[name]
        if most is not None:
            share = "half" if name == "p50_ms" else "99 %"
            why = f"{share} of {found.requests:,} requests took {value:.2f} ms at most; it may be {most:g} ms"
            passed = value <= most
            checks.append(check(name, kind="max", value=value, bound=most, rows=found.requests, passed=passed, why=why))
    return checks


def _small(found: _Found, memory: int | str | None) -> Sequence[Check]:
    if memory is None:
        return []
    most, peak = memory_bytes(memory, "memory of infra_validate"), found.measured["memory"]
    said = "cannot be measured on this system" if peak is None else f"is {peak / 2**20:,.0f} MiB at most"
    why = f"the memory of the server with this model {said}; it may be {most / 2**20:,.0f} MiB"
    passed = peak is not None and peak <= most
    return [check("memory", kind="max", value=peak, bound=most, passed=passed, why=why)]


def _blessing(graph: ModelGraph, checks: list[Check], measured: dict[str, Any]) -> Blessing:
    made = all(each["passed"] for each in checks)
    print("blessed" if made else "NOT blessed")
    for each in checks:
        print(f"{'passed' if each['passed'] else 'FAILED'}: {each['why']}")
    for name, value in measured.items():
        if value is not None and in_step():
            log_metric(name, value)
    return Blessing(
        kind="infrastructure", blessed=made, graph=digest_of(graph), model=graph.name, checks=checks, measured=measured
    )


def _short(content: bytes) -> str:
    text = content.decode(errors="replace")
    return text if len(text) <= 200 else f"{text[:199]}…"
