"""A backend with a session for each client: it is opened with what the client can do, asks that client alone, and ends with it."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Client, Crowd, HttpClient, Json, LinesClient, crowd
from tests.kit.personal import PersonalBackend

from sluicegate.testing.script import Answer, Ask, Hang
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", Transport)
NOTHING: Json = {}
CARRIED = EVERYTHING | {"roots": {}}
"""What a backend is told of a client that can do everything."""
MORE = {"elicitation": ["ask"], "sampling": ["think"]}


async def call(client: Client, id: object = 7, name: str = "b_echo") -> None:
    await client.say(id=id, method="tools/call", params={"name": name, "arguments": {}})


async def called(client: Client, id: object = 7, name: str = "b_echo") -> Json:
    """What a call comes to, where nothing is asked."""
    await call(client, id, name)
    return await client.hear()


async def tools(client: Client) -> list[str]:
    await client.say(id=1, method="tools/list")
    return [tool["name"] for tool in (await client.hear())["result"]["tools"]]


async def leave(here: Crowd, number: int) -> None:
    """End a client's session as its transport does it."""
    client = here.clients[number]
    if isinstance(client, HttpClient):
        assert (await client.http.delete("/mcp", headers={"mcp-session-id": client.session})).status_code == 200
    else:
        assert isinstance(client, LinesClient)
        await client.lines.stdin.aclose()


@fronts
@backs
async def test_a_clients_first_call_opens_a_session_with_what_it_can_do(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd(front, back, backend, [EVERYTHING, {"roots": {}}]) as here:
        assert [can for can, _ in backend.people] == [{}]
        for client in (*here.clients, *here.clients):
            assert "result" in await called(client)
        assert [can for can, _ in backend.people] == [{}, CARRIED, {"roots": {}}]
        assert [own.calls for _, own in backend.people] == [0, 2, 2]


@fronts
@backs
async def test_what_a_backend_asks_reaches_the_client_whose_session_it_is(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with crowd(front, back, PersonalBackend(Ask(), name="b"), [EVERYTHING] * 3) as here:
        for client in here.clients:
            await call(client)
        for number, client in reversed(list(enumerate(here.clients))):
            question = await client.hear()
            assert question["method"] == "elicitation/create"
            await client.say(id=question["id"], result={"action": "accept", "content": {"number": number}})
        for number, client in enumerate(here.clients):
            text = (await client.hear())["result"]["content"][0]["text"]
            assert msgspec.json.decode(text)["content"] == {"number": number}


@fronts
@backs
async def test_a_client_sees_what_is_offered_to_those_who_can_do_the_same(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b", more=MORE)
    can = [NOTHING, {"elicitation": {}}, EVERYTHING, {"elicitation": {"form": {}}}]
    async with crowd(front, back, backend, can) as here:
        assert [await tools(client) for client in here.clients] == [
            ["b_echo"],
            ["b_echo", "b_ask"],
            ["b_echo", "b_ask", "b_think"],
            ["b_echo", "b_ask"],
        ]
        assert len(backend.people) == 3  # the shared one, and one for each other set: who can do the same needs none of his own to see it
        assert "result" in await called(here.clients[3], name="b_ask")
        assert len(backend.people) == 4


@fronts
@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
async def test_the_session_ends_with_its_clients_and_no_other_does(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd(front, back, backend, [NOTHING] * 2) as here:
        for client in here.clients:
            await called(client)
        assert len(backend.sessions) == 3
        await leave(here, 0)
        await trio.sleep(10)
        assert (len(backend.sessions), len(here.gateway.backends["b"].clients or ())) == (2, 1)
        assert "result" in await called(here.clients[1])
        assert len(backend.people) == 3


async def test_a_session_of_a_client_that_expires_ends_too(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd("http", Transport.FRAMES, backend, [NOTHING], session_idle_seconds=1e6) as here:
        await called(here.clients[0])
        await trio.sleep(1799)
        assert len(backend.sessions) == 2
        await trio.sleep(100)
        assert len(backend.sessions) == 1


@fronts
async def test_a_session_that_is_not_used_is_closed_and_opened_again(front: str, autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd(front, Transport.CHILD, backend, [EVERYTHING], session_idle_seconds=5) as here:
        client = here.clients[0]
        await called(client)
        await trio.sleep(4)
        await called(client)
        await trio.sleep(4)
        assert len(backend.sessions) == 2
        await trio.sleep(2)
        assert len(backend.sessions) == 1
        assert "result" in await called(client)
        assert [can for can, _ in backend.people] == [{}, CARRIED, CARRIED]


async def test_a_session_with_a_call_on_it_is_in_use(autojump_clock: Clock) -> None:
    backend = PersonalBackend(Ask(then=Answer("at last")), name="b")
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING], session_idle_seconds=5) as here:
        await call(here.clients[0])
        question = await here.clients[0].hear()
        await trio.sleep(100)
        await here.clients[0].say(id=question["id"], result={"action": "decline"})
        assert (await here.clients[0].hear())["result"]["content"][0]["text"] == "at last"
        await trio.sleep(4.9)
        assert len(backend.sessions) == 2
        await trio.sleep(0.2)
        assert len(backend.sessions) == 1


@fronts
@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
async def test_losing_it_fails_its_calls_and_not_the_clients_session(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = PersonalBackend(Hang(), name="b")
    async with crowd(front, back, backend, [NOTHING] * 2) as here:
        for client in here.clients:
            await call(client)
        await trio.sleep(1)
        _, mine, other = backend.sessions
        mine.close("it crashed")
        assert (await here.clients[0].hear())["error"]["data"]["reason"] == "connection_lost"
        assert other.is_open
        await trio.sleep(1)
        await call(here.clients[0], 8)
        await trio.sleep(1)
        assert [own.calls for _, own in backend.people] == [0, 1, 1, 1]
