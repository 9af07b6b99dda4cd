"""A cascade of two levels against its models called by hand, and its training against a script written by hand."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from starlette.testclient import TestClient

import penstock as ps
from bench import trips
from bench.measure import Figure, fresh_folder, paired, per_call_microseconds
from penstock.models import row_predictor
from penstock.models.routing import routing_of
from penstock.project.config import MonitoringSection
from penstock.serving.application import application
from penstock.serving.metrics import RequestCounts
from penstock.serving.request_notes import MOST_REQUESTS, RequestNotes

TRAINED, PREDICTED = 200_000, 1_000_000
_ASKED = 2_000


def _one_row(graph: ps.ModelGraph) -> Iterator[Figure]:
    """Take each row both ways, in turn: a slow moment falls on both."""
    rows = trips.rows(_ASKED, seed=2).select(list(trips.NUMBERS)).to_pylist()
    whole, stages = row_predictor(graph).predict, routing_of(graph).stages
    router, rare, typical = (row_predictor(stages[name]).predict for name in ("is_long", "rare", "typical"))

    def by_hand(row: dict[str, float]) -> float:
        probable = router(row)["predicted_is_long_probs"]
        long = next(each["prob"] for each in probable if each["label"] is True) > 0.5
        return (rare if long else typical)(row)["predicted_km"]

    clock, times = time.perf_counter_ns, []
    for row in rows * 5:
        assert whole(row)["predicted_km"] == by_hand(row)
        started = clock()
        whole(row)
        between = clock()
        by_hand(row)
        times.append((between - started, clock() - between))
    ours, theirs = (statistics.median(each) / 1000 for each in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    told = row_predictor(graph, stages=True).predict
    with_stages, _ = per_call_microseconds(lambda: told(rows[0]))
    yield Figure(
        what="one prediction through a cascade: a router and two models, 60 x 31 trees each", value=ratio,
        unit="x router and chosen model called by hand", goal="< 1.2 x", met=ratio < 1.2,
        beside=f"ours {ours:.1f} us, by hand {theirs:.1f} us; with what each stage said {with_stages:.1f} us",
    )  # fmt: skip


def _many_rows(graph: ps.ModelGraph) -> Iterator[Figure]:
    table = trips.rows(PREDICTED, seed=3).select(list(trips.NUMBERS))
    boosters = {
        name: trips.lightgbm.Booster(model_str=next(iter(stage.blobs.values())).decode())
        for name, stage in routing_of(graph).stages.items()
    }
    hand = trips.predicted_by_hand(boosters, table)
    assert hand.column("route").equals(graph.predict(table).column("route"))
    ours, theirs, ratio = paired(
        lambda: graph.predict(table), lambda: trips.predicted_by_hand(boosters, table), repeats=3
    )
    yield Figure(
        what=f"the same cascade on {PREDICTED:,} rows", value=ratio, unit="x a hand-written script", goal="< 1.3 x",
        beside=f"ours {ours:.2f} s, LightGBM and numpy by hand {theirs:.2f} s", met=ratio < 1.3,
    )  # fmt: skip


def _training() -> Iterator[Figure]:
    table = trips.rows(TRAINED)
    folder = fresh_folder()

    def ours() -> None:
        ps.open(fresh_folder()).fit(trips.distance(), table)

    alone, called, over_calls = paired(ours, lambda: trips.by_calls(table), repeats=3)
    yield Figure(
        what=f"training it on {TRAINED:,} rows: holdout, five folds, router, stages, baseline, report; as a pipeline",
        value=over_calls, unit="x the same by calls of fit", goal="< 1.15 x", met=over_calls < 1.15,
        beside=f"ours {alone:.2f} s, cached and recorded; by calls {called:.2f} s",
    )  # fmt: skip
    mine, theirs, ratio = paired(ours, lambda: trips.by_hand(table, folder), repeats=3)
    yield Figure(
        what="the same", value=ratio, unit="x the bare steps by hand with LightGBM", goal="< 1.15 x", met=ratio < 1.15,
        beside=f"ours {mine:.2f} s, with each stage judged, its rows measured, its row form held against batch, and "
        f"the report; by hand, with none of these, {theirs:.2f} s",
    )  # fmt: skip


def _retraining() -> Iterator[Figure]:
    """Change an option of the model of long trips, and train again."""
    table, project = trips.rows(TRAINED), ps.open(fresh_folder())

    def trained(cascade: ps.Cascade) -> tuple[float, set[str]]:
        started = time.perf_counter()
        project.fit(cascade, table)
        took, [run] = time.perf_counter() - started, project.runs(limit=1)
        return took, {name for name, step in run.steps.items() if step.state == "succeeded"}

    whole, all_steps = trained(trips.distance())
    again, nothing = trained(trips.distance())
    one, ran = trained(trips.distance(num_leaves=15))
    expected = {"fit_rare", "ideal_rare", "fit", "report", "push"}
    beside = f"{', '.join(sorted(ran))} ran, in {one:.2f} s; all {len(all_steps)} steps take {whole:.2f} s; "
    yield Figure(
        what="steps that train again when one branch has changed", value=len(ran), unit="steps",
        goal=f"{len(expected)}: the branch, its bound, the whole put together, its report, its version",
        beside=f"{beside}without a change {len(nothing)} run, in {again:.2f} s", met=ran == expected,
    )  # fmt: skip


def _logged() -> Iterator[Figure]:
    """Answer one request as it comes off a connection, with and without the log of requests."""
    body = json.dumps({"instances": trips.rows(1, seed=4).select(list(trips.NUMBERS)).to_pylist()}).encode()
    project = ps.open(fresh_folder())
    project.fit(trips.distance(), trips.rows(20_000))

    def median(share: float) -> float:
        project.config = dataclasses.replace(project.config, monitoring=MonitoringSection(log_requests=share))
        app = application(project, row_predictor)
        with TestClient(app):
            answer = app.at_once(b"/v1/models/distance:predict")
            assert answer is not None
            return per_call_microseconds(lambda: answer([], body))[0]

    pairs = [(median(1.0), median(0.0)) for _ in range(3)]
    ratio = statistics.median(one / other for one, other in pairs)
    yield Figure(
        what="a request answered, every one of them logged", value=ratio, unit="x without the log", goal="< 1.2 x",
        beside=f"{statistics.median(one for one, _ in pairs):.1f} us, without the log "
        f"{statistics.median(other for _, other in pairs):.1f} us",
        met=ratio < 1.2,
    )  # fmt: skip


def _noted() -> Iterator[Figure]:
    """Name a request and put it into the queue of the log, which is all that it waits for."""
    headers = [(name.encode(), b"x") for name in ("host", "user-agent", "accept", "content-type", "content-length")]
    body, answer = b'{"instances":[{"a":1.0,"b":2.0}]}', b'{"predictions":[{"predicted_y":1.0}]}'
    loaded: Any = None  # nobody looks into it: no thread is started

    def measured() -> float:
        notes = RequestNotes(loaded, 1.0, {}.get, RequestCounts(), form=lambda each: loaded)
        calls = MOST_REQUESTS - 100
        started = time.perf_counter()
        for _ in range(calls):
            notes.note(loaded, notes.name(headers), body, answer, 0.1)
        return (time.perf_counter() - started) / calls * 1e6

    value = min(measured() for _ in range(9))  # whoever else uses the machine only adds to it
    yield Figure(
        what="what the log of requests adds to one, every one logged", value=value, unit="us", goal="< 2 us",
        beside="its name, the hash of that, an entry of the queue", met=value < 2.0,
    )  # fmt: skip


def figures() -> Iterator[Figure]:
    """Measure all of it."""
    graph = ps.fit(trips.distance(), trips.rows(50_000))
    measured: list[Callable[[], Iterator[Figure]]] = [
        lambda: _one_row(graph), lambda: _many_rows(graph), _training, _retraining, _logged, _noted,
    ]  # fmt: skip
    for each in measured:
        yield from each()
