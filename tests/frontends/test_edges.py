"""Bounds of a frontend at their edges, and what comes after a refusal. In memory, on the mock clock."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.request import DROPPED, BodyTooLarge, ClientGone, HttpRequest, Receive

LIMIT = 100


async def nobody(_message: object) -> None:
    await trio.lowlevel.checkpoint()


def body_of(*parts: bytes) -> tuple[Receive, list[bytes]]:
    """A body in these parts, and those of them that were not read."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive, left


def request(receive: Receive, *headers: tuple[bytes, bytes]) -> HttpRequest:
    return HttpRequest({"type": "http", "method": "POST", "path": "/mcp", "headers": list(headers)}, receive, nobody)


@pytest.mark.parametrize("parts", [[b"x" * LIMIT], [b"x"] * LIMIT, [b"x" * (LIMIT - 1), b"", b"x"]])
async def test_a_body_of_just_the_limit_is_taken(parts: list[bytes]) -> None:
    receive, _ = body_of(*parts)
    assert await request(receive).read_body(LIMIT) == b"x" * LIMIT


@pytest.mark.parametrize("parts", [[b"x" * (LIMIT + 1)], [b"x"] * (LIMIT + 1)])
async def test_a_body_of_a_byte_more_is_read_and_refused(parts: list[bytes]) -> None:
    receive, left = body_of(*parts)
    with pytest.raises(BodyTooLarge):
        await request(receive).read_body(LIMIT)
    assert left == []


async def test_half_a_body_is_none() -> None:
    """Whoever goes before the end has asked for nothing, although what came may be a whole message."""
    heard = count()

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": b"{}", "more_body": True} if next(heard) == 0 else {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await request(receive).read_body(LIMIT)


async def test_of_a_body_without_end_no_more_is_read_than_is_dropped() -> None:
    receive, left = body_of(*[b"x" * LIMIT] * 1000)
    with pytest.raises(BodyTooLarge):
        await request(receive).read_body(LIMIT)
    assert 1000 - len(left) == DROPPED + 1


@pytest.mark.parametrize(
    ("announced", "expects", "is_read"),
    [(LIMIT * DROPPED, False, True), (LIMIT * DROPPED + 1, False, False), (LIMIT, True, True), (LIMIT + 1, True, False)],
)
async def test_a_body_that_is_announced_as_too_long_is_not_read(announced: int, expects: bool, is_read: bool) -> None:
    """Whoever waits for a word before it sends hears of it sooner."""
    receive, left = body_of(b"x")
    headers = [(b"content-length", b"%d" % announced)] + [(b"expect", b"100-continue")] * expects
    try:
        await request(receive, *headers).read_body(LIMIT)
    except BodyTooLarge:
        assert not is_read
    assert (left == []) is is_read


@pytest.mark.parametrize(
    ("idle", "orphan", "ended_at"), [(1800.0, 60.0, 1860.0), (400.0, 300.0, 420.0), (40.0, 60.0, 50.0), (40.0, 8.0, 48.0)]
)
async def test_idle_sessions_are_looked_for_each_minute_or_sooner(
    idle: float, orphan: float, ended_at: float, gate: Any, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A quarter of their time, the time of an orphan, or a minute: what is shortest."""
    gate.rebuild(limits=Limits(session_idle_seconds=idle, orphan_seconds=orphan))
    nursery.start_soon(gate.app.sessions.sweep)
    await trio.sleep(0.5)
    await gate.open()
    await trio.sleep_until(ended_at - 0.1)
    assert len(gate.app.sessions) == 1
    await trio.sleep_until(ended_at + 0.1)
    assert len(gate.app.sessions) == 0
    nursery.cancel_scope.cancel()


async def test_after_a_refusal_nothing_else_is_said(gate: Any, autojump_clock: trio.testing.MockClock) -> None:
    """A stream that the client does not take is neither opened nor counted."""
    session = await gate.open()
    with trio.fail_after(1):
        answer = await gate.http.get("/mcp", headers={"mcp-session-id": session, "accept": "application/json"})
    assert (answer.status_code, "accept text/event-stream" in answer.text) == (406, True)
    assert len(gate.app.sessions._sessions[session].streams) == 0


async def test_who_asks_for_the_route_gets_it_and_nobody_else(gate: Any, talk: Any, tools: Any) -> None:
    from sluicegate.protocol.calls import Call, Hop, Reply

    async def traced(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.trail.hops += [Hop("a", "ok", 1.0)]
        done: Reply = talk.result("done")
        return done

    tools["traced"] = traced
    session = await gate.open()
    asked = [{"sluicegate/route": True}, {"sluicegate/route": False}, {"sluicegate/route": 1}, {"x": "sluicegate/route"}, {}]
    told = [(await gate.post(talk.calling("traced", _meta=meta), session)).json()["result"] for meta in asked]
    assert ["_meta" in result for result in told] == [True, False, False, False, False]
