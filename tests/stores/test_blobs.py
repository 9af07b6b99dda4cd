"""Blobs in a local folder: the contract, and what only a folder can suffer."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

from penstock.core.ports import ArtifactStore
from penstock.errors import DataError, DeclarationError, StorageError
from penstock.stores import LocalArtifactStore, open_artifacts
from penstock.testing import ArtifactStoreContract
from penstock.testing.processes import in_processes, killed_while

LIMIT_BYTES = 1 << 20


class TestLocalArtifactStore(ArtifactStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> partial[LocalArtifactStore]:
        return partial(LocalArtifactStore, tmp_path / "artifacts")


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def files(store: LocalArtifactStore) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_a_blob_lies_under_its_digest(store: LocalArtifactStore):
    digest = store.put(b"12345")
    assert files(store) == [f"cas/{digest[:2]}/{digest[2:]}", "lock"]


def test_a_blob_that_a_power_cut_shortened_does_not_count(store: LocalArtifactStore):
    digest = store.put(b"12345")
    path = store.path(digest)
    sealed = path.stat().st_mtime_ns
    path.chmod(0o644)
    os.truncate(path, 0)  # its name and its times were on the platter, its bytes were not
    os.utime(path, ns=(sealed, sealed))
    assert not store.has(digest)
    store.put(b"12345")
    store.verify(digest)


def test_a_blob_that_was_copied_without_its_times_is_taken_for_what_it_is(store: LocalArtifactStore):
    digest = store.put(b"12345")
    os.utime(store.path(digest))
    assert store.has(digest)
    assert store.path(digest).stat().st_mtime < time.time() - 86_400  # sealed again


def kill_before_the_blob_is_named(store: LocalArtifactStore) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        if "/cas/" in target:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)

    os.replace = replace  # type: ignore[assignment]  # only in this forked process
    store.put(b"almost")


def test_a_kill_just_before_the_rename_leaves_no_blob(store: LocalArtifactStore):
    killed_while(kill_before_the_blob_is_named, store)
    digest = store.put(b"other")
    assert [name for name in files(store) if name.startswith("cas/")] == [f"cas/{digest[:2]}/{digest[2:]}"]


def put_on_a_full_disk(store: LocalArtifactStore, source: Path | None) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    try:
        store.put(source or b"x" * (4 * LIMIT_BYTES))
    except StorageError as error:
        return str(error)
    return "stored"


@pytest.mark.parametrize("from_a_file", [False, True])
def test_a_full_disk_is_explained_and_nothing_is_left(store: LocalArtifactStore, tmp_path: Path, from_a_file: bool):
    source = tmp_path / "large"
    source.write_bytes(b"x" * (4 * LIMIT_BYTES))
    (message,) = in_processes(put_on_a_full_disk, [(store, source if from_a_file else None)])
    assert "Free some space" in message
    assert str(store.root) in message
    assert files(store) == []


def put_where_it_is_forbidden(store: LocalArtifactStore) -> str:
    os.setuid(65534)
    try:
        store.put(b"x")
    except StorageError as error:
        return str(error)
    return "stored"


@pytest.mark.skipif(os.getuid() != 0, reason="another user can only be played by root")
def test_a_forbidden_folder_is_explained(store: LocalArtifactStore):
    (message,) = in_processes(put_where_it_is_forbidden, [(store,)])
    assert "give that user permission" in message.lower()
    assert str(store.root) in message
    assert files(store) == []


def put_as_another(store: LocalArtifactStore) -> str:
    os.setuid(65534)
    return store.put(b"shared")


@pytest.mark.skipif(os.getuid() != 0, reason="another user can only be played by root")
@pytest.mark.parametrize("writable", [True, False])
def test_another_users_blob_is_made_ones_own_where_that_may_be(writable: bool):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are for one user only
        store = LocalArtifactStore(Path(folder))
        digest = store.put(b"shared")
        for each in (store.root, *(path for path in store.root.rglob("*") if path.is_dir())):
            each.chmod(0o777 if writable else 0o755)
        assert in_processes(put_as_another, [(store,)]) == [digest]
        assert store.path(digest).stat().st_uid == (65534 if writable else 0)
        store.verify(digest)


def test_a_folder_in_place_of_a_file_is_refused(store: LocalArtifactStore, tmp_path: Path):
    with pytest.raises(DataError, match="no file at"):
        store.put(tmp_path / "missing")
    with pytest.raises(DataError, match="no file at"):
        store.put(tmp_path)


def test_an_address_is_a_path_or_a_file_address(tmp_path: Path):
    stores: list[ArtifactStore] = [open_artifacts(str(tmp_path)), open_artifacts((tmp_path).as_uri())]
    digest = stores[0].put(b"x")
    assert stores[1].has(digest)


@pytest.mark.parametrize("address", ["s3://bucket/prefix", "file://server/share", ""])
def test_other_addresses_are_refused_with_what_there_is(address: str):
    with pytest.raises(DeclarationError, match="today a folder can"):
        open_artifacts(address)
