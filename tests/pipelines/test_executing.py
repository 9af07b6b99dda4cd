"""Running a pipeline: what runs, what does not, what arrives in a step, and what is recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from counted_steps import CALLS, chain, number, push, report, sign
from worlds import Listener, World

import penstock as ps
from penstock.core.artifact import Artifact, Source
from penstock.core.ports import Context
from penstock.core.run import CacheEntry, Run, StepRun
from penstock.errors import ConflictError
from penstock.pipelines import pipeline, step


def test_everything_runs_once_and_then_nothing_does(world: World) -> None:
    first = world.run(chain)
    assert first.state == "succeeded"
    assert CALLS == ["number", "sign", "report", "push"]
    second = world.run(chain)
    assert set(world.states(second).values()) == {"up_to_date"}
    assert len(CALLS) == 4
    assert world.value(second, "report") == {"mae": 6, "best": {"depth": 3}}


def test_equal_bytes_upstream_are_a_hit_downstream(world: World) -> None:
    world.run(chain, {"x": 1})
    CALLS.clear()
    run = world.run(chain, {"x": 5})
    assert CALLS == ["number", "sign"]
    assert world.states(run) == {
        "number": "succeeded",
        "sign": "succeeded",
        "report": "up_to_date",
        "push": "up_to_date",
    }


def test_another_parameter_runs_only_what_follows(world: World) -> None:
    world.run(chain)
    CALLS.clear()
    run = world.run(chain, {"depth": "8"})
    assert CALLS == ["report", "push"]
    assert world.steps(run)["report"].reason == "parameter depth changed 6 -> 8"
    assert world.steps(run)["push"].reason == "what report gives (report) changed"


def test_a_condition_that_does_not_hold_skips_the_step_and_what_needs_it(world: World) -> None:
    @pipeline
    def conditional(limit: int = 0) -> None:
        made = report(number())
        pushed = push(made, when=(made["mae"] < limit) & (made["best"]["depth"].eq(3)))
        sign(pushed)

    run = world.run(conditional)
    steps = world.steps(run)
    assert run.state == "succeeded"
    assert steps["push"].state == "skipped"
    assert "(<report['mae']> < 0)" in steps["push"].reason
    assert steps["sign"].reason == "needs push, which was skipped"


def test_a_condition_on_what_is_not_there_fails_that_step_in_words(world: World) -> None:
    @pipeline
    def wrong() -> None:
        made = report(number())
        push(made, when=made["mea"] < 3)

    run = world.run(wrong)
    assert run.state == "failed"
    assert "no key named 'mea' in what step 'report' gave" in world.steps(run)["push"].error
    assert "Did you mean 'mae'" in run.error


def test_a_value_inside_a_result_is_a_parameter(world: World) -> None:
    @pipeline
    def tuned(x: int = 1) -> None:
        sign(report(number(x))["best"]["depth"])

    world.run(tuned)
    CALLS.clear()
    run = world.run(tuned, {"x": 2})
    assert CALLS == ["number", "report"]  # the value in it is the same, so sign is up to date
    assert world.states(run)["sign"] == "up_to_date"


def test_cache_false_always_runs_and_a_lifetime_ends(world: World) -> None:
    @pipeline
    def fresh() -> None:
        number.configured(cache=False)()
        sign.configured(cache="1h")(1)

    world.run(fresh)
    run = world.run(fresh)
    assert CALLS == ["number", "sign", "number"]
    assert world.steps(run)["number"].reason == "cache=False: it always runs"
    world.now += 3601
    run = world.run(fresh)
    assert CALLS[-2:] == ["number", "sign"]
    assert "older than cache=3600 s" in world.steps(run)["sign"].reason


def test_a_lost_blob_is_made_again(world: World) -> None:
    run = world.run(chain, {"x": 5})
    CALLS.clear()
    path = world.store.path(world.steps(run)["sign"].artifacts["result"])
    path.unlink()
    again = world.run(chain, {"x": 5})
    assert CALLS == ["sign"]
    assert "missing from the store" in world.steps(again)["sign"].reason
    assert world.states(again)["push"] == "up_to_date"


def test_something_observed_that_changed_is_no_hit(world: World, tmp_path: Path) -> None:
    (tmp_path / "limit.txt").write_text("3")

    @step
    def opens(path: str) -> str:
        return Path(path).read_text()

    @pipeline
    def looks() -> None:
        opens(str(tmp_path / "limit.txt"))

    world.run(looks)
    assert set(world.states(world.run(looks)).values()) == {"up_to_date"}
    (tmp_path / "limit.txt").write_text("4")
    run = world.run(looks)
    assert world.steps(run)["opens"].reason == "file limit.txt, which it reads, changed"
    assert world.value(run, "opens") == "4"


def test_rows_of_a_source_are_read_again_when_they_change(world: World, tmp_path: Path) -> None:
    @step
    def read(source: ps.Source) -> str:
        assert isinstance(source, Source)
        return Path(source.uris[0]).read_text()

    @pipeline
    def reading(source: str = "x.csv") -> None:
        read(source)

    (tmp_path / "x.csv").write_text("1")
    world.run(reading)
    assert set(world.states(world.run(reading)).values()) == {"up_to_date"}
    (tmp_path / "x.csv").write_text("2")
    run = world.run(reading)
    assert world.steps(run)["read"].reason == "source x.csv changed"


class Halves(NamedTuple):
    head: ps.Table
    tail: ps.Table


@step
def table() -> ps.Table:
    return pa.table({"x": [1, 2, 3, 4]})


@step
def halves(rows: ps.Table) -> Halves:
    return Halves(rows.slice(0, 2), rows.slice(2))


@step
def rows(table: ps.Table, context: Context, graph: Artifact, tables: list[ps.Table]) -> dict[str, Any]:
    return {
        "rows": table.num_rows,
        "step": context.step,
        "digest": graph.digest,
        "all": sum(one.num_rows for one in tables),
    }


def test_tables_several_outputs_lists_artifacts_and_the_context_arrive(world: World) -> None:
    @pipeline
    def wide() -> None:
        head, tail = halves(table())
        rows(head, graph=tail, tables=[head, tail, tail])

    run = world.run(wide)
    assert run.error == ""
    made = world.value(run, "rows")
    assert (made["rows"], made["step"], made["all"]) == (2, "rows", 6)
    assert made["digest"] == world.steps(run)["halves"].artifacts["tail"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (step(outputs={"result": "table"})(lambda: None), "declares that 'result' is a table, but gave None"),
        (step(outputs=("a", "b", "c"))(lambda: (1, 2)), "declares the outputs a, b, c, but returned a tuple of 2"),
        (step(outputs=("a", "b"))(lambda: {"a": 1}), "but returned a dict with a"),
        (step(lambda: object()), "gave an object as 'result', which no codec can keep"),
        (step(outputs={"n": "json"})(lambda: pa.table({"x": [1]})), "'n' is a plain value (JSON), but gave a pyarrow"),
    ],
)  # fmt: skip
def test_an_output_that_is_not_what_was_declared_is_named(function: Any, words: str, world: World) -> None:
    run = world.run(pipeline(name="p")(lambda: function.configured(name="s")()))
    assert words in run.error
    assert run.error.startswith("s: step 's'")


def test_the_record_of_a_run_is_whole(world: World) -> None:
    run = world.run(chain, {"x": 2}, experiment="e", cause={"kind": "rest"}, run_id="r1", engine_name="inline")
    assert world.metadata.get(Run, "r1") == run
    assert (run.params, run.experiment, run.mode, run.engine, run.cause, run.pid) == (
        {"x": 2, "depth": 6, "limit": 100}, "e", "train", "inline", {"kind": "rest"}, os.getpid(),
    )  # fmt: skip
    steps = world.metadata.find(StepRun, run="r1")
    assert [item.step for item in steps] == ["number", "sign", "report", "push"]
    first = steps[0]
    assert first.reason == "never ran"
    assert first.log == "logs/r1/number.log"  # below the root: a project may be moved
    assert first.started is not None
    assert first.ended is not None
    assert first.started < first.ended
    entry = world.metadata.get(CacheEntry, first.key)
    assert entry is not None
    assert (entry.outputs, entry.run, entry.parts) == (first.artifacts, "r1", first.parts)
    artifact = world.metadata.get(Artifact, first.artifacts["result"])
    assert artifact is not None
    assert artifact.made_by == "r1/number"


def test_equal_bytes_keep_their_first_maker(world: World) -> None:
    world.run(chain, run_id="r1")
    run = world.run(pipeline(name="other")(lambda: report(number.configured(cache=False)(1))))
    artifact = world.metadata.get(Artifact, world.steps(run)["number"].artifacts["result"])
    assert artifact is not None
    assert artifact.made_by.startswith("r1/")


def test_a_step_up_to_date_shows_the_log_of_the_run_that_made_it(world: World) -> None:
    first = world.run(chain)
    second = world.run(chain)
    assert world.steps(second)["number"].log == world.steps(first)["number"].log


def test_a_run_id_is_used_once(world: World) -> None:
    world.run(chain, run_id="r1")
    with pytest.raises(ConflictError):
        world.run(chain, run_id="r1")


def test_events_tell_the_run_as_it_happens(world: World) -> None:
    listener = Listener()
    world.run(chain, on_event=listener)
    assert listener.names() == ["RunStarted", *["StepStarted", "StepEnded"] * 4, "RunEnded"]
    again = Listener()
    world.run(chain, on_event=again)
    assert again.names() == ["RunStarted", *["StepEnded"] * 4, "RunEnded"]
    ended = again.events[1]
    assert ended.artifacts["result"].facts["preview"] == 1  # type: ignore[union-attr]


def test_fan_out_and_join(world: World) -> None:
    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def fan(n: int = 5) -> None:
        total([number(i) for i in range(n)])

    assert world.value(world.run(fan), "total") == 10
    CALLS.clear()
    assert world.value(world.run(fan, {"n": 6}), "total") == 15
    assert CALLS == ["number"]
