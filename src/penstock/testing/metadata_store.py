"""What every store of records must promise, as tests."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from penstock.core.artifact import Artifact
from penstock.core.feature import FeatureVersion, IngestStatistics
from penstock.core.ports import MetadataStore
from penstock.core.run import (
    AliasChange,
    Attempt,
    CacheEntry,
    Cancellation,
    Heartbeat,
    Lease,
    Metric,
    ModelVersion,
    NameChange,
    NamedVersion,
    Record,
    Run,
    StartRequest,
    StepRun,
)
from penstock.core.trigger import Firing, Pause, Trigger
from penstock.errors import ConflictError, UnknownNameError
from penstock.testing.processes import in_processes, killed_while

Opener = Callable[[], MetadataStore]

RUN = Run(
    id="r1",
    pipeline="flights",
    state="running",
    params={"depth": 6, "rate": 0.1, "columns": ["a", "b"], "source": None, "city": "Zürich"},
    cause={"kind": "manual"},
    created=1.25,
    pid=77,
    host="here",
    tags={"team": "delays"},
    notes="a first try",
    options={"only": ["fit"]},
)
STEP = StepRun(
    run="r1",
    step="fit",
    position=3,
    parts={"code": "ab"},
    artifacts={"result": "cd"},
    started=0.1 + 0.2,
    needs=("read", "split"),
)
EVERY_KIND: tuple[Record, ...] = (
    RUN,
    STEP,
    Artifact(
        digest="cd", kind="table", uri="file:///x", schema=(("km", "float64"),), made_by="r1/read", facts={"rows": 3}
    ),
    CacheEntry(key="k", pipeline="flights", step="fit", outputs={"result": "cd"}, observed={"file:/a": "ef"}),
    ModelVersion(model="delay", version=1, digest="cd", metrics={"mean_absolute_error": 1e-300}, lineage={"run": "r1"}),
    AliasChange(model="delay", alias="champion", sequence=1, version=1, reason="pushed"),
    Attempt(run="r1", step="fit", number=1, error="ValueError: no", started=1.5, ended=2.5),
    Heartbeat(run="r1", beat=2.5),
    Lease(key="k", run="r1", created=3.0),
    Cancellation(run="r1", reason="too slow", created=4.0),
    Metric(run="r1", step="fit", name="loss", sequence=0, value=0.5, step_number=1.0, created=5.0),
    Metric(run="r1", step="fit", name="loss", sequence=1, value=float("inf"), created=6.0),
    Metric(run="r1", step="fit", name="loss", sequence=2, value=None, created=7.0),
    Trigger(
        name="nightly",
        kind="cron",
        pipeline="flights",
        spec={"expression": "0 3 * * *", "zone": "Europe/Zurich"},
        params={"source": {"$event": ["path"]}, "depth": 6},
        max_parallel=2,
        created=6.0,
        since=7.0,
    ),
    Pause(trigger="nightly", reason="a holiday", created=8.0),
    Firing(trigger="nightly", occurrence="2026-11-25T02:00:00Z", run="r1", event={"data": {"missed": 0}}, created=9.0),
    NamedVersion(name="prices", version=1, digest="cd", expires=9.5, lineage={"run": "r1"}, created=6.0),
    NameChange(name="prices", alias="latest", sequence=1, version=1, reason="named", created=7.0),
    StartRequest(key="k1", asked="ab", run="r1", created=6.0),
    FeatureVersion(
        kind="set", name="rides", version=2, digest="d", definition={"ttl": None}, changes=("a", "b"), created=1.0
    ),
    IngestStatistics(history="rides", digest="v", first=1, last=2**40, rows=3, last_event=7, features={"x": 1}),
)


class MetadataStoreContract:
    """Give it the fixture `opener`: a function that opens one and the same empty store whenever it is called."""

    @pytest.fixture
    def store(self, opener: Opener) -> MetadataStore:
        """One view of the store."""
        return opener()

    def test_every_kind_of_record_comes_back_equal(self, store: MetadataStore) -> None:
        store.write(*EVERY_KIND)
        for record in EVERY_KIND:
            assert record in store.find(type(record))
        assert sum(len(store.find(kind)) for kind in {type(record) for record in EVERY_KIND}) == len(EVERY_KIND)

    def test_a_record_is_found_by_its_identity(self, store: MetadataStore) -> None:
        store.write(*EVERY_KIND)
        assert store.get(Run, "r1") == RUN
        assert store.get(StepRun, "r1", "fit") == STEP
        assert store.get(ModelVersion, "delay", 1) is not None
        assert store.get(AliasChange, "delay", "champion", 1) is not None
        assert store.get(StepRun, "r1", "read") is None

    def test_writing_again_replaces(self, store: MetadataStore) -> None:
        store.write(RUN)
        store.write(replace(RUN, state="succeeded", ended=2.5))
        found = store.find(Run)
        assert [(run.state, run.ended) for run in found] == [("succeeded", 2.5)]

    def test_inserting_again_is_a_conflict_that_names_the_record(self, store: MetadataStore) -> None:
        store.insert(STEP)
        with pytest.raises(ConflictError, match="StepRun r1/fit"):
            store.insert(replace(STEP, state="failed"))
        assert store.get(StepRun, "r1", "fit") == STEP

    def test_of_records_inserted_together_all_are_there_or_none(self, store: MetadataStore) -> None:
        store.insert(STEP)
        with pytest.raises(ConflictError):
            store.insert(RUN, replace(STEP, step="read"), STEP)
        assert store.find(Run) == []
        assert store.find(StepRun) == [STEP]

    def test_find_takes_values_lists_of_them_and_none(self, store: MetadataStore) -> None:
        steps = [replace(STEP, step=name, position=place) for place, name in enumerate("abc")]
        store.write(*steps, replace(STEP, run="r2", step="a", ended=9.0))
        assert store.find(StepRun, run="r1", step="b") == [steps[1]]
        assert store.find(StepRun, run="r1", step=["c", "a", "x"]) == [steps[0], steps[2]]
        assert store.find(StepRun, run="r1", step=[]) == []
        assert [step.run for step in store.find(StepRun, step="a", ended=None)] == ["r1"]

    def test_a_field_may_be_named_kind(self, store: MetadataStore) -> None:
        store.write(*EVERY_KIND)
        assert len(store.find(Artifact, kind="table")) == 1
        assert store.delete(Artifact, kind="text") == 0

    def test_find_gives_runs_by_creation_and_steps_by_position(self, store: MetadataStore) -> None:
        store.write(*(replace(RUN, id=f"r{moment}", created=float(moment)) for moment in (3, 1, 2)))
        store.write(*(replace(STEP, step=f"s{place}", position=place) for place in (10, 9, 0)))
        assert [run.id for run in store.find(Run)] == ["r1", "r2", "r3"]
        assert [run.id for run in store.find(Run, newest_first=True, limit=2)] == ["r3", "r2"]
        assert [step.step for step in store.find(StepRun, run="r1")] == ["s0", "s9", "s10"]

    def test_page_after_page_gives_every_record_once(self, store: MetadataStore) -> None:
        store.write(*(replace(RUN, id=f"r{number}", created=float(number // 2)) for number in range(7)))
        for newest_first in (False, True):
            found: list[Run] = []
            while page := store.find(
                Run, limit=2, newest_first=newest_first, after=found[-1] if found else None, pipeline="flights"
            ):
                found += page
            assert found == store.find(Run, newest_first=newest_first)
            assert len(found) == 7

    def test_versions_and_alias_changes_come_in_their_order(self, store: MetadataStore) -> None:
        store.write(*(ModelVersion(model="m", version=number, digest="d") for number in (10, 2, 1)))
        store.write(*(AliasChange(model="m", alias="a", sequence=number, version=1) for number in (10, 9)))
        assert [version.version for version in store.find(ModelVersion, model="m")] == [1, 2, 10]
        assert store.find(AliasChange, model="m", newest_first=True, limit=1)[0].sequence == 10

    def test_a_field_that_no_record_has_is_named(self, store: MetadataStore) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'pipeline'"):
            store.find(Run, pipelin="flights")

    def test_delete_says_how_many_and_leaves_the_rest(self, store: MetadataStore) -> None:
        store.write(*(replace(STEP, step=name) for name in "abc"), replace(STEP, run="r2"))
        assert store.delete(StepRun, run="r1", step=["a", "b", "x"]) == 2
        assert sorted((step.run, step.step) for step in store.find(StepRun)) == [("r1", "c"), ("r2", "fit")]

    def test_another_view_of_the_store_sees_a_write_at_once(self, opener: Opener) -> None:
        opener().write(RUN)
        assert opener().get(Run, "r1") == RUN

    def test_many_processes_write_at_once_and_nothing_is_lost(self, opener: Opener) -> None:
        opener()
        results = in_processes(_write_many, [(opener, f"r{number}") for number in range(6)])
        assert results == [20] * 6
        assert len(opener().find(StepRun)) == 6 * 20

    def test_many_processes_open_an_empty_store_at_once(self, opener: Opener) -> None:
        results = in_processes(_open_and_write, [(opener, f"r{number}") for number in range(6)])
        assert results == [f"r{number}" for number in range(6)]

    def test_only_one_of_many_processes_inserts_a_record(self, opener: Opener) -> None:
        opener()
        results = in_processes(_insert, [(opener, number) for number in range(6)])
        assert sorted(results) == ["conflict"] * 5 + ["inserted"]

    def test_a_process_killed_while_it_writes_leaves_all_of_a_write_or_none(self, opener: Opener) -> None:
        opener()
        for attempt in range(3):
            killed_while(_write_at_once, opener, f"r{attempt}", 2000)
            assert len(opener().find(StepRun, run=f"r{attempt}")) in (0, 2000)

    def test_a_store_opened_before_a_fork_works_on_both_sides(self, store: MetadataStore) -> None:
        store.write(RUN)
        assert in_processes(_read_and_write, [(store, "r2"), (store, "r3")]) == ["r1", "r1"]
        assert {run.id for run in store.find(Run)} == {"r1", "r2", "r3"}


def _write_many(opener: Opener, run: str) -> int:
    store = opener()
    for number in range(20):
        store.write(replace(STEP, run=run, step=f"s{number}"))
    return len(store.find(StepRun, run=run))


def _open_and_write(opener: Opener, run: str) -> str:
    opener().write(replace(RUN, id=run))
    return run


def _insert(opener: Opener, pid: int) -> str:
    try:
        opener().insert(replace(RUN, pid=pid))
    except ConflictError:
        return "conflict"
    return "inserted"


def _write_at_once(opener: Opener, run: str, count: int) -> None:
    opener().write(*(replace(STEP, run=run, step=f"s{number}") for number in range(count)))


def _read_and_write(store: MetadataStore, run: str) -> str:
    found = store.get(Run, "r1")
    store.write(replace(RUN, id=run))
    return found.id if found is not None else "missing"
