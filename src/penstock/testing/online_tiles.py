"""What every online store must promise of tiles, as tests."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from penstock.features import OnlineStore
from penstock.testing.processes import in_processes, killed_after

Opener = Callable[[], OnlineStore]

LEAST, MOST = b"\0" * 9, b"\xff" * 9
OWNERS = [b"wa@1\0%d" % n for n in range(30)]


def place(number: int) -> bytes:
    """Return a place; a greater number is a greater one."""
    return number.to_bytes(9, "big")


def move(store: OnlineStore, name: bytes, tiles: dict[tuple[bytes, bytes], bytes]) -> int:
    """Store tiles and move the mark by one; return where it is then."""
    while True:
        before = store.mark(name)
        if store.put_tiles(tiles, mark=(name, before, before + 1)):
            return before + 1


def count_up(store: OnlineStore, times: int) -> int:
    """Add one to the number in the tile of each owner, some times, whoever does the same."""
    for _ in range(times):
        while True:
            before = store.mark(b"a@1/w")
            found = store.tiles([(owner, [(place(5), place(5))]) for owner in OWNERS])
            tiles = {
                (owner, place(5)): b"%d" % (int(there.get(place(5), b"0")) + 1)
                for owner, there in zip(OWNERS, found, strict=True)
            }
            if store.put_tiles(tiles, mark=(b"a@1/w", before, before + 1)):
                break
    return times


def look(store: OnlineStore, times: int) -> int:
    """Read the tiles of all owners some times; return how often they did not say the same."""
    torn = 0
    for _ in range(times):
        found = store.tiles([(owner, [(LEAST, MOST)]) for owner in OWNERS])
        torn += len({bytes(there.get(place(5), b"")) for there in found}) > 1
    return torn


class OnlineTilesContract:
    """Give it the fixture `opener`: a function that opens one and the same empty store, each time it is called."""

    @pytest.fixture
    def store(self, opener: Opener) -> OnlineStore:
        return opener()

    def test_tiles_are_read_by_ranges_with_both_ends(self, store: OnlineStore, opener: Opener) -> None:
        draw = random.Random(5)  # noqa: S311  # examples, the same each time
        numbers = [
            0,
            1,
            254,
            255,
            256,
            65535,
            1 << 40,
            (1 << 72) - 2,
            (1 << 72) - 1,
            *(draw.randrange(1 << 71) for _ in range(20)),
        ]
        tiles = {(owner, place(n)): b"%d" % n * (n % 7) for owner in (b"wa@1\0x", b"wa@1\0y") for n in numbers}
        assert store.put_tiles(tiles, mark=(b"a@1/w", 0, 3))
        edges = sorted({min(max(n + delta, 0), (1 << 72) - 1) for n in numbers for delta in (-1, 0, 1)})
        asked, expected = [], []
        for _ in range(200):
            first, second, third, fourth = sorted(draw.choices(edges, k=4))
            owner = draw.choice([b"wa@1\0x", b"wa@1\0y", b"wa@1\0", b"wa@1\0x\0"])
            asked.append((owner, [(place(first), place(second)), (place(third), place(fourth))]))
            inside = [n for n in numbers if first <= n <= second or third <= n <= fourth]
            expected.append({place(n): tiles[owner, place(n)] for n in inside if (owner, place(n)) in tiles})
        assert opener().tiles(asked) == expected
        assert store.tiles([]) == []
        assert store.tiles([(b"wa@1\0x", [])]) == [{}]

    def test_a_tile_is_replaced(self, store: OnlineStore) -> None:
        for content in (b"longer before", b"", b"\xff" * 30, b"\0", b"\xff"):
            move(store, b"a@1/w", {(b"wa@1\0x", place(1)): content, (b"wa@1\0x", place(2)): b"beside"})
            assert store.tiles([(b"wa@1\0x", [(LEAST, MOST)])]) == [{place(1): content, place(2): b"beside"}]

    def test_nothing_is_stored_where_the_mark_is_elsewhere(self, store: OnlineStore) -> None:
        owner = b"wa@1\0x"
        assert store.put_tiles({(owner, place(1)): b"one"}, mark=(b"a@1/w", 0, 2**61 + 1))
        for before in (0, 1, 2**61, 2**61 + 2):
            assert not store.put_tiles({(owner, place(1)): b"other"}, mark=(b"a@1/w", before, 2**62))
        assert store.tiles([(owner, [(LEAST, MOST)])]) == [{place(1): b"one"}]
        assert store.mark(b"a@1/w") == 2**61 + 1
        assert store.put_tiles({}, mark=(b"a@1/w", 2**61 + 1, 2**62))
        assert (store.mark(b"a@1/w"), store.mark(b"a@1")) == (2**62, 0)

    def test_tiles_and_records_of_an_entity_go_together(self, store: OnlineStore) -> None:
        long = b"wa@1\0" + b"x" * 600
        tiles = {
            (owner, place(n)): b"%d" % n for owner in (b"wa@1\0x", b"wa@1\0xy", long, long + b"y") for n in range(5)
        }
        store.put({b"wa@1\0x": b"\0" * 24, b"fa@1\0x": b"\0" * 24})
        move(store, b"a@1/w", tiles)
        assert store.delete([b"wa@1\0x", b"fa@1\0x", long, b"wa@1\0none"]) == 12
        left = store.tiles([(owner, [(LEAST, MOST)]) for owner in (b"wa@1\0x", b"wa@1\0xy", long, long + b"y")])
        assert [len(each) for each in left] == [0, 5, 0, 5]
        assert store.get([b"wa@1\0x", b"fa@1\0x"]) == [None, None]

    def test_the_tiles_of_a_set_are_cleared_and_no_others(self, store: OnlineStore) -> None:
        owners = [b"wa@1\0x", b"wa@1\0y", b"wa@1\0", b"wa@11\0x", b"wb@1\0x"]
        move(store, b"a@1/w", {(owner, place(n)): b"t" for owner in owners for n in range(3)})
        assert store.clear(b"wa@1\0", mark=b"a@1/w") == 9
        left = store.tiles([(owner, [(LEAST, MOST)]) for owner in owners])
        assert [len(each) for each in left] == [0, 0, 0, 3, 3]
        assert store.mark(b"a@1/w") == 0

    def test_old_tiles_are_trimmed(self, store: OnlineStore) -> None:
        owners = [b"wa@1\0x", b"wa@1\0y", b"wb@1\0x"]
        move(store, b"a@1/w", {(owner, place(n)): b"%d" % n for owner in owners for n in range(10)})
        assert store.trim_tiles(b"wa@1\0", [(place(0), place(3)), (place(6), place(8))]) == 10
        left = store.tiles([(owner, [(LEAST, MOST)]) for owner in owners])
        assert [sorted(int(content) for content in each.values()) for each in left] == [
            [3, 4, 5, 8, 9], [3, 4, 5, 8, 9], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        ]  # fmt: skip

    def test_many_owners_and_large_tiles(self, store: OnlineStore) -> None:
        tiles = {(b"wa@1\0%d" % n, place(n)): b"%d" % n for n in range(12_000)}
        tiles[b"wa@1\0large", place(1)] = random.Random(3).randbytes(2_000_000)  # noqa: S311  # the same each time
        move(store, b"a@1/w", tiles)
        found = store.tiles([(owner, [(LEAST, MOST)]) for owner, _ in tiles])
        assert found == [{at: content} for (_, at), content in tiles.items()]

    def test_writers_lose_nothing_and_readers_see_no_half(self, opener: Opener) -> None:
        done = in_processes(_call, [(count_up, opener(), 60)] * 2 + [(look, opener(), 150)] * 6)
        assert done == [60, 60] + [0] * 6
        store = opener()
        assert store.tiles([(owner, [(LEAST, MOST)]) for owner in OWNERS]) == [{place(5): b"120"}] * len(OWNERS)
        assert store.mark(b"a@1/w") == 120

    def test_a_writer_that_is_killed_has_counted_or_not(self, opener: Opener) -> None:
        for number in range(10):
            killed_after(0.003 * number, count_up, opener(), 10_000)
            store = opener()
            mark = store.mark(b"a@1/w")
            expected = {place(5): b"%d" % mark} if mark else {}
            assert store.tiles([(owner, [(LEAST, MOST)]) for owner in OWNERS]) == [expected] * len(OWNERS)


def _call(function: Callable[..., object], *arguments: object) -> object:
    return function(*arguments)
