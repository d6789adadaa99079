"""Large requests take turns, so that many at once hold up a small one by one of them at most. On the mock clock."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.rounds import Rounds

from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.request import BodyCrowded, HttpRequest
from sluicegate.http1.fair_turns import FairTurns

# The numbers that are promised. Taken from the source they would move with it.
SMALL = 16 * 1024
LARGE = 65_536


@pytest.fixture
def refused_in(gate: Any) -> list[int]:
    """The rounds of the loop in which requests were read and found to be none."""
    rounds, found = Rounds(), list[int]()
    trio.lowlevel.add_instrument(rounds)
    gate.endpoint.door.count = lambda _status, _reason: found.append(rounds.now)
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
        nursery.start_soon(gate.app.turns.run)
        assert await post_at_once(gate, b"x" * size) == [400] * 5
        nursery.cancel_scope.cancel()
    assert len(set(refused_in)) == 5


@pytest.mark.parametrize("size", [10, SMALL])
async def test_small_ones_wait_for_nobody(gate: Any, refused_in: list[int], size: int, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.app.turns.run)
        assert await post_at_once(gate, b"x" * size) == [400] * 5
        nursery.cancel_scope.cancel()
    assert len(set(refused_in)) == 1


async def test_where_nobody_calls_them_all_pass(gate: Any, refused_in: list[int], autojump_clock: trio.testing.MockClock) -> None:
    """Before the gateway has begun, and after it has ended."""
    assert await post_at_once(gate, b"x" * LARGE) == [400] * 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.app.turns.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await post_at_once(gate, b"x" * LARGE) == [400] * 5
    assert len(refused_in) == 10


MANY = b",".join(b'"k%06d":1' % number for number in range(340_000))
CROWDED = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","_meta":{%b}}}' % MANY
PIECE = 64 * 1024


async def test_a_crowded_body_is_refused_at_its_end_and_nothing_of_it_is_kept() -> None:
    """Eight at once kept 64 MiB, and each held up everybody else for eight milliseconds."""
    pieces = [CROWDED[start : start + PIECE] for start in range(0, len(CROWDED), PIECE)]
    kept: list[int] = []

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        kept.append(tracemalloc.get_traced_memory()[0])
        piece = bytearray(pieces.pop(0))  # a copy, so that it counts
        return {"type": "http.request", "body": bytes(piece), "more_body": bool(pieces)}

    async def send(_event: object) -> None:
        raise AssertionError

    http = HttpRequest({"method": "POST", "path": "/mcp", "headers": []}, receive, send)
    tracemalloc.start()
    try:
        with pytest.raises(BodyCrowded) as refused:
            await http.read_body(2 * len(CROWDED), FairTurns())
    finally:
        tracemalloc.stop()
    assert refused.value.why.id == b"7"
    assert not pieces
    assert max(kept) < 4 * PIECE


async def test_one_beginning_is_looked_at_in_a_round(gate: Any, refused_in: list[int], autojump_clock: trio.testing.MockClock) -> None:
    """A look takes a quarter of a millisecond, and eight crowded requests may begin together."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.app.turns.run)
        assert await post_at_once(gate, CROWDED[: LARGE + 1]) == [400] * 5
        nursery.cancel_scope.cancel()
    assert len(set(refused_in)) == 5


@pytest.mark.parametrize(("size", "rests"), [(LARGE, 0), (LARGE + 1, 1)])
async def test_a_large_body_is_not_put_together_and_read_in_one_round(size: int, rests: int) -> None:
    """Of four mebibytes each takes up to two milliseconds."""
    rounds, pieces = Rounds(), [b"x" * (size - 1), b"x"]
    last = 0

    async def receive() -> dict[str, Any]:
        nonlocal last
        await trio.lowlevel.checkpoint()
        last = rounds.now
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(_event: object) -> None:
        raise AssertionError

    trio.lowlevel.add_instrument(rounds)
    http = HttpRequest({"method": "POST", "path": "/mcp", "headers": []}, receive, send)
    assert len(await http.read_body(size, FairTurns())) == size
    trio.lowlevel.remove_instrument(rounds)
    assert rounds.now - last == rests


async def test_a_crowded_request_is_told_why(gate: Any) -> None:
    gate.rebuild(limits=Limits(max_body_size=len(CROWDED)))
    session = await gate.open()
    refused = await gate.post(CROWDED, session)
    assert refused.status_code == 400
    assert refused.json() == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -32600, "message": '"_meta" must not have more than 512 members'},
    }
    gate.rebuild(limits=Limits(max_body_size=len(CROWDED) - 1))
    assert (await gate.post(CROWDED)).status_code == 413
