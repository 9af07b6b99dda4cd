"""Running a pipeline: what runs, what does not, what is recorded, and how each kind of failure ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from worlds import Listener, World

import penstock as ps
from penstock.core.artifact import Artifact, Source
from penstock.core.pipeline import Needs
from penstock.core.ports import Context, Outcome, Task
from penstock.core.run import Attempt, CacheEntry, Run, StepRun
from penstock.engines import InlineEngine
from penstock.errors import ConflictError, DeclarationError, RunError, UnknownNameError
from penstock.pipelines import pipeline, step
from penstock.pipelines.retrying import retry_wait

CALLS: list[str] = []
FAIL: dict[str, int] = {}  # step -> how often it fails yet


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()
    FAIL.clear()


def called(name: str) -> None:
    CALLS.append(name)
    if FAIL.get(name, 0) > 0:
        FAIL[name] -= 1
        raise ValueError(f"{name} broke")


@step(ignore=["CALLS", "FAIL"])
def number(x: int = 1) -> int:
    called("number")
    return x


@step(ignore=["CALLS", "FAIL"])
def sign(x: int) -> int:
    called("sign")
    return (x > 0) - (x < 0)


@step(ignore=["CALLS", "FAIL"])
def report(x: int, depth: int = 6) -> dict[str, Any]:
    called("report")
    return {"mae": x * depth, "best": {"depth": 3}}


@step(ignore=["CALLS", "FAIL"])
def push(report: dict[str, Any], name: str = "m") -> None:
    called("push")


@pipeline
def chain(x: int = 1, depth: int = 6, limit: int = 100) -> None:
    made = report(sign(number(x)), depth)
    push(made, when=made["mae"] < limit)


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


def test_a_failed_step_fails_the_run_and_leaves_other_branches_alone(world: World) -> None:
    @pipeline
    def branches() -> None:
        push(report(number(1)))
        sign(number.configured(name="other")(2))

    FAIL["report"] = 1
    run = world.run(branches)
    steps = world.steps(run)
    assert run.state == "failed"
    assert run.error == "report: ValueError: report broke"
    assert {name: item.state for name, item in steps.items()} == {
        "number": "succeeded",
        "report": "failed",
        "push": "skipped",
        "other": "succeeded",
        "sign": "succeeded",
    }
    assert steps["report"].error.startswith("ValueError: report broke\n\nTraceback")
    assert "test_executing.py" in steps["report"].error
    assert "working.py" not in steps["report"].error
    assert steps["push"].reason == "needs report, which failed"


def test_the_next_run_goes_on_from_what_is_done(world: World) -> None:
    FAIL["report"] = 1
    failed = world.run(chain)
    CALLS.clear()
    run = world.run(chain)
    assert CALLS == ["report", "push"]
    assert world.steps(run)["report"].reason == f"failed in run {failed.id}"


def test_retries_wait_longer_each_time_and_then_give_up(world: World) -> None:
    @pipeline
    def stubborn() -> None:
        number.configured(retries=2)()

    FAIL["number"] = 2
    run = world.run(stubborn)
    assert run.state == "succeeded"
    assert world.steps(run)["number"].attempts == 3
    assert world.steps(run)["number"].error == ""
    assert world.slept[0] == pytest.approx(0.5, abs=0.05)
    assert sum(world.slept[1:]) == pytest.approx(1.0, abs=0.05)  # in slices: it listens for a cancellation meanwhile
    FAIL["sign"] = 9

    @pipeline
    def hopeless() -> None:
        sign.configured(retries=1)(3)

    run = world.run(hopeless)
    assert (run.state, world.steps(run)["sign"].attempts) == ("failed", 2)


def test_every_attempt_that_failed_is_recorded_and_stands_in_the_log(world: World) -> None:
    @pipeline
    def stubborn() -> None:
        number.configured(retries=2, retry_delay="2s")()

    FAIL["number"] = 2
    run = world.run(stubborn)
    assert (sum(world.slept[:4]), sum(world.slept[4:])) == pytest.approx((2.0, 4.0), abs=0.1)  # slices of half a second
    attempts = world.metadata.find(Attempt, run=run.id)
    assert [(each.step, each.number) for each in attempts] == [("number", 1), ("number", 2)]
    for each in attempts:
        assert each.ended >= each.started > 0
        assert "Traceback" in each.error
    lines = [line for line in (world.root / world.steps(run)["number"].log).read_text().splitlines() if "---" in line]
    assert [line.partition(":")[0] for line in lines] == ["--- attempt 1", "--- attempt 2"]
    assert lines[1].endswith("again in 4 s ---")


def test_a_failure_that_would_come_again_is_not_tried_again(world: World) -> None:
    @step(retries=5)
    def wrong() -> int:
        raise DeclarationError("there is no such option")

    @pipeline
    def hopeless() -> None:
        wrong()

    run = world.run(hopeless)
    assert (run.state, world.steps(run)["wrong"].attempts, world.slept) == ("failed", 1, [])


def test_waits_double_up_to_five_minutes_but_never_below_what_was_asked_for() -> None:
    failed = Outcome(task="t", state="failed")
    assert [retry_wait(Needs(retries=99, retry_delay_seconds=60), failed, n) for n in (1, 2, 3, 4, 99)] == [
        60, 120, 240, 300, 300,
    ]  # fmt: skip
    assert retry_wait(Needs(retries=99, retry_delay_seconds=900), failed, 3) == 900
    assert retry_wait(Needs(retries=2), failed, 3) is None
    assert retry_wait(Needs(retries=2), replace(failed, final=True), 1) is None
    assert retry_wait(Needs(retries=2), replace(failed, state="cancelled"), 1) is None


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


def test_a_second_interrupt_ends_the_wait_for_workers_and_the_run_is_recorded_as_cancelled(world: World) -> None:
    class Stubborn(InlineEngine):
        def submit(self, task: Task) -> None:
            """Never finish it."""

        def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(chain, engine=Stubborn())
    (run,) = world.metadata.find(Run)
    assert run.state == "cancelled"
    assert set(world.states(run).values()) == {"cancelled"}


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


class Interrupted:
    """An engine in which Ctrl-C comes with the second task, while both are under way."""

    slots = 2

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.cancelled: list[str] = []

    def submit(self, task: Task) -> None:
        self.tasks.append(task.id)

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        if not self.cancelled:
            raise KeyboardInterrupt
        gone, self.cancelled = self.cancelled, []
        return [Outcome(task=id, state="cancelled") for id in gone]

    def cancel(self, task_id: str) -> None:
        self.cancelled.append(task_id)

    def close(self) -> None: ...


def test_ctrl_c_cancels_everything_records_that_and_goes_on(world: World) -> None:
    @pipeline
    def two() -> None:
        report(number(1))
        sign(2)

    listener = Listener()
    with pytest.raises(KeyboardInterrupt):
        world.run(two, engine=Interrupted(), run_id="r1", on_event=listener)
    run = world.metadata.get(Run, "r1")
    assert run is not None
    assert run.state == "cancelled"
    assert run.ended is not None
    assert {item.state for item in world.metadata.find(StepRun, run="r1")} == {"cancelled"}
    assert listener.names()[-1] == "RunEnded"
    assert set(world.states(world.run(two)).values()) == {"succeeded"}


def test_ctrl_c_inside_an_inline_step(world: World) -> None:
    @step
    def interrupted(x: int) -> int:
        raise KeyboardInterrupt

    @pipeline
    def p() -> None:
        report(interrupted(number()))

    with pytest.raises(KeyboardInterrupt):
        world.run(p, run_id="r1")
    states = {item.step: item.state for item in world.metadata.find(StepRun, run="r1")}
    assert states == {"number": "succeeded", "interrupted": "cancelled", "report": "cancelled"}


def test_a_step_that_exits_has_failed(world: World) -> None:
    @step
    def leaves() -> int:
        raise SystemExit(3)

    run = world.run(pipeline(name="p")(lambda: leaves()))
    assert run.error == "leaves: SystemExit: 3"


# --- parts of a pipeline


def test_only_since_until_choose_steps(world: World) -> None:
    world.run(chain)
    CALLS.clear()
    run = world.run(chain, {"depth": 9}, until="report")
    assert CALLS == ["report"]
    assert world.steps(run)["push"].reason == "not selected"
    CALLS.clear()
    run = world.run(chain, {"depth": 10}, only=["rep*", "push"])
    assert CALLS == ["report", "push"]
    assert world.states(run)["number"] == "skipped"
    assert world.steps(run)["sign"].reason.startswith("not selected; its outputs are up to date (run ")
    assert run.state == "succeeded"
    run = world.run(chain, {"depth": 11}, since="push")
    assert world.states(run)["report"] == "skipped"


def test_what_is_left_out_comes_from_the_newest_successful_run(world: World) -> None:
    old = world.run(chain, {"x": 0})
    FAIL["report"] = 1
    world.run(chain, {"x": -1})
    CALLS.clear()
    run = world.run(chain, {"x": 99}, only="report")
    assert CALLS == []
    assert world.steps(run)["number"].reason == f"not selected; its outputs are those of run {old.id}"
    assert world.steps(run)["sign"].reason == f"not selected; its outputs are up to date (run {old.id})"


def test_what_never_ran_cannot_be_left_out(world: World) -> None:
    with pytest.raises(RunError, match=r"step 'report' needs what 'sign' gives.*until='sign'"):
        world.run(chain, only="report")
    assert world.metadata.find(Run) == []


def test_an_unknown_step_or_mode_names_the_near_one(world: World) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'report'"):
        world.run(chain, only=["reprot"])
    with pytest.raises(UnknownNameError, match="no step named 'x\\*'"):
        world.run(chain, since="x*")
    with pytest.raises(UnknownNameError, match="Did you mean 'infer'"):
        world.run(chain, mode="infr")
    with pytest.raises(DeclarationError, match="no step of pipeline 'chain'"):
        world.run(chain, since="push", until="number")


@step(modes={"train"}, ignore=["CALLS", "FAIL"])
def learn(x: int) -> dict[str, int]:
    called("learn")
    return {"weight": x * 10}


@step(ignore=["CALLS", "FAIL"])
def apply(graph: dict[str, int], x: int) -> int:
    called("apply")
    return graph["weight"] + x


@step(modes={"train"}, ignore=["CALLS", "FAIL"])
def judge(y: int) -> int:
    called("judge")
    return y


@pipeline
def learning(x: int = 1, new: int = 5) -> None:
    graph = learn(sign(number(x)))
    judge(apply(graph, new))


def test_infer_leaves_out_what_learns_and_takes_its_outputs_from_the_newest_train_run(world: World) -> None:
    trained = world.run(learning)
    CALLS.clear()
    run = world.run(learning, {"x": -7, "new": 6}, mode="infer")
    assert CALLS == ["apply"]
    assert world.value(run, "apply") == 16
    steps = world.steps(run)
    assert steps["learn"].reason == f"runs only in mode train; its outputs are those of run {trained.id}"
    assert steps["sign"].reason.startswith("only needed by steps that are not for mode infer")
    assert steps["judge"].state == "skipped"


def test_infer_before_any_training_says_so(world: World) -> None:
    with pytest.raises(RunError, match="'learn' runs only in mode train, and no earlier"):
        world.run(learning, mode="infer")
