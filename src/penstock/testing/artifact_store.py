"""What every store of blobs must promise, as tests."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from penstock.core.ports import ArtifactStore
from penstock.errors import CorruptArtifactError
from penstock.testing.processes import in_processes, killed_while

Opener = Callable[[], ArtifactStore]


class ArtifactStoreContract:
    """Give it the fixture `opener`: a function that opens one and the same empty store whenever it is called."""

    @pytest.fixture
    def store(self, opener: Opener) -> ArtifactStore:
        """One view of the store."""
        return opener()

    def overwrite(self, store: ArtifactStore, digest: str, content: bytes) -> None:
        """Change a blob behind the store's back; a store whose `path` is only a copy must say how."""
        path = store.path(digest)
        path.chmod(0o644)
        path.write_bytes(content)

    @pytest.mark.parametrize("content", [b"", b"km\n1.5\n", bytes(range(256)) * 20_000])
    def test_bytes_come_back_under_the_blake3_digest_of_them(self, store: ArtifactStore, content: bytes) -> None:
        digest = store.put(content)
        assert digest == blake3(content).hexdigest()
        assert store.has(digest)
        assert store.path(digest).read_bytes() == content

    def test_a_file_is_copied_and_stays_where_it_is(self, store: ArtifactStore, tmp_path: Path) -> None:
        source = tmp_path / "rows.csv"
        source.write_bytes(b"km\n1.5\n" * 500_000)
        digest = store.put(source)
        assert source.exists()
        assert store.path(digest).read_bytes() == source.read_bytes()
        assert digest == blake3(source.read_bytes()).hexdigest()

    def test_a_scratch_file_is_moved(self, store: ArtifactStore) -> None:
        scratch = store.scratch()
        scratch.write_bytes(b"temporary")
        digest = store.put(scratch)
        assert not scratch.exists()
        assert store.path(digest).read_bytes() == b"temporary"

    def test_scratch_paths_are_fresh(self, store: ArtifactStore) -> None:
        paths = {store.scratch() for _ in range(50)}
        assert len(paths) == 50
        assert not any(path.exists() for path in paths)

    def test_the_same_bytes_are_stored_once_however_they_come(self, store: ArtifactStore, tmp_path: Path) -> None:
        scratch, file = store.scratch(), tmp_path / "file"
        for path in (scratch, file):
            path.write_bytes(b"the same")
        assert store.put(b"the same") == store.put(scratch) == store.put(file)
        assert not scratch.exists()

    def test_a_stored_blob_is_read_only(self, store: ArtifactStore) -> None:
        assert store.path(store.put(b"fixed")).stat().st_mode & 0o222 == 0

    def test_what_was_never_stored_is_not_there(self, store: ArtifactStore) -> None:
        missing = blake3(b"never stored").hexdigest()
        assert not store.has(missing)
        with pytest.raises(CorruptArtifactError) as caught:
            store.path(missing)
        assert caught.value.digest == missing
        assert missing[:12] in str(caught.value)

    def test_a_cut_off_blob_does_not_count_and_the_next_put_heals_it(self, store: ArtifactStore) -> None:
        content = b"whole" * 1000
        digest = store.put(content)
        self.overwrite(store, digest, content[:-1])
        assert not store.has(digest)
        with pytest.raises(CorruptArtifactError, match="cut off"):
            store.path(digest)
        assert store.put(content) == digest
        store.verify(digest)

    def test_verify_notices_one_changed_byte(self, store: ArtifactStore) -> None:
        digest = store.put(b"0123456789")
        store.verify(digest)
        self.overwrite(store, digest, b"0123456780")
        with pytest.raises(CorruptArtifactError, match=digest[:12]):
            store.verify(digest)

    def test_another_view_of_the_store_sees_it_at_once(self, opener: Opener) -> None:
        digest = opener().put(b"shared")
        assert opener().path(digest).read_bytes() == b"shared"

    def test_eight_processes_that_store_the_same_bytes_all_succeed(self, opener: Opener) -> None:
        content = b"raced for" * 100_000
        results = in_processes(_put, [(opener, content)] * 8)
        digest = blake3(content).hexdigest()
        assert results == [digest] * 8
        opener().verify(digest)

    def test_a_process_killed_while_it_stores_leaves_nothing_half_written(self, opener: Opener) -> None:
        for attempt in range(4):
            content = bytes([attempt]) * 20_000_000
            killed_while(_put, opener, content)
            store, digest = opener(), blake3(content).hexdigest()
            if store.has(digest):
                store.verify(digest)  # it was faster than the kill
            assert store.put(content) == digest
            store.verify(digest)


def _put(opener: Opener, content: bytes) -> str:
    return opener().put(content)
