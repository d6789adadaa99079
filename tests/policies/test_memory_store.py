"""Answers in memory: what goes when there is no more room."""

from __future__ import annotations

import random

import pytest
import trio

from sluicegate.policies.memory_store import MemoryStore
from sluicegate.policies.store import Stored
from sluicegate.protocol.calls import Reply
from sluicegate.protocol.changes import is_about
from sluicegate.protocol.messages import Raw


def stored(name: str = "x", size: int = 10, until: float = 100) -> Stored:
    return Stored(Reply(Raw(b"x" * size)), name, 0, until, until)


async def held(store: MemoryStore, names: range) -> set[int]:
    """Which of these it has; asked for in a copy of what it is, since asking changes that."""
    return {name for name in names if (b"%d" % name) in {*store._probation.entries, *store._protected.entries}}


async def test_what_was_not_used_for_longest_goes_first() -> None:
    store = MemoryStore(3, 10**6)
    for number in range(5):
        await store.set(b"%d" % number, stored())
    assert await held(store, range(5)) == {2, 3, 4}


async def test_a_sweep_over_many_names_throws_nothing_out_that_is_in_use() -> None:
    store = MemoryStore(10, 10**6)
    for number in range(5):
        await store.set(b"%d" % number, stored())
        await store.get(b"%d" % number, 0)
    for number in range(100, 1000):
        await store.set(b"%d" % number, stored())
    assert await held(store, range(5)) == set(range(5))


async def test_what_was_in_use_once_makes_room_in_the_end() -> None:
    store = MemoryStore(10, 10**6)
    for number in range(50):
        await store.set(b"%d" % number, stored())
        await store.get(b"%d" % number, 0)
    assert await held(store, range(40, 50)) == set(range(40, 50))


async def test_bytes_are_bounded_and_one_that_is_too_large_throws_nothing_out() -> None:
    store = MemoryStore(1000, 20_000)
    for number in range(10):
        await store.set(b"%d" % number, stored(size=1000))
    assert store.size[0] == 10
    await store.set(b"large", stored(size=6000))
    assert store.size[0] == 10
    for number in range(10, 100):
        await store.set(b"%d" % number, stored(size=2000))
    assert store.size[1] <= 20_000


async def test_one_that_is_set_again_takes_the_place_of_itself_even_where_it_is_too_large_now() -> None:
    store = MemoryStore(10, 10_000)
    await store.set(b"a", stored(size=10))
    await store.get(b"a", 0)
    await store.set(b"a", stored(size=20))
    assert store.size == (1, stored(size=20).size)
    await store.set(b"a", stored(size=9000))
    assert store.size == (0, 0)


async def test_what_is_over_is_not_there() -> None:
    store = MemoryStore(10, 10_000)
    await store.set(b"a", stored(until=5))
    assert await store.get(b"a", 4.9) is not None
    assert await store.get(b"a", 5) is None
    assert store.size == (0, 0)


async def test_one_can_be_deleted_or_what_is_about_a_name_or_all() -> None:
    store = MemoryStore(10, 10_000)
    for key, name in ((b"1", "file:///a"), (b"2", "file:///a/b"), (b"3", "file:///c"), (b"4", "file:///d")):
        await store.set(key, stored(name))
        await store.get(key, 0)
    await store.delete(b"4")
    await store.clear("file:///a")
    assert await held(store, range(5)) == {3}
    await store.clear()
    assert store.size == (0, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_however_it_is_used_it_keeps_its_bounds_and_counts_what_it_has(seed: int) -> None:
    chance, store = random.Random(seed), MemoryStore(7, 8000)
    for _ in range(300):
        key = b"%d" % chance.randrange(12)
        match chance.randrange(8):
            case 0:
                await store.delete(key)
            case 1 if chance.random() < 0.1:
                await store.clear()
            case 2 | 3 | 4:
                await store.get(key, chance.random())
            case _:
                await store.set(key, stored(size=chance.randrange(2500), until=chance.random()))
        every = {**store._probation.entries, **store._protected.entries}
        assert store.size == (len(every), sum(one.size for one in every.values()))
        assert len(every) <= 7
        assert store.size[1] <= 8000
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("name", "changed", "is_so"),
    [
        ("file:///a", "file:///a", True),
        ("file:///%61", "FILE:///a", True),
        ("file:///a", "file:///a/b", True),
        ("file:///a/b", "file:///a", True),
        ("file:///a", "file:///b", False),
    ],
)
def test_a_resource_is_about_itself_in_any_spelling_what_it_is_in_and_what_is_in_it(name: str, changed: str, is_so: bool) -> None:
    assert is_about(name, changed) is is_so
