"""Steps run in containers while somebody kills, at drawn moments, whatever takes part in that: the driver, a container,
the processes of podman that watch it, the processes inside; also just while a step's outputs are published."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

import pytest
from drivers import PATIENCE_SECONDS, Death, Driver, begun_after, book, consistent, drawing, make_project, start

from penstock.core.run import Attempt, StepRun
from penstock.engines.exchange import EXCHANGE, orphans
from penstock.images import find_runtime
from penstock.stores import open_metadata

pytestmark = [pytest.mark.server, pytest.mark.slow]

KILLS = 40
"""So many have really hit something that was alive before the campaign ends."""

SLOW_KILLS = 2
"""Of these at most so many hit conmon: podman waits 20 seconds for what it would have told."""

LENGTH = 12
Victim: TypeAlias = Literal["driver", "container", "conmon", "podman", "inside"]
VICTIMS: tuple[Victim, ...] = ("driver", "container", "conmon", "podman", "inside")
Moment: TypeAlias = Literal["any", "writing", "collecting"]
MOMENTS: tuple[Moment, ...] = ("any", "writing", "collecting")

SETTINGS = """
[engine]
default = "container"
image = "{image}"
slots = 2
mounts = ["{root}/book:rw"]
environment = ["ENDURANCE_BOOK"]
"""


def make_contained(folder: Path, image: str) -> Path:
    """Write a project whose steps run in containers and may write into the book, and nowhere else."""
    root = make_project(folder)
    (root / "penstock.toml").write_text(SETTINGS.format(image=image, root=root))
    (root / "book").touch()
    for path, mode in ((root.parent, 0o755), (root, 0o755), (root / "book", 0o666)):
        path.chmod(mode)
    return root


@dataclass(frozen=True)
class Scene:
    """The containers of a project, to be looked at and shot at; `drivers` are the processes that have driven its runs,
    whose numbers are in the names of the containers."""

    root: Path
    drivers: set[int] = field(default_factory=set)

    @property
    def state(self) -> Path:
        return self.root / ".penstock" / "containers"

    def exchanges(self) -> list[Path]:
        return [path for path in self.state.glob("penstock-*-*-*") if path.is_dir()]

    def processes(self) -> Iterator[tuple[int, str, str]]:
        """Yield (pid, what it is, command line) of the processes that have to do with our containers."""
        names = tuple(f"penstock-{pid}-" for pid in self.drivers)
        inside = tuple(f"{EXCHANGE}={self.state}/{name}".encode() for name in names)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in self.drivers:
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                environment = (entry / "environ").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if any(variable.startswith(inside) for variable in environment):
                yield int(entry.name), "inside", " ".join(words)
            elif any(word.startswith(names) for word in words):
                yield int(entry.name), os.path.basename(words[0]), " ".join(words)

    def left(self) -> list[str]:
        """Return what there is of containers: as podman knows them, and as processes."""
        listed = find_runtime(state=self.state).call("ps", "--all", "--format", "{{.Names}} {{.Status}}")
        names = tuple(f"penstock-{pid}-" for pid in self.drivers)
        known = [line for line in listed.splitlines() if line.startswith(names)]
        return [*known, *(f"{pid}: {command}" for pid, _, command in self.processes())]

    def await_moment(self, moment: Moment, driver: Driver, random: Random) -> bool:
        """Wait until it is there; tell whether it came before the driver ended."""
        signs: dict[Moment, Callable[[Path], bool]] = {
            "any": lambda folder: True,
            "writing": lambda folder: any((folder / "artifacts").rglob("*")),
            "collecting": lambda folder: (folder / "result").exists(),
        }
        seen = set(self.exchanges()) if moment != "any" else set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while driver.process.is_alive():
            assert time.monotonic() < deadline, f"no container came to the moment {moment!r}"
            if any(signs[moment](folder) for folder in self.exchanges() if folder not in seen):
                time.sleep(random.uniform(0, 0.9 if moment == "any" else 0.02))
                return True
            time.sleep(0.001)
        return False

    def kill(self, victim: Victim, driver: Driver, random: Random) -> bool:
        """Kill one; tell whether there was any."""
        if victim == "driver":
            alive = driver.process.is_alive()
            driver.kill()
            return alive
        if victim == "container":
            names = sorted(path.name for path in self.exchanges())
            command = find_runtime(state=self.state).command("kill", random.choice(names)) if names else ["false"]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        pids = [pid for pid, what, _ in self.processes() if what == victim]
        if not pids:
            return False
        try:
            os.kill(random.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def records(root: Path, kind: type) -> list:
    metadata = open_metadata(f"sqlite:///{root}/.penstock/metadata.db")
    found = metadata.find(kind)
    metadata.close()  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What each step gives, found by a run in the driver's own process: containers must give the same bytes."""
    root = make_project(tmp_path_factory.mktemp("undisturbed") / "project")
    told = start(root, "chain", length=LENGTH).wait()
    assert told is not None
    assert (told.error, told.state) == ("", "succeeded")
    return consistent(root).published


