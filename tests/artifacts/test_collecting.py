"""Garbage collection: what is needed stays, whatever happens meanwhile; what is not goes."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

import penstock as ps
from penstock.artifacts import Collection
from penstock.core.artifact import Artifact
from penstock.core.run import CacheEntry, Cancellation, Heartbeat, Lease, Metric, NamedVersion, Run, StepRun
from penstock.core.trigger import Firing
from penstock.errors import DeclarationError, RunError, StorageError, UnknownNameError
from penstock.stores import LocalArtifactStore


def collected(project: ps.Project, **how: Any) -> Collection:
    """Collect as if what was used just now had been used long ago."""
    how.setdefault("grace", 0)
    time.sleep(0.06)  # the times of files lag behind the clock by a tick of the kernel's; see `LocalSweeper`
    return project.repository.gc(dry_run=False, **how)


def stale(project: ps.Project, n: int) -> set[str]:
    """The steps that a run would run, but for the one that names: its alias has moved."""
    return {step.name for step in project.plan("making", n=n).steps if step.state != "up_to_date"} - {"name"}


def blobs(project: ps.Project) -> set[str]:
    return {path.parent.name + path.name for path in (project.config.state / "artifacts" / "cas").glob("??/*")}


def test_without_limits_only_what_no_record_speaks_of_goes(project: ps.Project) -> None:
    for n in (10, 30, 50):
        project.run("making", n=n)
    before = blobs(project)
    orphan = project.artifacts.put(b"left by a killed worker")
    found = collected(project)
    assert [each.digest for each in found.garbage] == [orphan]
    assert found.blob_bytes == len(b"left by a killed worker")
    assert blobs(project) == before
    assert stale(project, 10) == set()


def test_a_dry_run_says_what_would_go_and_takes_nothing(project: ps.Project) -> None:
    for n in (10, 30):
        project.run("making", n=n)
    before = blobs(project)
    time.sleep(0.06)
    dry = project.repository.gc(keep_runs=1, grace=0)
    assert dry.dry_run
    assert blobs(project) == before
    wet = collected(project, keep_runs=1)
    assert (wet.garbage, wet.entries, wet.blob_bytes) == (dry.garbage, dry.entries, dry.blob_bytes)
    assert blobs(project) == before - {each.digest for each in wet.garbage}


def test_only_the_newest_runs_of_each_pipeline_keep_what_they_need(project: ps.Project) -> None:
    runs = [project.run("making", n=n) for n in (10, 30, 50)]
    project.metadata.delete(NamedVersion, name="prices")
    found = collected(project, keep_runs=2)
    assert {each.made_by.partition("/")[0] for each in found.garbage} == {runs[0].id}
    assert stale(project, 30) == stale(project, 50) == set()
    assert stale(project, 10) == {"prices", "halves", "report", "say"}
    with pytest.raises(RunError, match="penstock gc collects"):
        project.repository[f"{runs[0].id}/prices"]
    again = project.run("making", n=10)
    assert again.state == "succeeded"
    assert again.artifact("prices").load().num_rows == 10


@pytest.mark.parametrize("seed", range(3))
def test_what_is_run_again_after_a_collection_gives_the_same(project: ps.Project, seed: int) -> None:
    chance, sizes = random.Random(seed), (10, 30, 50, 70)
    gave: dict[int, dict[str, str]] = {}
    for _ in range(12):
        n = chance.choice(sizes)
        steps = project.run("making", n=n, only=["prices", "halves", "report", "say"]).steps
        digests = {name: digest for step in steps.values() for name, digest in step.record.artifacts.items()}
        assert gave.setdefault(n, digests) == digests
        if chance.random() < 0.4:
            collected(project, keep_runs=chance.choice([1, 2]))


def test_runs_older_than_a_time_keep_nothing_but_the_newest_good_one_does(project: ps.Project) -> None:
    for n in (10, 30):
        run = project.run("making", n=n)
        project.metadata.write(_older(run.record, days=40))
    project.metadata.delete(NamedVersion, name="prices")
    collected(project, older_than="30d")
    assert stale(project, 30) == set()
    assert "prices" in stale(project, 10)


def _older(run: Run, *, days: float) -> Run:
    from dataclasses import replace

    return replace(run, created=run.created - days * 86400)


def test_what_has_a_name_stays_until_its_time_is_over(project: ps.Project) -> None:
    for n in (10, 30):
        project.run("making", n=n)
    collected(project, keep_runs=1)
    assert project.repository["prices/1"].load().num_rows == 10
    (first, _) = project.repository.names["prices"].versions
    project.metadata.write(NamedVersion(name="prices", version=1, digest=first.digest, expires=time.time() - 1))
    found = collected(project, keep_runs=1)
    assert [each.digest for each in found.garbage] == [first.digest]
    with pytest.raises(Exception, match=r"artifact 'prices' version 1 .* expired on .* and was collected"):
        project.repository["prices/1"]


def test_registered_models_stay_and_a_served_one_keeps_its_rows(project: ps.Project) -> None:
    line = ps.model("line", type="linear_reg", label="y", features={"x": ps.col("x")})
    for slope in (2.0, 3.0):
        project.fit(line, [{"x": float(x), "y": slope * x + x % 3} for x in range(40)])
    from penstock.models import set_alias

    set_alias(project.metadata, "line", "champion", 1)
    collected(project, keep_runs=1)
    assert project.verify("line/1").equal
    assert project.models["line"].load(2).predict([{"x": 1.0}]).num_rows == 1


def test_lists_keep_their_items_and_lose_them_with_themselves(project: ps.Project) -> None:
    run = project.run(listing, n=3)
    collected(project)
    assert [part.num_rows for part in run.artifact("parts").load()] == [0, 1, 2]
    project.run(listing, n=2)
    collected(project, keep_runs=1)
    assert [part.num_rows for part in project.repository["latest/parts"].load()] == [0, 1]
    with pytest.raises(RunError):
        project.repository[f"{run.id}/parts"]


@ps.step
def parts(n: int) -> list[ps.Table]:
    import pyarrow as pa

    return [pa.table({"x": [float(n)] * size}) for size in range(n)]


@ps.pipeline
def listing(n: int = 3) -> None:
    parts(n)


def test_what_was_used_lately_stays(project: ps.Project) -> None:
    for n in (10, 30):
        project.run("making", n=n)
    project.metadata.delete(NamedVersion, name="prices")
    found = collected(project, keep_runs=1, grace="1h")
    assert found.garbage == ()
    assert found.recent > 0
    assert found.recent_bytes > 0
    assert project.repository[f"{project.runs()[1].id}/prices"].load().num_rows == 10


def test_nothing_goes_that_was_used_since_the_oldest_run_under_way_began(project: ps.Project) -> None:
    old = project.artifacts.put(b"long before the run")
    time.sleep(0.06)
    began = time.time()
    used = project.artifacts.put(b"by a step that has not been recorded yet")
    under_way = Run(id="r1", pipeline="making", state="running", created=began, pid=1, host="another")
    project.metadata.write(under_way)
    assert [each.digest for each in collected(project).garbage] == [old]
    assert project.artifacts.has(used)
    project.metadata.write(Run(id="r1", pipeline="making", state="failed", created=began))
    assert [each.digest for each in collected(project).garbage] == [used]


def test_what_a_run_finds_up_to_date_is_in_use(project: ps.Project) -> None:
    project.run("making", n=10)
    project.run("making", n=30)
    project.metadata.delete(NamedVersion, name="prices")
    time.sleep(0.06)
    began = time.time()
    project.metadata.write(Run(id="r1", pipeline="other", state="running", created=began, pid=1, host="another"))
    project.plan("making", n=10)  # asks for all that a run would ask for
    found = collected(project, keep_runs=1)
    assert {each.made_by.partition("/")[2] for each in found.garbage} == {"name"}  # which is to run again
    assert found.recent == 5


def test_a_put_of_bytes_that_are_there_makes_them_used(project: ps.Project) -> None:
    store = project.artifacts
    assert isinstance(store, LocalArtifactStore)
    digest = store.put(b"twice")
    first = store.path(digest).stat().st_ctime
    time.sleep(0.02)
    store.put(b"twice")
    assert store.path(digest).stat().st_ctime > first


def test_another_project_of_the_store_keeps_what_it_needs(tmp_path: Path) -> None:
    one, two = _two_projects(tmp_path)
    for project in (one, two):
        project.run(listing, n=3)
    one.run(listing, n=2)
    found = collected(one, keep_runs=1)
    assert {each.shared for each in found.garbage} == {True}
    assert found.blob_bytes == 0
    assert two.plan(listing, n=3).up_to_date
    assert not one.plan(listing, n=3).up_to_date
    two.run(listing, n=1)
    assert collected(two, keep_runs=1).blob_bytes > 0
    assert one.plan(listing, n=2).up_to_date


def _two_projects(folder: Path) -> tuple[ps.Project, ps.Project]:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "penstock.toml").write_text(
            f'[project]\nname = "{name}"\n[stores]\nartifacts = "../shared"\n[engine]\ndefault = "inline"\n'
        )
    return ps.open(folder / "one"), ps.open(folder / "two")


def test_a_project_that_cannot_be_read_stops_the_collection_and_is_named(tmp_path: Path) -> None:
    one, two = _two_projects(tmp_path)
    for project in (one, two):
        project.run(listing, n=3)
    orphan = one.artifacts.put(b"left")
    (tmp_path / "two" / ".penstock" / "metadata.db").rename(tmp_path / "aside")
    with pytest.raises(StorageError, match=r"project 'two' keeps artifacts in this store too .*--forget 'two'"):
        collected(one)
    assert one.artifacts.has(orphan)
    with pytest.raises(UnknownNameError, match=r"no project named 'tow'.*Did you mean 'two'"):
        one.repository.forget_project("tow")
    one.repository.forget_project("two")
    assert [each.digest for each in collected(one).garbage] == [orphan]


def test_a_project_that_is_moved_with_its_store_is_no_other_project(tmp_path: Path, root: Path) -> None:
    project = ps.open(root)
    project.run(listing, n=3)
    moved = tmp_path.parent / "moved"
    root.rename(moved)
    again = ps.open(moved)
    again.run(listing, n=2)
    assert collected(again, keep_runs=1).blob_bytes > 0
    moved.rename(root)


def test_records_of_old_runs_go_only_when_asked_for_with_their_logs(project: ps.Project) -> None:
    runs = [project.run("making", n=n) for n in (10, 30, 50)]
    for run in runs:
        project.metadata.write(
            _older(run.record, days=40),
            Metric(run=run.id, step="say", name="x", sequence=0, value=1),
            Heartbeat(run=run.id, beat=1.0),
        )
    project.metadata.delete(NamedVersion, name="prices")
    assert collected(project, keep_runs=1).runs == ()
    found = collected(project, keep_runs=1, runs_older_than="30d")
    assert set(found.runs) == {runs[0].id, runs[1].id}
    assert [run.id for run in project.runs()] == [runs[2].id]
    assert {step.run for step in project.metadata.find(StepRun)} == {runs[2].id}
    assert {metric.run for metric in project.metadata.find(Metric)} == {runs[2].id}
    assert {heartbeat.run for heartbeat in project.metadata.find(Heartbeat)} == {runs[2].id}
    _aged(project.config.state / "logs")
    assert len(collected(project).files) == 2
    assert [path.name for path in (project.config.state / "logs").iterdir()] == [runs[2].id]


def test_the_run_that_a_name_comes_from_keeps_its_record(project: ps.Project) -> None:
    runs = [project.run("making", n=n) for n in (10, 30, 50)]
    for run in runs:
        project.metadata.write(_older(run.record, days=40))
    assert collected(project, runs_older_than="30d").runs == ()


def _aged(folder: Path) -> None:
    """Make everything in a folder look two hours old."""
    import os

    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 7200,) * 2)


def test_what_dead_processes_left_goes(project: ps.Project) -> None:
    run = project.run("making")
    tmp, drivers = project.config.state / "artifacts" / "tmp", project.config.state / "drivers"
    drivers.mkdir()
    (tmp / "999999999-ab").write_bytes(b"half written")
    (tmp / "1-ab").write_bytes(b"of a process that lives")
    (tmp / "999999998-ab").mkdir()
    (tmp / "999999998-ab" / "unpacked").write_text("x")
    (drivers / "a.jsonl").write_text(f'{{"id": "{run.id}"}}\n')
    (drivers / "b.jsonl").write_text('{"id": "gone"}\n')
    for folder in (tmp, drivers):
        _aged(folder)
    project.metadata.write(
        Lease(key="k", run=run.id), Lease(key="l", run="gone"), Cancellation(run=run.id), CacheEntry(
            key="k", pipeline="making", step="x", outputs={"result": "00" * 32}
        )
    )  # fmt: skip
    found = collected(project, grace="1h")
    assert {Path(path).name for path in found.files} == {"999999999-ab", "999999998-ab", "a.jsonl", "b.jsonl"}
    assert [path.name for path in tmp.iterdir()] == ["1-ab"]
    assert found.records == 3
    assert project.metadata.find(Lease) == []
    assert project.metadata.get(CacheEntry, "k") is None


def test_a_record_without_bytes_goes_when_nothing_needs_it(project: ps.Project) -> None:
    project.run("making")
    project.metadata.write(Artifact(digest="ab" * 32, kind="json", uri=""))
    assert [each.digest for each in collected(project).garbage] == ["ab" * 32]
    assert project.metadata.get(Artifact, "ab" * 32) is None


def test_the_configuration_says_what_is_kept(root: Path) -> None:
    with (root / "penstock.toml").open("a") as file:
        file.write('[gc]\nkeep_runs = 1\ngrace = "1ms"\n')
    project = ps.open(root)
    for n in (10, 30):
        project.run("making", n=n)
    project.metadata.delete(NamedVersion, name="prices")
    time.sleep(0.06)
    assert project.repository.gc().blob_bytes > 0
    assert project.repository.gc(keep_runs=2).blob_bytes == 0


def test_a_limit_that_is_none_is_an_error(project: ps.Project) -> None:
    with pytest.raises(DeclarationError, match="keep_runs is 0; keep at least 1"):
        project.repository.gc(keep_runs=0)
    with pytest.raises(DeclarationError, match="older_than is 'soon'"):
        project.repository.gc(older_than="soon")


def test_firings_go_only_where_a_time_is_given_and_a_dry_run_says_how_many(project: ps.Project) -> None:
    now = time.time()
    old = [Firing(trigger="t", occurrence=f"/s {n}", state="started", created=now - 90 * 86400 + n) for n in range(5)]
    young = Firing(trigger="t", occurrence="/s new", state="started", created=now - 86400)
    project.metadata.write(*old, young)
    assert collected(project, keep_runs=1).firings == 0
    assert collected(project, firings_older_than="30d").firings == 0  # they are among the newest hundred
    assert project.repository.gc(firings_older_than="30d", keep_firings=3).firings == 3
    assert len(project.metadata.find(Firing)) == 6
    assert collected(project, firings_older_than="30d", keep_firings=3).firings == 3
    left = [firing.occurrence for firing in project.metadata.find(Firing)]
    assert left == ["/s 3", "/s 4", "/s new"]
    with pytest.raises(DeclarationError, match="keep_firings is -1"):
        project.repository.gc(firings_older_than="30d", keep_firings=-1)
