"""What comes in just as a connection or the whole server is about to end: whoever could send a request gets an answer. In memory."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.front import GET, Front, HandClient, open_front

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.server import ServerSettings, StartUpFailed
from sluicegate.testing.memory_wire import MemoryNetwork

STEPS = range(8)
"""By then everything that follows from a cancellation has happened."""


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    await trio.sleep(1)
    await ok(scope, receive, send)


async def pass_steps(steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()


def come(front: Front, count: int) -> list[HandClient]:
    """Clients that are at the door, all but the first with a request: nothing of the server has run meanwhile."""
    clients = [HandClient(front.network._connect("", front.port)) for _ in range(count)]
    for client in clients[1:]:
        client.stream._put(memoryview(GET))
    return clients


async def answered_or_not_sent(client: HandClient) -> str:
    """What becomes of the connection of a request that is answered; "not sent" if it was closed already."""
    try:
        await client.stream.send_all(GET)
    except trio.BrokenResourceError:
        return "not sent"
    answer = await client.answer()
    assert answer.status == 200
    return answer.headers.get("connection", "stays")


@pytest.mark.parametrize("used", [False, True])
async def test_a_request_that_comes_as_the_server_ends_is_answered(autojump_clock: object, *, used: bool) -> None:
    ends = set()
    for steps in [step for step in STEPS for _ in range(8)]:  # in which order tasks run is a matter of chance
        async with open_front(ok, network=MemoryNetwork(resets=True)) as front:
            client = await front.dial()
            if used:
                await client.say(GET)
                await client.answer()
            await trio.sleep(1)
            front.accepting.cancel()
            await pass_steps(steps)
            ends.add(await answered_or_not_sent(client))
            await trio.testing.wait_all_tasks_blocked()
            assert not front.connections.child_tasks
    assert ends == {"close", "not sent"}


async def test_a_request_that_comes_as_its_connection_makes_room_is_answered(autojump_clock: object) -> None:
    ends = set()
    for steps in [step for step in STEPS for _ in range(8)]:
        async with open_front(ok, ServerSettings(max_connections=1), network=MemoryNetwork(resets=True)) as front:
            first = await front.dial()
            await trio.testing.wait_all_tasks_blocked()
            second = await front.dial()
            await pass_steps(steps)
            ends.add(await answered_or_not_sent(first))
            await second.stream.send_all(GET)
            assert (await second.answer()).status in (200, 503)
    assert ends == {"stays", "close", "not sent"}


async def test_who_is_at_the_door_when_the_accepting_ends_is_answered(autojump_clock: object) -> None:
    async with open_front(slow, network=MemoryNetwork(resets=True)) as front:
        silent, *clients = come(front, 20)
        front.accepting.cancel()
        for client in clients:
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await silent.rest() == b""
        await trio.testing.wait_all_tasks_blocked()
        assert not front.connections.child_tasks


async def test_nobody_is_let_in_by_an_application_that_cannot_start(autojump_clock: object) -> None:
    asked: list[str] = []
    network = MemoryNetwork()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["type"])
        client = HandClient(await network.open_stream("127.0.0.1", 80))
        client.stream._put(memoryview(GET))
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.RaisesGroup(pytest.RaisesExc(StartUpFailed, match="no database"), flatten_subgroups=True):
        async with open_front(app, network=network):
            pass
    assert asked == ["lifespan"]


async def test_sockets_that_outlive_the_server_keep_who_is_at_the_door(autojump_clock: object) -> None:
    async with open_front(ok, ServerSettings(takes_waiting=False)) as front:
        clients = come(front, 20)
        front.accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert [client.stream.is_readable for client in clients].count(True) <= 1, "the one that was accepted anyway"
        await trio.sleep(1)
        assert not front.connections.child_tasks


@pytest.mark.parametrize("count", [5, 16, 40])
async def test_all_requests_that_came_before_the_end_are_answered(autojump_clock: object, count: int) -> None:
    async with open_front(slow, network=MemoryNetwork(resets=True)) as front:
        client = await front.dial()
        await client.say(GET * count)
        await trio.testing.wait_all_tasks_blocked()
        front.accepting.cancel()
        answers = [await client.answer() for _ in range(count)]
        assert ["close" if "connection" in answer.headers else "" for answer in answers] == [""] * (count - 1) + ["close"]
        assert await client.rest() == b""


async def test_a_request_that_comes_behind_the_last_answer_does_not_cost_that_answer(autojump_clock: object) -> None:
    """Closing with unread bytes resets a connection."""
    for steps in [step for step in STEPS for _ in range(8)]:
        async with open_front(slow, network=MemoryNetwork(resets=True)) as front:
            client = await front.dial()
            await client.say(GET)
            await trio.testing.wait_all_tasks_blocked()
            front.accepting.cancel()
            await trio.sleep(1)
            await pass_steps(steps)
            try:
                await client.stream.send_all(GET)
            except trio.BrokenResourceError:
                pass
            else:
                await trio.testing.wait_all_tasks_blocked()
            data = await client.rest()
            assert data.startswith(b"HTTP/1.1 200 OK\r\n"), data
            assert data.endswith(b"ok"), data


async def test_blank_bytes_do_not_keep_a_connection_that_ends(autojump_clock: object) -> None:
    async with open_front(ok) as front:
        client = await front.dial()
        await trio.sleep(1)
        client.stream._put(memoryview(b"\r\n"))
        front.accepting.cancel()
        assert await client.rest() == b""
        assert trio.current_time() == 1


async def test_a_head_that_has_begun_as_the_server_ends_has_its_time(autojump_clock: object) -> None:
    async with open_front(ok) as front:
        client, other = await front.dial(), await front.dial()
        await trio.testing.wait_all_tasks_blocked()
        for end in (client, other):
            end.stream._put(memoryview(GET[:5]))
        front.accepting.cancel()
        await trio.sleep(5)
        await client.say(GET[5:])
        assert (await client.answer()).headers["connection"] == "close"
        assert (await other.answer()).status == 408
        assert trio.current_time() == 10


async def test_who_has_just_connected_as_the_server_ends_may_still_ask(autojump_clock: object) -> None:
    async with open_front(ok, network=MemoryNetwork(resets=True)) as front:
        await trio.sleep(10)
        client, silent = await front.dial(), await front.dial()
        await trio.testing.wait_all_tasks_blocked()
        front.accepting.cancel()
        await trio.sleep(0.4)
        await client.say(GET)
        assert (await client.answer()).headers["connection"] == "close"
        assert await silent.rest() == b""
        assert trio.current_time() == 10.5
        await trio.testing.wait_all_tasks_blocked()
        assert not front.connections.child_tasks
