"""What every online store must promise, as tests."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

import itertools
import random
import struct
import threading
from collections.abc import Callable, Sequence

import pytest

from penstock.features import OnlineStore
from penstock.testing.processes import in_processes, killed_after

Opener = Callable[[], OnlineStore]

AGES = [
    struct.pack(">QQQ", event ^ 1 << 63, created ^ 1 << 63, sequence ^ 1 << 63)
    for event, created, sequence in [
        (0, 0, 1), (0, 0, 2), (0, 97, 1), (0, 98, 1), (0, 255, 1), (0, 256, 0), (1, 0, 1), (65, 0, 1), (97, 0, 0),
        (233, 0, 0), (1 << 40, 0, 0), ((1 << 40) + 1, 0, 0), ((1 << 63) - 1, 0, 0), ((1 << 63) - 1, (1 << 63) - 1, 0),
    ]
]  # fmt: skip
"""From the oldest to the newest; with letters among the bytes, which some languages sort otherwise."""


def age(number: int) -> bytes:
    """Return the age of the `number`-th row."""
    return struct.pack(">QQQ", 1 << 63, 1 << 63, number + (1 << 63))


def write_versions(store: OnlineStore, keys: Sequence[bytes], versions: Sequence[int]) -> str:
    """Put all keys together, once for each version."""
    for version in versions:
        record = age(version) + b"%d" % version * 20
        store.put(dict.fromkeys(keys, record), mark=(b"set@1", version))
    return "written"


def read_versions(store: OnlineStore, keys: Sequence[bytes], times: int) -> int:
    """Read all keys together some times; return how often they were of several versions, or older than before."""
    torn, last = 0, b""
    for _ in range(times):
        records = set(map(bytes, filter(None, store.get(keys))))
        torn += len(records) > 1 or max(records, default=b"") < last
        last = max(records, default=b"")
    return torn


class OnlineStoreContract:
    """Give it the fixture `opener`: a function that opens one and the same empty store, each time it is called."""

    @pytest.fixture
    def store(self, opener: Opener) -> OnlineStore:
        return opener()

    def test_a_record_comes_back_as_it_was_put(self, store: OnlineStore, opener: Opener) -> None:
        records = {b"fa@1\0" + bytes([n]): age(n) + content for n, content in enumerate([b"", b"\0", b"x\r\n$-1\r\n"])}
        store.put(records)
        assert opener().get([*records, b"fa@1\0other"]) == [*records.values(), None]
        assert store.get([]) == []
        assert store.get([b"fa@1\0\1", b"fa@1\0\0", b"fa@1\0\1"]) == [age(1) + b"\0", age(0), age(1) + b"\0"]

    def test_the_newest_wins_whatever_the_order(self, store: OnlineStore) -> None:
        draw = random.Random(7)  # noqa: S311  # orders, the same each time
        pairs = list(itertools.permutations(range(len(AGES)), 2))
        for number, order in enumerate([*pairs, *(draw.sample(range(len(AGES)), len(AGES)) for _ in range(20))]):
            key = b"fa@1\0%d" % number
            for position in order:
                store.put({key: AGES[position] + b"%d" % position})
            assert store.get([key]) == [AGES[max(order)] + b"%d" % max(order)], order

    def test_what_is_as_old_as_what_is_there_changes_nothing(self, store: OnlineStore) -> None:
        store.put({b"fa@1\0k": age(1) + b"first"})
        store.put({b"fa@1\0k": age(1) + b"second"})
        assert store.get([b"fa@1\0k"]) == [age(1) + b"first"]

    def test_a_mark_only_rises(self, store: OnlineStore, opener: Opener) -> None:
        assert store.mark(b"a@1") == 0
        for number, expected in [(9, 9), (10, 10), (3, 10), (2**62 + 1, 2**62 + 1), (2**62, 2**62 + 1)]:
            store.put({}, mark=(b"a@1", number))
            assert opener().mark(b"a@1") == expected
        assert store.mark(b"a@10") == 0

    def test_long_and_odd_keys_are_keys_of_their_own(self, store: OnlineStore) -> None:
        odd = [b"", b"\0", b"\0\0", b"*", b"?", b"{a}", b"}", b"[ab]", b"\r\n", b"\xff" * 9, " ü".encode()]
        long = [b"x" * n + end for n in (400, 509, 510, 511, 512, 600, 5000) for end in (b"", b"a", b"b", b"\0")]
        records = {b"fa@1\0" + rest: age(n) + rest[-9:] for n, rest in enumerate([*odd, *long])}
        assert len(records) == len(odd) + len(long)
        store.put(records)
        assert store.get(list(records)) == list(records.values())
        assert store.delete(list(records)[:20]) == 20
        assert store.get(list(records)) == [None] * 20 + list(records.values())[20:]

    def test_large_records_and_many(self, store: OnlineStore) -> None:
        large = {b"fa@1\0large%d" % n: age(n) + random.Random(n).randbytes(3_000_000) for n in range(3)}  # noqa: S311
        many = {b"fb@1\0%d" % n: age(n) + b"%d" % n for n in range(10_000)}
        store.put(large | many, mark=(b"b@1", 10_000))
        assert store.get(list(large)) == list(large.values())
        assert store.get(list(many)) == list(many.values())
        assert store.mark(b"b@1") == 10_000

    def test_a_deleted_record_is_gone_and_an_older_one_may_come(self, store: OnlineStore) -> None:
        store.put({b"fa@1\0a": age(5), b"fa@1\0b": age(5), b"fa@1\0c": age(5)})
        assert store.delete([b"fa@1\0a", b"fa@1\0c", b"fa@1\0d"]) == 2
        assert store.delete([b"fa@1\0a"]) == store.delete([]) == 0
        store.put({b"fa@1\0a": age(1)})
        assert store.get([b"fa@1\0a", b"fa@1\0b", b"fa@1\0c"]) == [age(1), age(5), None]

    @pytest.mark.parametrize("name", [b"a@1", b"a*@1", b"a?@1", b"[a]@1", b"a\\@1", b"a-b^@1"])
    def test_a_set_is_cleared_and_no_other(self, store: OnlineStore, name: bytes) -> None:
        prefix = b"f" + name + b"\0"
        others = {b"f" + other + b"\0k": age(1) for other in (b"a@11", b"ab@1", b"aa@1", b"b@1", b"a", b"A@1")}
        mine = {prefix + b"%d" % n: age(n) for n in range(2_500)} | {prefix: age(1), prefix + b"x" * 600: age(1)}
        store.put(mine, mark=(name, 7))
        store.put(others, mark=(b"b@1", 8))
        assert store.clear(prefix, mark=name) == len(mine)
        assert store.get(list(mine)) == [None] * len(mine)
        assert store.get(list(others)) == list(others.values())
        assert (store.mark(name), store.mark(b"b@1")) == (0, 8)
        assert store.clear(prefix, mark=name) == 0

    def test_no_reader_sees_a_part_of_a_batch(self, opener: Opener) -> None:
        keys = [b"fa@1\0%d" % n for n in range(100)]
        writers = [(write_versions, opener(), keys, range(first, 300, 2)) for first in (0, 1)]
        done = in_processes(_call, [*writers, *[(read_versions, opener(), keys, 200)] * 8])
        assert done == ["written"] * 2 + [0] * 8
        store = opener()
        assert set(store.get(keys)) == {age(299) + b"299" * 20}
        assert store.mark(b"set@1") == 299

    def test_a_writer_that_is_killed_leaves_whole_batches(self, opener: Opener) -> None:
        keys = [b"fa@1\0%d" % n for n in range(1_000)]
        for number in range(10):
            first = number * 1000
            killed_after(0.003 * number, write_versions, opener(), keys, range(first, first + 1000))
            store = opener()
            found = set(store.get(keys))
            assert len(found) == 1
            versions = {
                None if record is None else int.from_bytes(record[16:24], "big") - (1 << 63) for record in found
            }
            assert versions in ({store.mark(b"set@1")}, {None})

    def test_threads_share_a_store(self, store: OnlineStore) -> None:
        keys = [b"fa@1\0%d" % n for n in range(20)]
        torn: list[int] = []
        threads = [threading.Thread(target=write_versions, args=(store, keys, range(100)))]
        threads += [threading.Thread(target=lambda: torn.append(read_versions(store, keys, 100))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert torn == [0] * 4

    def test_a_forked_process_goes_on_with_the_store(self, store: OnlineStore) -> None:
        store.put({b"fa@1\0k": age(1)})
        keys = [b"fa@1\0k"]
        assert in_processes(read_versions, [(store, keys, 50), (store, keys, 50)]) == [0, 0]
        assert (
            in_processes(write_versions, [(store, keys, range(2, 50)), (store, keys, range(2, 50))]) == ["written"] * 2
        )
        assert store.get(keys) == [age(49) + b"49" * 20]

    def test_a_store_that_was_closed_is_opened_again(self, store: OnlineStore) -> None:
        store.put({b"fa@1\0k": age(1)})
        store.close()
        assert store.get([b"fa@1\0k"]) == [age(1)]
        store.close()
        store.close()


def _call(function: Callable[..., object], *arguments: object) -> object:
    return function(*arguments)
