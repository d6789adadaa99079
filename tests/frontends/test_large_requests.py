"""Large requests take turns, so that many at once hold up a small one by one of them at most. On the mock clock."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.frontends.endpoint import Limits
from sluicegate.protocol.members import SMALL
from sluicegate.protocol.parts import LARGE


@attrs.define(eq=False)
class Rounds(trio.abc.Instrument):
    """How often the loop has gone round."""

    now: int = 0

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        self.now += 1


@pytest.fixture
def refused_in(gate: Any) -> list[int]:
    """The rounds of the loop in which requests were read and found to be none."""
    rounds, found = Rounds(), list[int]()
    trio.lowlevel.add_instrument(rounds)
    gate.endpoint.refused = lambda _status, _reason: found.append(rounds.now)
    gate.rebuild(limits=Limits(max_body_size=2 * LARGE))
    return found


async def post_at_once(gate: Any, body: bytes) -> list[int]:
    statuses: list[int] = []

    async def post() -> None:
        statuses.append((await gate.post(body)).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(post)
    return statuses


@pytest.mark.parametrize("size", [SMALL + 1, LARGE])
async def test_one_large_request_is_read_in_a_round(
    gate: Any, refused_in: list[int], size: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.app.lane.run)
        assert await post_at_once(gate, b"x" * size) == [400] * 5
        nursery.cancel_scope.cancel()
    assert len(set(refused_in)) == 5


@pytest.mark.parametrize("size", [10, SMALL])
async def test_small_ones_wait_for_nobody(gate: Any, refused_in: list[int], size: int, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.app.lane.run)
        assert await post_at_once(gate, b"x" * size) == [400] * 5
        nursery.cancel_scope.cancel()
    assert len(set(refused_in)) == 1


async def test_where_nobody_calls_them_all_pass(gate: Any, refused_in: list[int], autojump_clock: trio.testing.MockClock) -> None:
    """Before the gateway has begun, and after it has ended."""
    assert await post_at_once(gate, b"x" * LARGE) == [400] * 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.app.lane.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await post_at_once(gate, b"x" * LARGE) == [400] * 5
    assert len(refused_in) == 10