def drive(scene: Scene, random: Random, hits: Counter[tuple[Victim, Moment]]) -> bool:
    """Drive the project's run, or go on with it, and kill while it goes; tell whether it came to its end."""
    root, newest = scene.root, None
    if (scene.root / ".penstock/metadata.db").exists():
        found = consistent(root)
        newest = found.newest_run
        assert begun_after(root, found.since) == []
    dies = Death(kind="file", at=random.randint(300, 2500)) if random.random() < 0.3 else Death()
    if newest is None:
        driver = start(root, "chain", engine="container", death=dies, length=LENGTH)
    else:
        driver = start(root, None, engine="container", death=dies, resume=newest)
    scene.drivers.add(driver.process.pid or 0)
    struck = False
    while driver.process.is_alive() and not struck:
        moment, victim = random.choice(MOMENTS), random.choice(VICTIMS)
        if victim == "conmon" and sum(hits[victim, each] for each in MOMENTS) >= SLOW_KILLS:
            continue
        if scene.await_moment(moment, driver, random) and scene.kill(victim, driver, random):
            hits[victim, moment] += 1
            struck = victim == "driver"
    told = driver.wait()
    if told is None and not struck:
        assert dies.kind == "file", "nobody killed the driver, and it died"
        hits["driver", "any"] += 1
    if told is not None:
        errors = [step.error for step in records(root, StepRun) if step.run == told.run and step.error]
        assert (told.error, told.state, errors) == ("", "succeeded", [])
    return told is not None


def check_attempts(root: Path) -> None:
    """Check that a step ran again only where an attempt at it is recorded as failed, or its driver had died."""
    begun, steps, failed = Counter(book(root)), records(root, StepRun), records(root, Attempt)
    tried = Counter[str]()
    for step in steps:
        tried[step.step] += step.attempts
    assert {step for step in begun if begun[step] > tried[step]} == set()
    assert all("container" in each.error or "SIGKILL" in each.error for each in failed), [each.error for each in failed]


def test_whatever_is_killed_at_whatever_moment_runs_in_containers_complete_and_leave_nothing(
    undisturbed: dict[str, dict[str, str]], tmp_path: Path, container_image: str
) -> None:
    hits: Counter[tuple[Victim, Moment]] = Counter()
    with drawing("containers") as random:
        number = 0
        while hits.total() < KILLS:
            number += 1
            scene = Scene(make_contained(tmp_path / f"project-{number}", container_image))
            while not drive(scene, random, hits):
                pass
            found = consistent(scene.root)
            assert found.published == undisturbed
            assert begun_after(scene.root, found.since) == []
            check_attempts(scene.root)
            deadline = time.monotonic() + 20
            while left := scene.left():
                assert time.monotonic() < deadline, f"left behind: {left}"
                time.sleep(0.1)
            assert list(orphans(scene.state)) == []
    print(f"{hits.total()} kills in {number} projects: {dict(hits)}")
    assert {victim for victim, _ in hits} == set(VICTIMS)
