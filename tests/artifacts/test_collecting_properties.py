"""Garbage collection over random histories: nothing that is needed goes, all else does, wherever it is killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from penstock.artifacts import Place, Policy, collect
from penstock.core.artifact import Artifact
from penstock.core.run import CacheEntry, ModelVersion, NamedVersion, Run, StepRun
from penstock.pipelines import driving
from penstock.stores import LocalArtifactStore, SqlMetadata, open_sweeper
from penstock.values import list_artifact

NOW = time.time() + 1_000_000  # long after all that a test puts into a store
DAY = 86400.0


@dataclass
class World:
    """A random history of runs, and what its author knows of it."""

    metadata: SqlMetadata
    store: LocalArtifactStore
    state: Path
    artifacts: list[Artifact] = field(default_factory=list)
    items: dict[str, set[str]] = field(default_factory=dict)  # of lists

    def place(self, **changes: Any) -> Place:
        given = {
            "metadata": self.metadata,
            "sweeper": open_sweeper(self.store),
            "state": self.state,
            "root": self.state,
        }
        return Place(**given | changes, clock=lambda: NOW)

    def blobs(self) -> set[str]:
        return {path.parent.name + path.name for path in (self.store.root / "cas").glob("??/*")}

    def recorded(self) -> set[str]:
        return {artifact.digest for artifact in self.metadata.find(Artifact)}


def made(folder: Path, seed: int) -> World:
    """Make a history: runs of three pipelines whose steps read and give artifacts, lists, names, models, orphans."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    world = World(SqlMetadata(f"sqlite:///{folder}/m.db"), LocalArtifactStore(folder / "store"), folder / "state")
    for number in range(chance.randint(0, 8)):
        _add_run(world, chance, number)
    pool = [artifact.digest for artifact in world.artifacts]
    for number in range(chance.randint(0, 3) if pool else 0):
        expires = chance.choice([None, NOW - 1, NOW + DAY])
        world.metadata.write(NamedVersion(name="n", version=number, digest=chance.choice(pool), expires=expires))
    for number in range(chance.randint(0, 2) if pool else 0):
        world.metadata.write(ModelVersion(model="m", version=number, digest=chance.choice(pool)))
    for number in range(chance.randint(0, 3)):
        world.store.put(b"an orphan %d" % number)
    return world


def _add_run(world: World, chance: random.Random, number: int) -> None:
    state = chance.choice(["succeeded", "succeeded", "failed", "running"])
    age = chance.choice([1, 10, 50]) * DAY + number
    run = Run(
        id=f"r{number}", pipeline=chance.choice("abc"), state=state, created=NOW - age,
        pid=os.getpid(),
    )  # fmt: skip
    steps = [_step(world, chance, run, position) for position in range(chance.randint(1, 4))]
    entries = [
        CacheEntry(key=s.key, pipeline=run.pipeline, step=s.step, outputs=s.artifacts, run=run.id) for s in steps
    ]
    world.metadata.write(run, *steps, *(entry for entry in entries if chance.random() < 0.8))


def _step(world: World, chance: random.Random, run: Run, position: int) -> StepRun:
    inputs = {f"p{i}": chance.choice(world.artifacts).digest for i in range(chance.randint(0, 2)) if world.artifacts}
    outputs = {f"o{i}": _artifact(world, chance).digest for i in range(chance.randint(0, 2))}
    step = f"s{position}"
    return StepRun(
        run=run.id,
        step=step,
        position=position,
        state="succeeded",
        key=f"{run.id}{step}",
        inputs=inputs,
        artifacts=outputs,
    )


def _artifact(world: World, chance: random.Random) -> Artifact:
    if world.artifacts and chance.random() < 0.3:
        return chance.choice(world.artifacts)  # equal bytes: one artifact
    plain = [artifact for artifact in world.artifacts if artifact.kind != "list"]
    if plain and chance.random() < 0.3:
        some = chance.sample(plain, min(len(plain), 2))
        loose = Artifact(digest=world.store.put(chance.randbytes(8)), kind="bytes", uri="")  # with no record of its own
        artifact = list_artifact([*some, loose], world.store)
        world.items[artifact.digest] = {each.digest for each in (*some, loose)}
    else:
        artifact = Artifact(digest=world.store.put(chance.randbytes(8)), kind="bytes", uri="")
    world.artifacts.append(artifact)
    world.metadata.write(artifact)
    return artifact


