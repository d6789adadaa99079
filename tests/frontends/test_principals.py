"""Whose a session is: every verb asks, and a stranger learns nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio
from tests.kit.messages import PING

from sluicegate.identity.identify import Refused, Sent
from sluicegate.protocol.calls import Call, Handler, Reply
from sluicegate.protocol.principal import Principal

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


@attrs.define
class Duties:
    """Tells who calls by a header; what he may do is another header's word, and can change from one request to the next."""

    async def identify(self, request: Sent) -> Principal | Refused:
        (subject,), (role,) = request.headers.all(b"x-who"), request.headers.all(b"x-role")
        return Principal(subject.decode(), roles=frozenset({role.decode()}))


@attrs.define
class Watching:
    """Remembers who called in which role."""

    inner: Handler
    seen: list[tuple[str, str, str]] = attrs.field(factory=list)

    async def __call__(self, call: Call) -> Reply:
        (role,) = call.caller.principal.roles
        self.seen.append((call.caller.principal.key, role, call.caller.session))
        return await self.inner(call)


async def test_a_policy_sees_whoever_has_shown_who_he_is_with_this_request(gate: Any, talk: Any, autojump_clock: object) -> None:
    """A role that was taken away after a session began would be his until its end; the session stays his, whatever his role is."""
    watching = gate.endpoint.handler = Watching(gate.endpoint.handler)
    gate.app.identity = Duties()
    session = await gate.open(**{"x-who": "ann", "x-role": "chief"})
    for role in ("chief", "guest", "chief"):
        assert (await gate.post(talk.calling("echo"), session, **{"x-who": "ann", "x-role": role})).status_code == 200
    stranger = await gate.post(talk.calling("echo"), session, **{"x-who": "bob", "x-role": "chief"})
    assert watching.seen == [("ann", role, session) for role in ("chief", "guest", "chief")]
    assert stranger.status_code == 404


async def test_calls_of_one_session_that_come_at_once_each_have_their_own(gate: Any, talk: Any, autojump_clock: object) -> None:
    watching = gate.endpoint.handler = Watching(gate.endpoint.handler)
    gate.app.identity = Duties()
    session = await gate.open(**{"x-who": "ann", "x-role": "chief"})
    roles = [f"r{number}" for number in range(8)]
    async with trio.open_nursery() as nursery:
        for number, role in enumerate(roles):
            nursery.start_soon(partial(gate.post, talk.calling("echo", number + 10), session, **{"x-who": "ann", "x-role": role}))
    assert sorted(role for _who, role, _session in watching.seen) == roles


@attrs.frozen
class Refusing:
    """Lets nobody in, always for the same reason."""

    why: Refused

    async def identify(self, request: Sent) -> Principal | Refused:
        del request
        return self.why


@pytest.mark.parametrize(
    ("why", "status", "code", "headers"),
    [
        (Refused("no", b"Bearer"), 401, -32007, {"www-authenticate": "Bearer"}),
        (Refused("more", b'Bearer scope="a"', 403, -32001), 403, -32001, {"www-authenticate": 'Bearer scope="a"'}),
        (Refused("later", status=503, retry_after=7), 503, -32007, {"retry-after": "7"}),
    ],
    ids=["401", "403", "503"],
)
async def test_a_refusal_is_told_by_its_own_status(
    gate: Any, talk: Any, why: Refused, status: int, code: int, headers: dict[str, str]
) -> None:
    """Nobody who only has to wait is told to show something else, and the other way round (AUTH-11)."""
    gate.app.identity = Refusing(why)
    answer = await gate.post(talk.opening())
    told = {name: value for name, value in answer.headers.items() if name in ("www-authenticate", "retry-after")}
    assert (answer.status_code, answer.json()["error"]["code"], told) == (status, code, headers)
    assert gate.refusals == [(status, why.message)]
