"""Records in SQLite: the contract, migrations, forks, and what a database file can suffer."""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
import shutil
import sqlite3
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.core.ports import MetadataStore
from penstock.core.run import Run
from penstock.errors import DataError, DeclarationError, StorageError
from penstock.stores import SqlMetadata, open_metadata
from penstock.stores.migrations import MIGRATIONS
from penstock.stores.records import RECORDS
from penstock.testing import MetadataStoreContract
from penstock.testing.metadata_store import EVERY_KIND, RUN
from penstock.testing.processes import in_processes


class TestSqlMetadata(MetadataStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> partial[MetadataStore]:
        return partial(open_metadata, f"sqlite:///{tmp_path}/state/metadata.db")


def _write_on_both_sides_of(closed: Connection, url: str) -> None:
    store = SqlMetadata(url)
    store.write(dataclasses.replace(RUN, id="before"))
    closed.send("written")
    closed.recv()
    store.write(dataclasses.replace(RUN, id="after"))


def test_a_parent_that_closes_its_store_takes_nothing_from_a_child_that_goes_on(tmp_path: Path):
    url, context = f"sqlite:///{tmp_path}/m.db", multiprocessing.get_context("fork")
    store = SqlMetadata(url)
    store.write(RUN)
    ours, theirs = context.Pipe()
    child = context.Process(target=_write_on_both_sides_of, args=(theirs, url))
    child.start()
    assert ours.recv() == "written"
    store.close()
    ours.send("closed")
    child.join(60)
    assert {run.id for run in SqlMetadata(url).find(Run)} == {RUN.id, "before", "after"}


def test_the_tables_have_exactly_the_fields_of_the_records(tmp_path: Path):
    inspector = sa.inspect(SqlMetadata(f"sqlite:///{tmp_path}/m.db").engine)
    for kind, table in RECORDS.items():
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        assert columns == {field.name for field in dataclasses.fields(kind)}, f"{table.name}: add a migration"
        assert tuple(inspector.get_pk_constraint(table.name)["constrained_columns"]) == table.identity


def test_every_kind_of_record_has_a_table_and_a_test():
    assert set(RECORDS) == {type(record) for record in EVERY_KIND}


def test_migrations_are_numbered_without_gaps():
    assert [number for number, _ in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_store_of_a_newer_penstock_is_refused(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/m.db"
    store = SqlMetadata(url)
    with store.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO schema_version VALUES (99, 0)"))
    with pytest.raises(StorageError, match="schema version 99"):
        SqlMetadata(url)


def test_a_failed_migration_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"sqlite:///{tmp_path}/m.db"
    SqlMetadata(url).write(RUN)
    broken = (len(MIGRATIONS) + 1, ("CREATE TABLE later (id TEXT)", "NO SQL AT ALL"))
    monkeypatch.setattr("penstock.stores.migrations.MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(StorageError):
        SqlMetadata(url)
    monkeypatch.undo()
    store = SqlMetadata(url)
    assert store.get(Run, "r1") == RUN
    assert not sa.inspect(store.engine).has_table("later")


def test_the_next_migration_is_applied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"sqlite:///{tmp_path}/m.db"
    SqlMetadata(url)
    added = (len(MIGRATIONS) + 1, ("CREATE TABLE later (id TEXT)",))
    monkeypatch.setattr("penstock.stores.migrations.MIGRATIONS", (*MIGRATIONS, added))
    for _ in range(2):
        assert sa.inspect(SqlMetadata(url).engine).has_table("later")


def test_readers_do_not_wait_for_a_writer(tmp_path: Path):
    store = SqlMetadata(f"sqlite:///{tmp_path}/m.db")
    store.write(RUN)
    with sqlite3.connect(tmp_path / "m.db", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM runs")
        assert store.get(Run, "r1") == RUN
        writer.execute("ROLLBACK")
    writer.close()


def test_a_store_in_memory_serves_all_threads():
    store = SqlMetadata("sqlite://")
    threads = [threading.Thread(target=store.write, args=(dataclasses.replace(RUN, id=f"r{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.find(Run)) == 8


def test_a_value_that_json_cannot_keep_names_its_field():
    with pytest.raises(DataError, match=r"Run\.params"):
        SqlMetadata("sqlite://").write(dataclasses.replace(RUN, params={"x": object()}))


def write_on_a_full_disk(store: SqlMetadata) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        store.write(*(dataclasses.replace(RUN, id=f"full{number}") for number in range(5000)))
    except StorageError as error:
        return str(error)
    return "written"


def test_a_full_disk_is_explained_and_loses_nothing_that_was_recorded(tmp_path: Path):
    store = SqlMetadata(f"sqlite:///{tmp_path}/m.db")
    store.write(RUN)
    (message,) = in_processes(write_on_a_full_disk, [(store,)])
    assert "on its disk" in message or "its disk, and" in message
    assert store.find(Run) == [RUN]
    store.write(dataclasses.replace(RUN, id="r2"))


def test_a_file_that_is_no_database_is_explained(tmp_path: Path):
    (tmp_path / "m.db").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StorageError, match="not SQLite's"):
        SqlMetadata(f"sqlite:///{tmp_path}/m.db")


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make the folder"):
        SqlMetadata(f"sqlite:///{tmp_path}/file/m.db")


@pytest.mark.parametrize("url", ["postgresql://localhost/penstock", "not a url"])
def test_other_addresses_are_refused_with_what_there_is(url: str):
    with pytest.raises(DeclarationError, match="sqlite:///"):
        open_metadata(url)


def test_a_store_whose_file_is_deleted_begins_anew(tmp_path: Path):
    store, other = (SqlMetadata(f"sqlite:///{tmp_path}/state/m.db") for _ in range(2))
    store.write(Run(id="r1", pipeline="p", state="succeeded"))
    assert other.find(Run) == store.find(Run)
    shutil.rmtree(tmp_path / "state")
    assert other.find(Run) == []
    store.write(Run(id="r2", pipeline="p", state="succeeded"))
    assert [run.id for run in other.find(Run)] == ["r2"]
    for each in (store, other):
        each.close()
