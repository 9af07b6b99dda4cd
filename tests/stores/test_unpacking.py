"""A folder comes out of its blob once, whole, and as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from penstock.stores import LocalArtifactStore
from penstock.stores.unpacking import pack, unpacked
from penstock.testing.processes import in_processes


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def digest(store: LocalArtifactStore, tmp_path: Path) -> str:
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "b.bin").write_bytes(b"b" * 100)
    (tmp_path / "made" / "run.sh").write_text("#!/bin/sh")
    (tmp_path / "made" / "run.sh").chmod(0o755)
    return pack(tmp_path / "made", store)[0]


def test_a_folder_is_unpacked_once_and_shared(store: LocalArtifactStore, digest: str) -> None:
    first = unpacked(digest, store)
    inode = (first / "deep" / "b.bin").stat().st_ino
    assert (unpacked(digest, store) / "deep" / "b.bin").stat().st_ino == inode
    assert [oct((first / name).stat().st_mode)[-3:] for name in ("deep/b.bin", "run.sh")] == ["444", "555"]
    assert len(list((store.root / "tmp").iterdir())) == 1


def test_the_folder_says_when_it_was_last_asked_for(store: LocalArtifactStore, digest: str) -> None:
    import os

    home = unpacked(digest, store).parent
    os.utime(home, (1, 1))
    unpacked(digest, store)
    assert home.stat().st_mtime > 1_000_000


@pytest.mark.parametrize("change", ["write", "add", "remove"])
def test_a_folder_that_somebody_changed_is_made_anew(store: LocalArtifactStore, digest: str, change: str) -> None:
    folder = unpacked(digest, store)
    file = folder / "deep" / "b.bin"
    if change == "write":
        file.chmod(0o644)
        file.write_bytes(b"x" * 100)
    elif change == "add":
        (folder / "more").write_text("x")
    else:
        file.unlink()
    again = unpacked(digest, store)
    assert (again / "deep" / "b.bin").read_bytes() == b"b" * 100
    assert sorted(path.name for path in again.iterdir()) == ["deep", "run.sh"]


def test_a_folder_that_was_deleted_is_made_again(store: LocalArtifactStore, digest: str) -> None:
    shutil.rmtree(unpacked(digest, store).parent)
    assert (unpacked(digest, store) / "run.sh").read_text() == "#!/bin/sh"


def unpack(root: Path, digest: str) -> str:
    return (unpacked(digest, LocalArtifactStore(root)) / "run.sh").read_text()


def test_processes_that_unpack_at_once_all_get_the_whole(store: LocalArtifactStore, digest: str) -> None:
    assert in_processes(unpack, [(store.root, digest)] * 4) == ["#!/bin/sh"] * 4
    assert [path.name for path in (store.root / "tmp").iterdir()] == [f"unpacked-{digest}"]
