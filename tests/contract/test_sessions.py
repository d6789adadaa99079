"""What holds for a client's session on every transport, whatever its backend is reached by: what it may ask beside calls, and what it is told."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import AskedClient, HttpClient, Json, LinesClient, asked_client

from sluicegate.protocol.messages import encode_notification
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", Transport)
NAMES = [f"tool{number:03}" for number in range(7)]


async def asked(here: AskedClient, method: str, **params: object) -> Json:
    await here.client.say(id="q", method=method, params=params)
    answer = await here.hear()
    assert answer["id"] == "q"
    return answer


async def listed(here: AskedClient) -> list[list[str]]:
    """The names on each page."""
    pages: list[list[str]] = []
    cursor: dict[str, object] = {}
    while not pages or cursor:
        result = (await asked(here, "tools/list", **cursor))["result"]
        pages.append([tool["name"] for tool in result["tools"]])
        cursor = {"cursor": result["nextCursor"]} if "nextCursor" in result else {}
    return pages


async def told(here: AskedClient) -> object:
    """The method of what the client is told next."""
    client = here.client
    if isinstance(client, LinesClient):
        return (await client.lines.next())["method"]
    return (await client.hear())["method"]


@fronts
@backs
async def test_a_ping_is_answered_with_nothing(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back) as here:
        assert (await asked(here, "ping"))["result"] == {}


@fronts
@backs
async def test_a_method_that_nobody_knows_is_refused_and_hurts_nothing(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back) as here:
        assert (await asked(here, "tools/invent"))["error"]["code"] == -32601
        await here.call()
        assert await here.text() == "echo {} #1"
        assert "tools/invent" not in [message.method for message in here.backend.received]


@fronts
@backs
async def test_a_list_comes_in_pages_and_nothing_is_left_out(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b", tools=NAMES)
    async with asked_client(front, back, backend=backend, page_size=3) as here:
        assert await listed(here) == [["b_tool000", "b_tool001", "b_tool002"], ["b_tool003", "b_tool004", "b_tool005"], ["b_tool006"]]


@fronts
@backs
async def test_a_client_is_told_that_a_list_has_changed_and_sees_the_new_one(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b", tools=NAMES[:1])
    async with asked_client(front, back, backend=backend) as here, trio.open_nursery() as nursery:
        if isinstance(here.client, HttpClient):
            nursery.start_soon(here.client.listen)
            await trio.sleep(1)
        backend.lists["tools"][0] = {**backend.lists["tools"][0], "name": "other"}
        for session in backend.sessions:
            session.receive(encode_notification("notifications/tools/list_changed", {}))
        assert await told(here) == "notifications/tools/list_changed"
        assert await listed(here) == [["b_other"]]
        nursery.cancel_scope.cancel()
