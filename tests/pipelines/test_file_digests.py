"""Digests of files: small and large, and read only once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3

from penstock.pipelines import file_digests
from penstock.pipelines.file_digests import content_digest

OLD = 1_000_000_000


@pytest.mark.parametrize("size", [0, 10, (1 << 20) + 1, (1 << 25) + 1])
def test_a_file_of_any_size_has_the_digest_of_its_bytes(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = bytes(size)
    (tmp_path / "a").write_bytes(content)
    assert content_digest(str(tmp_path / "a")) == blake3(content).hexdigest()


def test_a_large_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(file_digests, "_MAPPED_BYTES", 1)
    monkeypatch.setattr(file_digests, "_LARGE_BYTES", 2)
    path = tmp_path / "large"
    path.write_bytes(b"abc")
    os.utime(path, (OLD, OLD))
    first = content_digest(str(path))
    path.write_bytes(b"xyz")
    os.utime(path, (OLD, OLD))  # in place, the same size, time and inode: nothing tells
    assert content_digest(str(path)) == first
    os.utime(path, (OLD, OLD + 1))
    assert content_digest(str(path)) == blake3(b"xyz").hexdigest()


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(file_digests, "_MAPPED_BYTES", 1)
    monkeypatch.setattr(file_digests, "_LARGE_BYTES", 2)
    (tmp_path / "large").write_bytes(b"abc")
    content_digest(str(tmp_path / "large"))
    assert not (tmp_path / "cache").exists()
