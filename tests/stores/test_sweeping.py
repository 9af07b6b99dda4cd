"""The sweeper of a store in a folder: what every sweeper promises; the projects of a store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.errors import StorageError, UnknownNameError
from penstock.stores import LocalArtifactStore, LocalSweeper, Members, SqlMetadata
from penstock.testing import SweeperContract


class TestLocalSweeper(SweeperContract):
    @pytest.fixture
    def opened(self, tmp_path: Path):
        def opened() -> tuple[LocalArtifactStore, LocalSweeper]:
            store = LocalArtifactStore(tmp_path / "store")
            return store, LocalSweeper(store)

        return opened


def test_a_swept_blob_leaves_nothing(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    digest = store.put(b"gone")
    LocalSweeper(store).sweep([digest], unused_since=2**40, keep=(), forget=lambda digests: None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "lock"]


def test_scratch_of_processes_that_live_is_not_listed(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    store.scratch().write_bytes(b"ours")
    (tmp_path / "tmp" / "999999999-ab").write_bytes(b"of a process that is gone")
    assert [path.name for path, _ in LocalSweeper(store).scratch()] == ["999999999-ab"]


def test_a_lock_of_a_fork_is_its_own(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    store.put(b"so that there is a lock")
    with store.lock.together():
        child = os.fork()
        if child == 0:
            with store.lock.together():
                pass
            os._exit(0)
        os.waitpid(child, 0)
        assert not _free_for_one(tmp_path)
    assert _free_for_one(tmp_path)


def _free_for_one(root: Path) -> bool:
    import fcntl

    with (root / "lock").open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_projects_of_a_store_are_found_by_the_others(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}/m.db" for name in ("one", "two")]
    members = Members(tmp_path / "far" / "store")
    for name, url in zip(("one", "two"), urls, strict=True):
        SqlMetadata(url).close()
        members.join(name, url)
        members.join(name, url)
    assert {member.project for member in members.all()} == {"one", "two"}
    assert [member.project for member, _ in members.others(urls[0])] == ["two"]


def test_a_project_in_memory_of_one_process_does_not_join(tmp_path: Path) -> None:
    Members(tmp_path).join("one", "sqlite://")
    assert Members(tmp_path).all() == []


def test_records_beside_the_store_are_found_again_where_both_are_moved(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    SqlMetadata(f"sqlite:///{old}/m.db").close()
    Members(old / "artifacts").join("one", f"sqlite:///{old}/m.db")
    old.rename(new)
    assert list(Members(new / "artifacts").others(f"sqlite:///{new}/m.db")) == []
    assert [member.metadata for member, _ in Members(new / "artifacts").others("sqlite:///elsewhere.db")] == [
        "sqlite:///../m.db"
    ]


def test_a_project_without_records_is_named_and_can_be_forgotten(tmp_path: Path) -> None:
    members = Members(tmp_path / "store")
    members.join("gone", f"sqlite:///{tmp_path}/far/away/m.db")
    with pytest.raises(StorageError, match=r"project 'gone' .*there is no file .*m\.db.*--forget 'gone'"):
        list(members.others("sqlite:///elsewhere.db"))
    assert not (tmp_path / "far").exists()
    assert members.leave("gone").project == "gone"
    assert list(members.others("sqlite:///elsewhere.db")) == []
    with pytest.raises(UnknownNameError, match="no project named 'gone'"):
        members.leave("gone")


def test_a_damaged_word_of_a_project_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "ab.json").write_text("{")
    with pytest.raises(StorageError, match=r"ab\.json, which names a project of the store, is damaged"):
        Members(tmp_path).all()
