"""Properties of the whole gateway over 200 random worlds; ``scripts/soak --seeds N`` plays more, and replays one."""

from __future__ import annotations

import pytest
from tests.properties.registry import FAMILIES, check, digest

SEEDS, CHUNKS = 200, 8


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_in_every_world_each_call_has_one_reply_in_time_and_all_limits_hold(chunk: int) -> None:
    """TST-G11: what `tests.properties.claims` says, from one reply for each call and no place lost to recovery after the last fault."""
    holds("lives", range(chunk, SEEDS, CHUNKS))


@pytest.mark.parametrize("chunk", range(CHUNKS // 2))
def test_of_any_hundred_calls_each_canary_and_each_mirror_sees_exactly_its_share(chunk: int) -> None:
    holds("shares", range(chunk, SEEDS, CHUNKS // 2))


@pytest.mark.parametrize("chunk", range(CHUNKS // 2))
def test_a_mirror_changes_neither_the_reply_nor_its_moment(chunk: int) -> None:
    holds("mirrors", range(chunk, SEEDS, CHUNKS // 2))


def holds(family: str, seeds: range) -> None:
    _look, names = FAMILIES[family]
    for seed in seeds:
        found = check(seed, names)
        assert not found, "\n\n".join(map(str, found))


def test_a_world_is_the_same_twice() -> None:
    """The long version: ``scripts/soak --seeds 1000 --twice``."""
    assert [digest(seed) for seed in range(3)] == [digest(seed) for seed in range(3)]
