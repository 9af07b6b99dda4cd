"""The workflow pipeline, whole: each story is told from the project's folder and over REST, by the same words."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from story_projects import AnyProject

import penstock as ps

pytestmark = pytest.mark.usefixtures("warm_workers")

MODULE = '''
import time
from pathlib import Path

import penstock as ps


@ps.step
def numbers(count: int) -> list[int]:
    return list(range(1, count + 1))


@ps.step
def square(number: int) -> int:
    return number * number


@ps.step
def total(squares: list[int]) -> dict:
    print("adding", len(squares), "numbers")
    so_far = 0
    for at, each in enumerate(squares):
        so_far += each
        ps.log_metric("so far", so_far, step=at)
    return {"sum": so_far}


@ps.step
def boast(result: dict) -> str:
    return f"as many as {result['sum']}"


@ps.step
def shrug(result: dict) -> str:
    return f"only {result['sum']}"


@ps.step
def publish(text: str, context: ps.Context) -> str:
    if Path(context.root, "broken").exists():
        raise OSError("the printer is on fire")
    return f"<{text}>"


@ps.pipeline
def squares(count: int = 3, enough: int = 10):
    """Squares of numbers, added."""
    result = total(square.map(numbers(count)))
    publish(ps.when(result["sum"] >= enough, lambda: boast(result), lambda: shrug(result)))


@ps.step
def wait(context: ps.Context) -> int:
    print("waiting", flush=True)
    while not Path(context.root, "go").exists():
        time.sleep(0.02)
    return 1


@ps.pipeline
def slow():
    wait()
'''


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project of its own."""
    (tmp_path / "squares_story.py").write_text(MODULE)
    (tmp_path / "penstock.toml").write_text(
        '[project]\nmodules = ["squares_story"]\n[engine]\ndefault = "inline"\n[gc]\ngrace = "0"\n'
    )
    yield tmp_path
    sys.modules.pop("squares_story", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


def _states(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items()}


def test_run_change_explain_and_compare(project: AnyProject) -> None:
    told: list[str] = []
    first = project.run("squares", experiment="size", on_event=lambda event: told.append(type(event).__name__))
    assert first.state == "succeeded", first.record.error
    assert (told[0], told[-1]) == ("RunStarted", "RunEnded")
    assert told.count("StepEnded") >= 4
    assert first.artifact("publish").load() == "<as many as 14>"
    assert first.steps["total"].log() == "adding 3 numbers\n"
    assert list(first.steps["total"].follow()) == ["adding 3 numbers"]
    assert first.steps["total"].metrics == {"so far": [(0, 1), (1, 5), (2, 14)]}
    assert _states(first)["shrug"] == "skipped"

    again = project.run("squares")
    ran = {name for name, state in _states(again).items() if state not in ("up_to_date", "skipped")}
    assert ran <= {"when"}  # where branches come together nothing is computed

    planned = {step.name: step.state for step in project.plan("squares", count=2).steps}
    assert planned["numbers"] == "stale"
    smaller = project.run("squares", count=2, experiment="size", tags={"small": "yes"}, notes="fewer")
    assert smaller.artifact("publish").load() == "<only 5>"
    assert _states(smaller)["boast"] == "skipped"
    assert "3 -> 2" in project.why(smaller, "numbers")

    found = project.compare(first, smaller)
    assert [(each.name, list(each.values)) for each in found.params] == [("count", [3, 2])]
    assert [run.id for run in project.runs(experiment="size")] == [smaller.id, first.id]
    assert [run.id for run in project.runs(tags={"small": "yes"})] == [smaller.id]
    assert set(project.experiments["size"].metrics) == {first.id, smaller.id}
    assert smaller.tag({"small": None, "seen": "1"}, note="looked at").tags == {"seen": "1"}


def test_go_on_after_a_failure_and_put_a_value_in_place_of_a_step(project: AnyProject, root: Path) -> None:
    (root / "broken").touch()
    failed = project.run("squares", count=4)
    assert failed.state == "failed"
    assert "the printer is on fire" in failed.steps["publish"].record.error
    with pytest.raises(ps.errors.RunError, match="the printer is on fire"):
        failed.result("publish")
    (root / "broken").unlink()
    resumed = project.run(resume=failed)
    assert resumed.artifact("publish").load() == "<as many as 30>"
    assert _states(resumed)["total"] == "up_to_date"

    other = project.run("squares", override={"total": {"sum": 1}})
    assert other.artifact("publish").load() == "<only 1>"
    part = project.run("squares", count=5, until="total")
    assert part.artifact("total").load() == {"sum": 55}
    assert _states(part)["publish"] == "skipped"
    with pytest.raises(ps.errors.UnknownNameError, match=r"no step named 'totl'.*Did you mean 'total'"):
        project.run("squares", only="totl")
    with pytest.raises(ps.errors.DeclarationError, match=r"'count'.*takes int"):
        project.run("squares", count="many")


def test_cancel_a_run_that_goes_on_elsewhere(project: AnyProject) -> None:
    run = project.run("slow", engine="local", wait=False)
    limit = time.monotonic() + 60
    while "waiting" not in run.steps["wait"].log():
        assert time.monotonic() < limit
        time.sleep(0.05)
    run.cancel(reason="it is late")
    assert run.wait(timeout_seconds=60).state == "cancelled"
    with pytest.raises(ps.errors.ConflictError, match="cancelled"):
        run.cancel()


def test_what_was_made_is_found_named_traced_and_collected(project: AnyProject) -> None:
    run = project.run("squares")
    named = project.repository.name(run.artifact("publish"), "poster", alias="shown")
    assert (named.name, named.version) == ("poster", 1)
    assert project.repository["poster@shown"].load() == "<as many as 14>"
    assert project.repository["poster"].digest == run.artifact("publish").digest
    found = project.repository.lineage("poster", down=False)
    assert any("total" in node.label for node in found.of_kind("step"))
    assert {view.record.kind for view in project.repository.find(made_by=f"{run.id}/publish")} == {"text"}
    assert project.repository.gc().dry_run
    assert project.repository["poster"].load() == "<as many as 14>"
    assert project.repository.usage().project.count > 0


def test_events_start_runs(project: AnyProject) -> None:
    trigger = project.on(ps.event("com.shop.order"), "squares", params={"count": ps.event_data("items")}, name="orders")
    assert list(project.triggers) == ["orders"]
    fired = trigger.fire(items=2)
    run = project.get_run(fired.record.run).wait(timeout_seconds=120)
    assert (run.state, run.params["count"], run.cause["trigger"]) == ("succeeded", 2, "orders")
    assert [firing.run for firing in project.triggers["orders"].history] == [run.id]
    trigger.remove()
    assert "orders" not in project.triggers