def needed(world: World, policy: Policy) -> set[str]:
    """What must stay, found without the code under test: everything is looked at until nothing more is found."""
    runs = world.metadata.find(Run)
    kept = {run.id for run in runs if run.state == "running"}
    for pipeline in "abc":
        own = sorted((run for run in runs if run.pipeline == pipeline), key=lambda run: (run.created, run.id))
        if policy.keep_runs is None and policy.older_than_seconds is None:
            kept |= {run.id for run in own}
        if policy.keep_runs is not None:
            kept |= {run.id for run in own[-policy.keep_runs :]}
        if policy.older_than_seconds is not None:
            kept |= {run.id for run in own if run.created >= NOW - policy.older_than_seconds}
        kept |= {run.id for run in [run for run in own if run.state == "succeeded"][-1:]}
    steps = [step for step in world.metadata.find(StepRun) if step.run in kept]
    found = {digest for step in steps for digest in (*step.artifacts.values(), *step.inputs.values())}
    found |= {v.digest for v in world.metadata.find(NamedVersion) if v.expires is None or v.expires > NOW}
    found |= {version.digest for version in world.metadata.find(ModelVersion)}
    return found.union(*(world.items.get(digest, set()) for digest in found))


policies = st.builds(
    Policy,
    keep_runs=st.sampled_from([None, 1, 2]),
    older_than_seconds=st.sampled_from([None, 5 * DAY, 20 * DAY]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), policy=policies)
def test_exactly_what_nothing_needs_goes(tmp_path: Path, seed: int, policy: Policy) -> None:
    world = made(tmp_path / str(time.monotonic_ns()), seed)
    must_stay, before = needed(world, policy), world.blobs()
    going = [run.created for run in world.metadata.find(Run, state="running")]
    with ExitStack() as stack:
        for run in world.metadata.find(Run, state="running"):
            stack.enter_context(driving(run.id))
        found = collect(world.place(), policy, dry_run=False)
        again = collect(world.place(), policy, dry_run=False)
    assert must_stay <= world.blobs()
    if not going:  # else all was used since the oldest run under way began
        assert world.blobs() == must_stay
        assert world.recorded() == must_stay & {artifact.digest for artifact in world.artifacts}
    assert {each.digest for each in found.garbage} == before - world.blobs()
    assert found.kept_blobs + found.recent == len(world.blobs())
    for entry in world.metadata.find(CacheEntry):
        assert all(map(world.store.has, entry.outputs.values()))
    assert (again.garbage, again.entries) == ((), 0)


class _Killing:
    """Something whose calls count down to the end of the process."""

    def __init__(self, whole: Any, left: list[int]) -> None:
        self._whole, self._left = whole, left

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whole, name)
        if name not in ("delete", "sweep"):
            return found

        def call(*given: Any, **more: Any) -> Any:
            if name == "sweep":
                more["forget"] = self._counted(more["forget"])
            return self._counted(found)(*given, **more)

        return call

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **more: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **more)

        return counted


def _collect_until_killed(world: World, policy: Policy, after: int) -> None:
    left = [after]
    unlink = Path.unlink

    def counted_unlink(path: Path, missing_ok: bool = False) -> None:
        _Killing(None, left)._counted(unlink)(path, missing_ok=missing_ok)

    Path.unlink = counted_unlink  # type: ignore[method-assign]  # this process ends here
    place = world.place(metadata=_Killing(world.metadata, left), sweeper=_Killing(open_sweeper(world.store), left))
    collect(place, policy, dry_run=False)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 13, 21])
def test_killed_at_any_point_what_is_left_is_whole(tmp_path: Path, after: int) -> None:
    policy = Policy(keep_runs=1)
    for seed in range(2):
        world = made(tmp_path / f"{seed}", seed)
        world.metadata.write(*(_ended(run) for run in world.metadata.find(Run, state="running")))
        must_stay = needed(world, policy)
        world.metadata.close()
        process = multiprocessing.get_context("fork").Process(target=_collect_until_killed, args=(world, policy, after))
        process.start()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL)
        assert must_stay <= world.blobs()
        assert must_stay & {artifact.digest for artifact in world.artifacts} <= world.recorded()
        for entry in world.metadata.find(CacheEntry):
            recorded = [digest in world.recorded() for digest in entry.outputs.values()]
            assert all(recorded) <= all(map(world.store.has, entry.outputs.values()))
        collect(world.place(), policy, dry_run=False)
        assert world.blobs() == must_stay


def _ended(run: Run) -> Run:
    from dataclasses import replace

    return replace(run, state="failed")
