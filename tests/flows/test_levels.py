"""How much of its log a backend is asked for: as much as the most talkative of those whom it serves wants, and nobody gets more than he wants."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, Crowd, HttpClient, crowd
from tests.flows.lone_clients import NEW, OURS, lone_house
from tests.kit.logging_backend import LoggingBackend

from sluicegate.protocol.log_levels import LEVELS, SET_LEVEL
from sluicegate.protocol.messages import Request
from sluicegate.testing.script import Delay, Hang
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
backs = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD, Transport.SOCKET])
ALL = list(LEVELS)
CALM = 6


async def set_level(client: Client, level: str) -> None:
    await client.say(id="level", method=SET_LEVEL, params={"level": level})
    assert await client.hear() == {"jsonrpc": "2.0", "id": "level", "result": {}}


async def heard(client: Client) -> list[str]:
    """The levels of what is logged with a call."""
    await client.say(id="call", method="tools/call", params={"name": "b_echo", "arguments": {}, "_meta": {"progressToken": "p"}})
    found = []
    while (message := await client.hear()).get("method") == "notifications/message":
        found.append(message["params"]["level"])
    assert "result" in message, message
    return found


async def leave(client: Client) -> None:
    assert isinstance(client, HttpClient)
    assert (await client.http.delete("/mcp", headers={"mcp-session-id": client.session})).status_code == 200


@asynccontextmanager
async def clients_of(
    backend: LoggingBackend, number: int, back: Transport = Transport.FRAMES, sessions: str = "shared"
) -> AsyncGenerator[Crowd, None]:
    async with crowd("http", back, backend, [{}] * number, sessions=sessions) as here:
        yield here


@backs
@pytest.mark.parametrize("sessions", ["shared", "per_client"])
async def test_what_a_client_wants_to_hear_is_logged_by_the_time_of_its_next_call(
    back: Transport, sessions: str, autojump_clock: Clock
) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 1, back, sessions) as here:
        (client,) = here.clients
        assert (await heard(client), backend.told) == ([], [])
        for level in ("warning", "debug", "critical"):
            await set_level(client, level)
            assert await heard(client) == ALL[LEVELS[level] :]
        await trio.sleep(CALM)
        assert (backend.told, await heard(client)) == (["warning", "debug", "critical"], ALL[LEVELS["critical"] :])


async def test_a_gateway_in_between_passes_it_on(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 1, Transport.HTTP, "per_client") as here:
        (client,) = here.clients
        await set_level(client, "notice")
        assert (await heard(client), backend.told) == (ALL[LEVELS["notice"] :], ["notice"])


async def test_on_a_shared_link_the_most_talkative_decides_until_it_has_gone(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 2) as here:
        loud, calm = here.clients
        await set_level(calm, "error")
        assert backend.told == ["info"], "the other has said nothing, and is not to hear less than it would alone"
        assert await heard(loud) == ALL[LEVELS["info"] :]
        await set_level(loud, "debug")
        assert (await heard(calm), await heard(loud)) == (ALL[LEVELS["error"] :], ALL)
        await leave(loud)
        await trio.sleep(CALM)
        assert (backend.told, await heard(calm)) == (["info", "debug", "error"], ALL[LEVELS["error"] :])
        await leave(calm)
        await trio.sleep(CALM)
        assert backend.told == ["info", "debug", "error", "info"], "as before anybody had asked"


async def test_each_client_with_a_link_of_its_own_has_its_own_level(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 3, sessions="per_client") as here:
        one, other, silent = here.clients
        await set_level(one, "debug")  # before its link is there
        assert backend.told == []
        assert await heard(other) == []
        await set_level(other, "alert")
        assert (await heard(one), await heard(other), await heard(silent)) == (ALL, ["alert", "emergency"], [])
        assert sorted(backend.told) == ["alert", "debug"]


async def test_a_thousand_clients_that_come_and_go_cost_a_backend_few_messages(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 8) as here:
        for turn in range(125):
            for number, client in enumerate(here.clients):
                await set_level(client, ALL[(turn + number) % len(ALL)])
        assert len(backend.told) <= len(ALL)
        await trio.sleep(CALM)
        assert len(backend.told) <= len(ALL) + 1


async def test_it_is_told_again_when_its_session_begins_anew(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 1) as here:
        (client,) = here.clients
        await set_level(client, "debug")
        backend.crash()
        await trio.sleep(5)
        assert (backend.told, await heard(client)) == (["debug", "debug"], ALL)


async def test_who_declares_no_log_is_told_nothing(autojump_clock: Clock) -> None:
    backend = LoggingBackend(declares=False)
    async with clients_of(backend, 1) as here:
        await here.clients[0].say(id=1, method=SET_LEVEL, params={"level": "debug"})
        assert (await here.clients[0].hear())["error"]["code"] == -32601
        assert backend.told == []


async def test_a_backend_that_refuses_or_does_not_answer_is_not_the_fault_of_the_client(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    backend.refuses = True
    async with clients_of(backend, 1) as here:
        (client,) = here.clients
        await set_level(client, "debug")
        assert (await heard(client), backend.told) == ([], ["debug"])
        backend.refuses, backend.holds = False, True
        backend.crash()
        await trio.sleep(5)
        began = trio.current_time()
        await set_level(client, "debug")
        assert (trio.current_time() - began) == pytest.approx(2)
        assert await heard(client) == ALL


async def test_a_wish_that_its_client_takes_back_is_none(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 1) as here:
        (client,) = here.clients
        await set_level(client, "error")
        backend.holds = True
        await client.say(id="louder", method=SET_LEVEL, params={"level": "debug"})
        await trio.sleep(1)
        await client.say(method="notifications/cancelled", params={"requestId": "louder"})
        backend.holds = False
        await trio.sleep(60)
        assert backend.told == ["error", "debug", "error"]


async def test_a_wish_that_was_said_again_stays(autojump_clock: Clock) -> None:
    backend = LoggingBackend()
    async with clients_of(backend, 1) as here:
        (client,) = here.clients
        await set_level(client, "error")
        backend.holds = True
        await client.say(id="first", method=SET_LEVEL, params={"level": "debug"})
        await trio.sleep(0.5)
        await client.say(id="again", method=SET_LEVEL, params={"level": "debug"})
        await trio.sleep(0.5)
        await client.say(method="notifications/cancelled", params={"requestId": "first"})
        backend.holds = False
        await trio.sleep(60)
        assert backend.told == ["error", "debug"]


async def test_a_call_without_a_session_is_logged_as_it_says_while_it_runs(autojump_clock: Clock) -> None:
    backend = LoggingBackend(Delay(20))
    async with lone_house(Transport.FRAMES, backend=backend, sessions="shared") as house:
        client = house.client(can={})
        meta = {f"{OURS}logLevel": "debug", "progressToken": "p"}
        assert "result" in await client.call(meta=meta)
        assert [note["params"]["level"] for note in client.notes] == ALL
        assert backend.told == ["debug"], "as long as it ran"
        await trio.sleep(CALM)
        assert backend.told == ["debug", "info"]
        client.notes.clear()
        assert "result" in await client.call()
        assert (client.notes, backend.told) == ([], ["debug", "info"])


async def test_a_call_that_is_given_up_wants_nothing_any_more(autojump_clock: Clock) -> None:
    backend = LoggingBackend(Hang())
    async with lone_house(Transport.FRAMES, backend=backend, sessions="shared") as house:
        client = house.client(can={})
        with trio.move_on_after(3):
            await client.call(meta={f"{OURS}logLevel": "debug"})
        await trio.sleep(CALM)
        assert (backend.told, house.gateway.backends["b"].link.level.calls.most) == (["debug", "info"], None)


async def test_to_a_backend_without_sessions_the_level_of_a_session_goes_with_each_call(autojump_clock: Clock) -> None:
    backend = LoggingBackend(version=NEW)
    async with clients_of(backend, 2) as here:
        one, other = here.clients
        await set_level(one, "debug")
        for client in (one, other):
            await heard(client)
        await set_level(one, "error")
        await heard(one)
    assert (levels_said(backend), backend.told) == (["debug", "info", "error"], [])


def levels_said(backend: LoggingBackend) -> list[object]:
    """What calls have said of the log."""
    calls = [message for message in backend.received if isinstance(message, Request) and message.method == "tools/call"]
    return [msgspec.json.decode(call.params["_meta"]).get(f"{OURS}logLevel") for call in calls]
