"""Whose a session is: every verb asks, and a stranger learns nothing."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from tests.kit.messages import PING

ONE, TWO = {"authorization": "Bearer one"}, {"authorization": "Bearer two"}
EVENTS = {"accept": "text/event-stream"}


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", {}), ("GET", {"last-event-id": "1-1"}), ("GET", {"last-event-id": "0-0"}), ("DELETE", {})]
)
async def test_a_stranger_is_told_the_same_as_about_a_session_that_never_was(
    gate: Any, talk: Any, autojump_clock: object, method: str, headers: dict[str, str]
) -> None:
    gate.rebuild(tokens=("one", "two"))
    session = await gate.open(**ONE)
    async with gate.stream("POST", session, talk.calling("chatty"), **ONE) as stream:
        await stream.next()
    theirs = await gate.http.request(method, "/mcp", headers=EVENTS | TWO | headers | {"mcp-session-id": session})
    nobodys = await gate.http.request(method, "/mcp", headers=EVENTS | TWO | headers | {"mcp-session-id": "x"})
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    assert (await gate.post(PING, session, **ONE)).status_code == 200
    async with gate.stream("GET", session, last_event_id="1-1", **ONE) as stream:
        assert len(await stream.rest()) == 3


async def test_a_stranger_cannot_cancel(gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.rebuild(tokens=("one", "two"))
    session = await gate.open(**ONE)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    async with gate.stream("POST", session, talk.calling("chatty"), **ONE) as stream:
        assert (await gate.post(cancel, session, **TWO)).status_code == 404
        assert b"done" in (await stream.rest())[-1].data


async def test_a_stranger_does_not_keep_a_session_alive(gate: Any, autojump_clock: object) -> None:
    gate.rebuild(tokens=("one", "two"))
    session = await gate.open(**ONE)
    used_at = gate.app.sessions._sessions[session].used_at
    await trio.sleep(100)
    await gate.post(PING, session, **TWO)
    (kept,) = gate.app.sessions._sessions.values()
    assert kept.used_at == used_at
