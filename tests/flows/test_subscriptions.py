"""Clients subscribe to resources: each hears of its own, and a backend is asked once for each, however many want it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, Crowd, HttpClient, Json, LinesClient, crowd
from tests.kit.watched import WatchedBackend

from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
sorts = pytest.mark.parametrize("sessions", ["shared", "per_client"])
A, B = "b+file:///a", "b+file:///b"
UPDATED = "notifications/resources/updated"


@asynccontextmanager
async def clients_of(
    backend: WatchedBackend, number: int = 2, front: str = "http", back: Transport = Transport.FRAMES, **settings: object
) -> AsyncGenerator[Crowd, None]:
    """So many clients, each of which listens for what is about no request."""
    async with crowd(front, back, backend, [{}] * number, **settings) as here, trio.open_nursery() as nursery:
        for client in here.clients:
            if isinstance(client, HttpClient):
                nursery.start_soon(client.listen)
        await trio.testing.wait_all_tasks_blocked()
        yield here
        nursery.cancel_scope.cancel()


async def say(client: Client, method: str, uri: str = A, id: object = 5) -> Json:
    """The answer to a request about a subscription."""
    await client.say(id=id, method=f"resources/{method}", params={"uri": uri})
    return await client.hear()


async def subscribe(client: Client, uri: str = A) -> None:
    assert await say(client, "subscribe", uri) == {"jsonrpc": "2.0", "id": 5, "result": {}}


async def updates(client: Client) -> list[Json]:
    """The parameters of what it is told within a second."""
    heard: list[Json] = []
    with trio.move_on_after(1):
        while True:
            message = await client.hear()
            assert message["method"] == UPDATED
            heard.append(message["params"])
    return heard


async def leave(client: Client) -> None:
    """End a client's session as its transport does it."""
    if isinstance(client, HttpClient):
        assert (await client.http.delete("/mcp", headers={"mcp-session-id": client.session})).status_code == 200
    else:
        assert isinstance(client, LinesClient)
        await client.lines.stdin.aclose()


def links(here: Crowd) -> int:
    """How many resources are watched on all links of the backend."""
    return sum(len(link.watched) for link in here.gateway.backends["b"].links())


def count(here: Crowd) -> int:
    return here.gateway._endpoint.subscriptions.total


@fronts
@backs
@sorts
async def test_a_client_hears_of_what_it_has_subscribed_to(front: str, back: Transport, sessions: str, autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 2, front, back, sessions=sessions) as here:
        one, other = here.clients
        await subscribe(one)
        await subscribe(other, B)
        assert backend.watched == ["file:///a", "file:///b"]
        backend.update("file:///a", title="new", _meta={"x": 1})
        assert await updates(one) == [{"uri": A, "title": "new", "_meta": {"x": 1}}]
        assert await updates(other) == []
        assert (await say(one, "unsubscribe"))["result"] == {}
        backend.update("file:///a")
        backend.update("file:///b")
        assert (await updates(one), await updates(other)) == ([], [{"uri": B}])
        assert backend.watched == ["file:///b"]


@fronts
async def test_a_shared_session_subscribes_once_and_until_the_last_has_gone(front: str, autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 3, front, sessions="shared") as here:
        for client in (*here.clients, here.clients[0]):
            await subscribe(client)
        assert backend.asked == [("+", "file:///a")]
        backend.update("file:///a")
        assert [await updates(client) for client in here.clients] == [[{"uri": A}]] * 3
        assert (await say(here.clients[0], "unsubscribe"))["result"] == {}
        await leave(here.clients[1])
        await trio.sleep(8)
        assert (backend.asked, links(here), count(here)) == ([("+", "file:///a")], 1, 1)
        await leave(here.clients[2])
        await trio.sleep(8)
        assert (backend.asked, links(here), count(here)) == ([("+", "file:///a"), ("-", "file:///a")], 0, 0)


async def test_who_vanishes_is_subscribed_no_more(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, "stdio", sessions="shared") as here:
        await subscribe(here.clients[0])
        here.hang_up[0]()
        await trio.sleep(10)
        assert (backend.watched, links(here), count(here)) == ([], 0, 0)


async def test_an_idle_session_that_expires_is_subscribed_no_more(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with crowd("http", Transport.FRAMES, backend, [{}], sessions="shared") as here:
        await subscribe(here.clients[0])
        assert count(here) == 1
        await trio.sleep(2000)
        assert (backend.watched, links(here), count(here), len(here.gateway._app.sessions)) == ([], 0, 0, 0)


async def test_one_that_begins_anew_on_the_same_stream_begins_without(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, "stdio", sessions="shared") as here:
        await subscribe(here.clients[0])
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        await here.clients[0].say(id=9, method="initialize", params=hello)
        await here.clients[0].hear()
        await trio.sleep(1)
        assert (backend.watched, count(here)) == ([], 0)


@sorts
@backs
async def test_after_a_restart_subscriptions_are_made_anew_and_what_was_missed_is_told(
    sessions: str, back: Transport, autojump_clock: Clock
) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 2, "http", back, sessions=sessions) as here:
        await subscribe(here.clients[0])
        await subscribe(here.clients[1], B)
        backend.crash()
        await trio.sleep(20)
        assert backend.watched == ["file:///a", "file:///b"]
        assert [await updates(client) for client in here.clients] == [[{"uri": A}], [{"uri": B}]]


