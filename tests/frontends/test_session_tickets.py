"""A session goes on where nobody knows it: its id is a ticket, and who shows one that holds is taken in as after a handshake."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.kit.messages import PING
from tests.kit.offices import DAY, WEEK, WallClock, office

from sluicegate.frontends.endpoint import Limits, Opening
from sluicegate.frontends.tickets import ticket_content
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.principal import NOBODY
from sluicegate.testing.checkpoints import cancel_at_every_checkpoint

LONGEST = 1024
VISIBLE = set(string.ascii_letters + string.digits + string.punctuation)
NOT_FOUND = -32001


async def restart(gate: Any, folder: Path | None, **how: Any) -> Any:
    """Another process takes the place of this one."""
    wall, lifetime = how.pop("wall", None), how.pop("lifetime", WEEK)
    gate.rebuild(tickets=office(folder, wall=wall, lifetime=lifetime), **how)
    return gate.app.tickets


def introduced(capabilities: dict[str, Any]) -> dict[str, Any]:
    params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


async def test_a_call_in_a_session_of_another_process_is_answered(gate: Any, talk: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    tickets = await restart(gate, tmp_path)
    answer = await gate.post(talk.calling("echo"), session)
    assert (answer.status_code, answer.json()["result"]["content"][0]["text"]) == (200, "hello")
    assert (await gate.post(PING, session)).status_code == 200
    assert (len(gate.app.sessions), tickets.resumed) == (1, 1)


async def test_two_requests_that_come_together_are_one_session(gate: Any, talk: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    tickets = await restart(gate, tmp_path)
    answers: list[int] = []

    async def ask(number: int) -> None:
        answers.append((await gate.post(talk.calling("echo", number), session)).status_code)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(ask, number)
    assert (answers, len(gate.app.sessions), tickets.resumed) == ([200] * 10, 1, 1)


@pytest.mark.parametrize(
    "capabilities",
    [
        {},
        {"roots": {"listChanged": True}, "sampling": {}, "elicitation": {"form": {}, "url": {}}},
        {"experimental": {f"x{number}": {"y": "z" * 50} for number in range(500)}},
        {"experimental": {"x": "z" * 2000}, "elicitation": {"url": {}}},
        {"extensions": {"é" * 300: {}}, "experimental": {"\u20ac" * 100: {}}},
        {name: {"x" * 300: {}} for name in ("elicitation", "experimental", "extensions", "roots", "sampling", "tasks")},
    ],
)
async def test_a_ticket_is_short_and_plain_whatever_its_client_can_do(
    gate: Any, tmp_path: Path, autojump_clock: object, capabilities: dict[str, Any]
) -> None:
    await restart(gate, tmp_path, limits=Limits())
    session = (await gate.post(introduced(capabilities))).headers["mcp-session-id"]
    assert len(session) <= LONGEST
    assert set(session) <= VISIBLE
    await restart(gate, tmp_path)
    assert (await gate.post(PING, session)).status_code == 200
    (again,) = gate.app.sessions._sessions.values()
    assert set(again.caller.capabilities) == set(capabilities)


async def test_what_a_client_can_do_is_known_again(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    capabilities = {"elicitation": {"url": {}}, "extensions": {"io.example/big": {"x": "z" * 700}}, "roots": {"listChanged": True}}
    await restart(gate, tmp_path, limits=Limits())
    session = (await gate.post(introduced(capabilities))).headers["mcp-session-id"]
    await restart(gate, tmp_path)
    await gate.post(PING, session)
    (again,) = gate.app.sessions._sessions.values()
    known = {name: json.loads(bytes(raw)) for name, raw in again.caller.capabilities.items()}
    assert known == capabilities | {"extensions": {"io.example/big": {}}}
    assert again.caller.abilities == "elicitation.url roots"
    assert again.version == "2025-11-25"


async def test_no_changed_or_shortened_ticket_is_taken(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    await restart(gate, tmp_path)
    for place, letter in enumerate(session):
        other = "A" if letter != "A" else "B"
        for text in (session[:place] + other + session[place + 1 :], session[:place], session[:place] + session[place + 1 :]):
            assert (await gate.post(PING, text or "x")).status_code == 404, (place, text)
    for text in (session + "A", session + "=", session[:-8] + session[-8:].upper(), "A" * 1024, "A" * 1025, "\xe9" * 100, "A" * 4000):
        answer = await gate.http.post("/mcp", content=json.dumps(PING), headers=_headers(text)) if text != session else None
        assert answer is None or (answer.status_code, answer.json()["error"]["code"]) == (404, NOT_FOUND), text
    assert len(gate.app.sessions) == 0
    assert set(gate.app.tickets.refused) <= {"malformed", "unknown_key", "forged"}
    assert (await gate.post(PING, session)).status_code == 200


def _headers(session: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"mcp-session-id", session.encode("latin-1")),
    ]


async def test_a_ticket_of_another_gateway_is_none(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path / "one")
    session = await gate.open()
    tickets = await restart(gate, tmp_path / "other")
    answer = await gate.post(PING, session)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, NOT_FOUND)
    assert dict(tickets.refused) == {"unknown_key": 1}


async def test_a_ticket_is_good_for_whom_it_was_given(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path, tokens=("alice", "bob"))
    session = await gate.open(authorization="Bearer alice")
    tickets = await restart(gate, tmp_path, tokens=("alice", "bob"))
    assert (await gate.post(PING, session, authorization="Bearer bob")).status_code == 404
    assert dict(tickets.refused) == {"principal": 1}
    assert (await gate.post(PING, session, authorization="Bearer alice")).status_code == 200
    assert (await gate.post(PING, session, authorization="Bearer bob")).status_code == 404
    assert len(gate.app.sessions) == 1
    await restart(gate, tmp_path)
    assert (await gate.post(PING, session)).status_code == 404


async def test_what_was_deleted_never_comes_back(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    assert (await gate.http.delete("/mcp", headers={"mcp-session-id": session})).status_code == 200
    assert (await gate.post(PING, session)).status_code == 404
    for _ in range(2):
        tickets = await restart(gate, tmp_path)
        assert (await gate.post(PING, session)).status_code == 404
        assert dict(tickets.refused) == {"ended": 1}


async def test_what_is_deleted_after_a_restart_is_gone_as_well(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    await restart(gate, tmp_path)
    assert (await gate.http.delete("/mcp", headers={"mcp-session-id": session})).status_code == 200
    assert (await gate.post(PING, session)).status_code == 404
    await restart(gate, tmp_path)
    assert (await gate.post(PING, session)).status_code == 404


async def test_a_session_that_was_unused_for_long_comes_back(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    tickets = await restart(gate, None, limits=Limits(session_idle_seconds=60))
    session = await gate.open()
    await trio.sleep(1000)
    assert (await gate.post(PING, session)).status_code == 200
    assert (tickets.resumed, len(gate.app.sessions)) == (1, 1)
    assert (await gate.http.delete("/mcp", headers={"mcp-session-id": session})).status_code == 200
    assert (await gate.post(PING, session)).status_code == 404


@pytest.mark.parametrize(
    ("ahead", "status"), [(0.0, 200), (WEEK - 1, 200), (WEEK + 1, 404), (-DAY, 200), (-WEEK + 1, 200), (-WEEK - 1, 404), (1000 * DAY, 404)]
)
async def test_a_clock_that_is_set_neither_ends_what_holds_nor_makes_it_hold_for_ever(
    gate: Any, tmp_path: Path, autojump_clock: object, ahead: float, status: int
) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    tickets = await restart(gate, tmp_path, wall=WallClock(ahead))
    assert (await gate.post(PING, session)).status_code == status
    assert dict(tickets.refused) in ({}, {"expired": 1})
    await restart(gate, tmp_path)
    assert (await gate.post(PING, session)).status_code == 200


async def test_a_session_that_is_in_use_does_not_end_with_its_ticket(gate: Any, autojump_clock: object) -> None:
    wall = WallClock()
    await restart(gate, None, wall=wall)
    session = await gate.open()
    wall.ahead = 2 * WEEK
    assert (await gate.post(PING, session)).status_code == 200


async def test_a_revision_that_is_no_longer_spoken_opens_nothing(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    tickets = await restart(gate, tmp_path)
    await gate.open()
    old = ticket_content(Opening("2023-01-01", {}), NOBODY, tickets.sources.wall(), WEEK)
    odd = tickets._keys.seal(tickets._newest, b"\x90")
    hostile = ticket_content(Opening("2025-11-25", {"roots": Raw(encode("x" * 100))}), NOBODY, tickets.sources.wall(), WEEK)
    for content in (old, hostile):
        session = tickets._keys.seal(tickets._newest, content)
        assert (await gate.post(PING, session)).status_code == (404 if content is old else 200)
    assert (await gate.post(PING, odd)).status_code == 404
    assert dict(tickets.refused) == {"era": 1, "malformed": 1}


async def test_who_goes_on_needs_a_place_like_everybody(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    sessions = [await gate.open() for _ in range(4)]
    await restart(gate, tmp_path, limits=Limits(max_sessions=2, max_sessions_per_principal=2))
    async with gate.stream("GET", sessions[0]), gate.stream("GET", sessions[1]):
        answer = await gate.post(PING, sessions[2])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    await trio.sleep(1)
    assert (await gate.post(PING, sessions[2])).status_code == 200
    assert len(gate.app.sessions) == 2
    for session in sessions:  # who had to make room comes back
        assert (await gate.post(PING, session)).status_code == 200
    assert len(gate.app.sessions) == 2


async def test_its_streams_and_events_have_numbers_that_were_not_there(
    gate: Any, talk: Any, tmp_path: Path, autojump_clock: object
) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        before = [event.id for event in await stream.rest()]
    await trio.sleep(5)
    await restart(gate, tmp_path)
    assert (
        await gate.http.get("/mcp", headers={"accept": talk.both, "mcp-session-id": session, "last-event-id": before[0]})
    ).status_code == 400
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        after = [event.id for event in await stream.rest()]
    assert int(after[0].partition("-")[0]) > 1000 > int(before[0].partition("-")[0])


async def test_its_calls_wait_for_backends_as_a_handshake_does(gate: Any, talk: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()

    async def settled() -> None:
        await trio.sleep_until(began + 3)

    began, gate.endpoint.settled = trio.current_time(), settled
    await restart(gate, tmp_path)

    async def call(after: float) -> None:
        await trio.sleep(after)
        assert (await gate.post(talk.calling("echo", after), session)).status_code == 200
        assert trio.current_time() == max(began + 3, began + after)

    async with trio.open_nursery() as nursery:
        for after in (0, 1, 5):
            nursery.start_soon(call, after)


async def test_a_failed_handshake_gives_no_ticket(gate: Any, talk: Any, autojump_clock: object) -> None:
    await restart(gate, None)
    broken = talk.opening() | {"params": talk.opening()["params"] | {"protocolVersion": 5}}
    answer = await gate.post(broken)
    assert "mcp-session-id" not in answer.headers
    assert len(gate.app.sessions) == 0


async def test_without_tickets_an_id_means_nothing_elsewhere(gate: Any, autojump_clock: object) -> None:
    gate.rebuild()
    session = await gate.open()
    assert len(session) == 32
    gate.rebuild()
    assert (await gate.post(PING, session)).status_code == 404


async def test_one_that_is_taken_in_may_be_cut_anywhere(gate: Any, tmp_path: Path) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()

    async def attempt() -> None:
        tickets = await restart(gate, tmp_path)
        found = await gate.app._mcp.resuming.take_in(session, NOBODY, "")
        assert found.id == session
        assert tickets.resumed == 1

    await cancel_at_every_checkpoint(attempt)
    assert (await gate.post(PING, session)).status_code == 200


async def delete(gate: Any, session: str, **headers: str) -> Any:
    return await gate.http.delete("/mcp", headers={"mcp-session-id": session} | headers)


async def test_one_that_is_not_known_here_is_ended_without_a_place(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    old = await gate.open("2025-06-18")
    tickets = await restart(gate, tmp_path, limits=Limits(max_sessions=2, max_sessions_per_principal=2))
    others = [await gate.open() for _ in range(2)]
    async with gate.stream("GET", others[0]), gate.stream("GET", others[1]):
        answer = await delete(gate, old)
        assert (answer.status_code, answer.headers["mcp-protocol-version"]) == (200, "2025-06-18")
    assert (len(gate.app.sessions), tickets.resumed, tickets.ended) == (2, 0, 1)
    assert [(await gate.post(PING, session)).status_code for session in (*others, old)] == [200, 200, 404]
    assert (await delete(gate, old)).status_code == 404
    await restart(gate, tmp_path)
    assert (await gate.post(PING, old)).status_code == 404


async def test_only_who_got_a_ticket_ends_it(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path, tokens=("alice", "bob"))
    session = await gate.open(authorization="Bearer alice")
    await restart(gate, tmp_path, tokens=("alice", "bob"))
    assert (await delete(gate, session, authorization="Bearer bob")).status_code == 404
    assert (await gate.post(PING, session, authorization="Bearer alice")).status_code == 200


async def test_one_that_goes_on_while_it_is_to_end_has_ended(gate: Any, tmp_path: Path, autojump_clock: object) -> None:
    await restart(gate, tmp_path)
    session = await gate.open()
    await restart(gate, tmp_path)
    statuses: list[int] = []

    async def end() -> None:
        statuses.append((await delete(gate, session)).status_code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.post, PING, session)
        nursery.start_soon(end)
    assert (statuses, len(gate.app.sessions)) == ([200], 0)
    assert (await gate.post(PING, session)).status_code == 404
