"""The online stores keep what `penstock.testing` asks of any; and what is Redis' own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from penstock.features import LmdbStore, RedisStore
from penstock.testing import OnlineStoreContract, OnlineTilesContract


@pytest.fixture
def lmdb(tmp_path: Path):
    yield partial(LmdbStore, tmp_path / "online")
    LmdbStore(tmp_path / "online").close()


@pytest.fixture
def redis(redis_url: str):
    return partial(RedisStore, redis_url)


class TestLmdb(OnlineStoreContract, OnlineTilesContract):
    @pytest.fixture
    def opener(self, lmdb):
        return lmdb


@pytest.mark.server
class TestRedis(OnlineStoreContract, OnlineTilesContract):
    @pytest.fixture
    def opener(self, redis):
        return redis
