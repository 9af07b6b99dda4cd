"""What taking blobs out of a store must promise, as tests."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from penstock.core.ports import ArtifactStore
from penstock.stores import Sweeper

Opened = Callable[[], tuple[ArtifactStore, Sweeper]]

LATER = 1_000.0
"""Seconds after which everything that a test puts was used long ago."""


class SweeperContract:
    """Give it the fixture `opened`: a function that opens one and the same empty store, and its sweeper."""

    @pytest.fixture
    def store(self, opened: Opened) -> ArtifactStore:
        """One view of the store."""
        return opened()[0]

    @pytest.fixture
    def sweeper(self, opened: Opened) -> Sweeper:
        """Another view, that sweeps."""
        return opened()[1]

    def test_every_blob_is_listed_with_its_size_and_when_it_was_used(
        self, store: ArtifactStore, sweeper: Sweeper
    ) -> None:
        assert list(sweeper.blobs()) == []
        began = time.time()
        digests = {store.put(content): len(content) for content in (b"", b"one", b"the other")}
        found = list(sweeper.blobs())
        assert {blob.digest: blob.size_bytes for blob in found} == digests
        assert all(began - 1 < blob.used < time.time() + 1 for blob in found)

    def test_what_was_not_used_since_goes(self, store: ArtifactStore, sweeper: Sweeper) -> None:
        one, other = store.put(b"one"), store.put(b"other")
        gone = sweeper.sweep([one], unused_since=time.time() + LATER, keep=(), forget=lambda digests: None)
        assert gone == [one]
        assert not store.has(one)
        assert store.has(other)
        assert store.put(b"one") == one
        store.verify(one)

    def test_what_was_used_since_stays_whole(self, store: ArtifactStore, sweeper: Sweeper) -> None:
        digest = store.put(b"used")
        told: list[str] = []
        assert sweeper.sweep([digest], unused_since=time.time() - LATER, keep=(), forget=told.extend) == []
        assert told == []
        store.verify(digest)

    @pytest.mark.parametrize("use", ["has", "path", "put"])
    def test_asking_for_a_blob_and_putting_it_again_is_use(
        self, store: ArtifactStore, sweeper: Sweeper, use: str
    ) -> None:
        digest = store.put(b"again")
        (before,) = sweeper.blobs()
        time.sleep(0.02)  # longer than a tick of the clock that stamps it
        _ = store.put(b"again") if use == "put" else getattr(store, use)(digest)
        (after,) = sweeper.blobs()
        assert after.used > before.used

    def test_looking_is_no_use(self, store: ArtifactStore, sweeper: Sweeper) -> None:
        digest = store.put(b"looked at")
        before = list(sweeper.blobs())
        time.sleep(0.02)
        assert sweeper.looking.has(digest)
        assert sweeper.looking.path(digest).read_bytes() == b"looked at"
        assert list(sweeper.blobs()) == before

    def test_records_are_forgotten_before_bytes_go_and_what_is_to_be_kept_stays(
        self, store: ArtifactStore, sweeper: Sweeper
    ) -> None:
        one, kept = store.put(b"one"), store.put(b"kept")
        there: list[bool] = []
        told: list[str] = []

        def forget(digests: list[str]) -> None:
            told.extend(digests)
            there.extend(digest in {blob.digest for blob in sweeper.blobs()} for digest in digests)

        later = time.time() + LATER
        assert sweeper.sweep([one, kept], unused_since=later, keep={kept}, forget=forget) == [one]
        assert (told, there) == ([one, kept], [True, True])
        assert store.has(kept)

    def test_who_asks_meanwhile_is_answered_afterwards(self, opened: Opened) -> None:
        store, sweeper = opened()
        digest = store.put(b"asked for")
        answers: list[bool] = []
        asking = threading.Thread(target=lambda: answers.append(opened()[0].has(digest)))
        later = time.time() + LATER
        sweeper.sweep([digest], unused_since=later, keep=(), forget=lambda digests: asking.start())
        asking.join()
        assert answers == [False]

    def test_a_blob_that_is_gone_already_is_told_of_all_the_same(self, store: ArtifactStore, sweeper: Sweeper) -> None:
        digest = store.put(b"twice")
        for _ in range(2):
            told: list[str] = []
            sweeper.sweep([digest], unused_since=time.time() + LATER, keep=(), forget=told.extend)
            assert told == [digest]
