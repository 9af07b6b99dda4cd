"""What a plan says is what a run does, on random pipelines with mapped steps, branches and conditions."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from worlds import World

from penstock.pipelines import PipelineFunction, optional, pipeline, step, unmapped, when


@step
def source(value: int) -> int:
    return value


@step
def rounded(value: int, by: int = 10) -> int:
    """Give the same for many inputs: what follows is then up to date although this one ran."""
    return value // by * by


@step
def add(left: int, right: int | None = None) -> int:
    return left + (right or 0)


@step
def listed(count: int) -> list[int]:
    return [number for number in range(abs(count) % 4)]


@step
def sums(values: list[int]) -> int:
    return sum(values)


Node = tuple[str, int, int]
NODES = st.lists(
    st.tuples(
        st.sampled_from(["add", "rounded", "map", "when", "conditional", "optional"]),
        st.integers(0, 20),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=6,
)


def declared(nodes: list[Node]) -> PipelineFunction:
    @pipeline
    def random(seed: int = 1) -> None:
        made: list[Any] = [source(seed)]
        for kind, one, other in nodes:
            left, right = made[one % len(made)], made[other % len(made)]
            match kind:
                case "add":
                    made.append(add(left, right))
                case "rounded":
                    made.append(rounded(left))
                case "map":
                    made.append(sums(add.map(listed(left), unmapped(right))))
                case "when":
                    made.append(when(left < other, lambda right=right: add(right, 1), right))
                case "conditional":
                    made.append(add(right, when=left > one))
                case "optional":
                    made.append(add(left, optional(add(right, 2, when=right > other))))

    return random


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(NODES, st.lists(st.integers(0, 30), min_size=1, max_size=3))
def test_a_run_does_what_its_plan_said(tmp_path_factory: Any, nodes: list[Node], seeds: list[int]) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    random = declared(nodes)
    for seed in seeds:
        planned = {item.name: item.state for item in world.plan(random, {"seed": seed}).steps}
        run = world.run(random, {"seed": seed})
        assert run.state == "succeeded", run.error
        done = world.states(run)
        for name, state in planned.items():
            match state:
                case "up_to_date" if name.startswith("when"):
                    assert done[name] == "succeeded"  # to choose is nothing that could be spared
                case "up_to_date" | "skipped":
                    assert done[name] == state, name
                case "stale":
                    # what comes before may give what it gave, or its condition may not hold: a plan cannot know
                    assert done[name] in ("succeeded", "up_to_date", "skipped"), name
        first_stale = next((name for name, state in planned.items() if state == "stale"), None)
        if first_stale is not None:
            assert done[first_stale] in ("succeeded", "skipped")
        again = world.run(random, {"seed": seed})
        assert "succeeded" not in {state for name, state in world.states(again).items() if not name.startswith("when")}
        assert world.plan(random, {"seed": seed}).up_to_date
    world.metadata.close()