async def test_a_backend_that_refuses_again_is_asked_again_after_pauses(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, sessions="shared") as here:
        await subscribe(here.clients[0])
        backend.refusal = {"code": -32002, "message": "not yet"}
        backend.asked.clear()
        backend.crash()
        await trio.sleep(60)
        assert 4 <= len(backend.asked) <= 8
        backend.refusal = None
        await trio.sleep(61)
        assert backend.watched == ["file:///a"]
        assert await updates(here.clients[0]) == [{"uri": A}]


@pytest.mark.parametrize("uri", ["b+file:///hidden", "nobody+file:///a"])
async def test_what_a_client_may_not_read_it_cannot_subscribe_to(uri: str, autojump_clock: Clock) -> None:
    backend = WatchedBackend(resources=("file:///a", "file:///hidden"))
    async with clients_of(backend, 1, sessions="shared", hide_resources=("file:///hidden",)) as here:
        for method in ("subscribe", "unsubscribe"):
            answer = await say(here.clients[0], method, uri)
            assert answer["error"]["code"] == -32602
        assert (backend.asked, count(here)) == ([], 0)


async def test_an_error_of_the_backend_is_given_back_with_the_uri_that_its_client_knows(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    backend.refusal = {"code": -32002, "message": "gone", "data": {"uri": "file:///a", "why": 7}}
    async with clients_of(backend, 1, sessions="shared") as here:
        error = (await say(here.clients[0], "subscribe"))["error"]
        assert error == {"code": -32002, "message": "gone", "data": {"uri": A, "why": 7}}
        assert (links(here), count(here)) == (0, 0)


async def test_a_backend_without_the_capability_is_not_asked(autojump_clock: Clock) -> None:
    backend = WatchedBackend(subscribe=False)
    async with clients_of(backend, 1, sessions="shared") as here:
        assert (await say(here.clients[0], "subscribe"))["error"]["code"] == -32601
        assert backend.asked == []


@pytest.mark.parametrize("params", [{}, {"uri": 7}])
async def test_a_subscription_names_a_resource(params: Json, autojump_clock: Clock) -> None:
    async with clients_of(WatchedBackend(), 1, sessions="shared") as here:
        for method in ("resources/subscribe", "resources/unsubscribe"):
            await here.clients[0].say(id=1, method=method, params=params)
            assert (await here.clients[0].hear())["error"]["code"] == -32602


@fronts
async def test_changes_are_told_together_and_each_once(front: str, autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, front, sessions="shared") as here:
        await subscribe(here.clients[0])
        await subscribe(here.clients[0], B)
        for number in range(1000):
            backend.update("file:///a", title=str(number))
            backend.update("file:///b")
        assert await updates(here.clients[0]) == [{"uri": A, "title": "999"}, {"uri": B}]


async def test_what_changed_while_no_stream_was_open_is_told_on_the_next(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with crowd("http", Transport.FRAMES, backend, [{}], sessions="shared") as here, trio.open_nursery() as nursery:
        client = here.clients[0]
        assert isinstance(client, HttpClient)
        await subscribe(client)
        backend.update("file:///a")
        await trio.sleep(1)
        nursery.start_soon(client.listen)
        assert await updates(client) == [{"uri": A}]
        nursery.cancel_scope.cancel()


async def test_something_below_a_resource_is_told_under_its_own_name(autojump_clock: Clock) -> None:
    """As the protocol allows: the URI of an update may be one below what was subscribed to."""
    backend = WatchedBackend()
    async with clients_of(backend, 1, sessions="shared", hide_resources=("file:///dir/secret*",)) as here:
        await subscribe(here.clients[0], "b+file:///dir")
        backend.lists["resources"].append({"uri": "file:///dir/x", "name": "x"})
        backend.notify("notifications/resources/list_changed")
        await trio.sleep(2)
        for uri in ("file:///dir/x", "file:///dir/secret", "file:///directory"):
            backend.update(uri)
        heard = [message for message in here.clients[0].heard if message["method"] == UPDATED]  # type: ignore[attr-defined]
        here.clients[0].heard.clear()  # type: ignore[attr-defined]
        assert heard == []
        assert await updates(here.clients[0]) == [{"uri": "b+file:///dir/x"}]


async def test_a_client_has_so_many_subscriptions_and_no_more(autojump_clock: Clock) -> None:
    backend = WatchedBackend(resources=tuple(f"file:///{number}" for number in range(300)))
    async with clients_of(backend, 2, sessions="shared") as here:
        for number in range(256):
            await subscribe(here.clients[0], f"b+file:///{number}")
        error = (await say(here.clients[0], "subscribe", "b+file:///256"))["error"]
        assert "256 subscriptions" in error["message"]
        await subscribe(here.clients[0], "b+file:///7")
        await subscribe(here.clients[1], "b+file:///256")
        await say(here.clients[0], "unsubscribe", "b+file:///7")
        await subscribe(here.clients[0], "b+file:///256")


async def test_the_capability_is_announced_where_a_backend_has_it(autojump_clock: Clock) -> None:
    for has in (True, False):
        async with clients_of(WatchedBackend(subscribe=has), 1, sessions="shared") as here:
            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            await here.clients[0].say(id=9, method="initialize", params=hello)
            resources = (await here.clients[0].hear())["result"]["capabilities"]["resources"]
            assert resources == {"listChanged": True} | ({"subscribe": True} if has else {})
