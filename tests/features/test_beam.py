"""Beam's direct runner writes into a feature set, in an environment of its own: Beam is in no group of ours."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
from stream_worlds import EVENTS, numbers_in

import penstock as ps

pytestmark = pytest.mark.server

JOB = """
import datetime, json, sys
import apache_beam as beam
import penstock
from penstock.features.beam import WriteToFeatureSet, _Write

root, job, on_bad, first, last, crash = sys.argv[1:]
event = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
rows = [
    {"driver": n % 7 if n % 10 or on_bad == "fail" else None, "event": event, "fare": 1.5, "number": n}
    for n in range(int(first), int(last))
]
if crash == "crash":  # after the commit, before Beam knows of it: the bundle is tried again
    process, seen = _Write.process, []
    def once(self, group):
        made = list(process(self, group))
        if group[0] not in seen:
            seen.append(group[0])
            raise ConnectionError("lost")
        return made
    _Write.process = once
with beam.Pipeline(argv=["--job_name", job] if job else []) as pipeline:
    (
        pipeline
        | beam.Create(rows)
        | WriteToFeatureSet(root, "rides", on_bad=on_bad, shards=3)
        | beam.Map(lambda done: print(json.dumps(done)))
    )
"""


@pytest.fixture(scope="module")
def beam_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with Beam, and behind it all that this one has."""
    folder = tmp_path_factory.mktemp("beam")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "apache-beam>=2.70"], capture_output=True, text=True, timeout=300
    )
    if installed.returncode:
        pytest.skip(f"apache-beam cannot be installed here: {installed.stderr[-300:]}")
    (site,) = folder.glob("lib/python*/site-packages")
    source = Path(ps.__file__).parents[1]
    (site / "behind.pth").write_text(f"{source}\n{sysconfig.get_path('purelib')}\n")
    return str(python)


def run(python: str, *given: object, code: int = 0) -> list[dict[str, Any]]:
    done = subprocess.run([python, "-c", JOB, *map(str, given)], capture_output=True, text=True, timeout=200)
    assert done.returncode == code, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()] if code == 0 else [{"error": done.stderr}]


def test_a_job_writes_its_rows_once_however_often_it_runs(project: ps.Project, beam_python: str) -> None:
    project.features.apply(EVENTS)
    assert sum(done["rows"] for done in run(beam_python, project.root, "monday", "fail", 0, 100, "")) == 100
    again = run(beam_python, project.root, "monday", "fail", 0, 100, "")
    assert [done["repeated"] for done in again] == [True] * 3
    assert sorted(numbers_in(project)) == list(range(100))
    run(beam_python, project.root, "tuesday", "fail", 100, 150, "")
    assert sorted(numbers_in(project)) == list(range(150))
    assert project.features.get_online_features(["rides:fare"], {"driver": [3]}).column("fare").to_pylist() == [1.5]


def test_a_bundle_that_is_tried_again_adds_nothing(project: ps.Project, beam_python: str) -> None:
    project.features.apply(EVENTS)
    (failed,) = run(beam_python, project.root, "monday", "fail", 0, 100, "crash", code=1)
    assert "lost" in failed["error"]
    run(beam_python, project.root, "monday", "fail", 0, 100, "")
    assert sorted(numbers_in(project)) == list(range(100))


def test_what_cannot_be_stored_fails_the_job_or_is_a_dead_letter(project: ps.Project, beam_python: str) -> None:
    project.features.apply(EVENTS)
    done = run(beam_python, project.root, "monday", "dead_letter", 0, 100, "")
    assert (sum(each["rows"] for each in done), sum(each["dead_letters"] for each in done)) == (90, 10)
    assert project.features.dead_letters.count("rides") == 10
    (failed,) = run(beam_python, project.root, "", "fail", 0, 10, "", code=1)
    assert "has no job to name its batches by" in failed["error"]
