"""Clients with a connection each have shares as all others over HTTP: of connections, and of the bytes of large requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport
from tests.kit.frames_client import open_frames
from tests.kit.messages import INITIALIZED
from tests.kit.old_client import open_old_client

from sluicegate.config.model import BackendConfig, Config, ListenConfig, ProxyConfig, SecurityConfig
from sluicegate.frontends.carried.session_places import TablePlaces, connected
from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.stdio import serve_stdio
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.directory import ListChange
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.line_client import LineClient, open_line_client
from sluicegate.testing.network import open_outside

Clock = trio.testing.MockClock
MIB = 1024 * 1024
SHARE = 128 * MIB
"""Of the bytes of large requests, what one has who is alone."""
LARGE = 65_536
NETWORK = "10.1.1.1"
AT_ONCE = 128
"""So many are woken in one go."""
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@asynccontextmanager
async def crowded(streams: int, sessions: int | None = None) -> AsyncGenerator[tuple[Gateway, trio.Nursery]]:
    """A gateway with room for so many streams, however they come."""
    listen = attrs.evolve(ListenConfig(), sse=True, websocket=True, max_connections=streams)
    security = SecurityConfig(max_sessions_per_principal=sessions)
    config = Config(ProxyConfig("near", listen=listen), (BackendConfig("b", "inprocess"),), security=security)
    servers = {"b": ScriptedBackend(name="b").connector}
    async with open_outside() as world, trio.open_nursery() as nursery:
        async with open_gateway(config, strict=True, servers=servers, outside=world.outside, sources=Sources.virtual(1)) as gateway:
            yield gateway, nursery
        nursery.cancel_scope.cancel()


def streams(gateway: Gateway) -> int:
    counted: int = gateway.statistics()["sessions"][""].streams  # type: ignore[attr-defined]
    return counted


async def test_who_says_something_that_opens_no_session_has_a_stream_all_the_same(autojump_clock: Clock) -> None:
    async with crowded(4) as (gateway, nursery):
        async with open_old_client(gateway.asgi_app, nursery) as old, open_frames(gateway.asgi_app, nursery) as frames:
            await frames.event()
            assert streams(gateway) == 2, "before anything is said"
            await old.say(id=1, method="ping")
            await frames.frame("{nonsense")
            assert ((await old.message())["result"], "error" in await frames.message()) == ({}, True)
            await trio.sleep(7200)
            assert streams(gateway) == 2
            await old.say(id=2, method="ping")
            assert (await old.message())["id"] == 2
        await trio.testing.wait_all_tasks_blocked()
        assert streams(gateway) == 0


async def test_whose_session_ends_with_the_connection_gets_no_ticket_to_go_on_with(autojump_clock: Clock) -> None:
    hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with crowded(4) as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        await client.say(id=1, method="initialize", params=hello)
        assert "result" in await client.message()
        statistics = gateway.statistics()
        assert (statistics["sessions"][""].sessions, statistics["session_tickets"][""].issued) == (1, 0)  # type: ignore[attr-defined]


async def test_who_has_as_many_as_are_left_for_all_others_gets_no_connection_more(autojump_clock: Clock) -> None:
    async with crowded(4) as (gateway, nursery):
        app, words = gateway.asgi_app, "you have 2 open streams; close one"
        async with open_old_client(app, nursery), open_frames(app, nursery) as frames:
            await frames.event()
            transport = AsgiTransport(app, nursery, client=("127.0.0.1", 50000))
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
                refused = await http.get("/sse", headers={"accept": "text/event-stream"})
            assert (refused.status_code, refused.json()["error"]["message"]) == (429, words)
            async with open_frames(app, nursery) as other:
                start, body = await other.event(), await other.event()
                assert (start["status"], words.encode() in body["body"]) == (429, True)
            async with open_old_client(app, nursery, NETWORK) as stranger:
                await stranger.say(id=1, method="ping")
                assert (await stranger.message())["id"] == 1
            await trio.testing.wait_all_tasks_blocked()
            assert streams(gateway) == 2
        await trio.testing.wait_all_tasks_blocked()
        async with open_old_client(app, nursery):
            assert streams(gateway) == 1


async def test_a_connection_that_got_no_session_stays_counted(autojump_clock: Clock) -> None:
    hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with crowded(8, sessions=1) as (gateway, nursery):
        async with open_old_client(gateway.asgi_app, nursery) as one, open_old_client(gateway.asgi_app, nursery) as other:
            for client, member in ((one, "result"), (other, "error"), (one, "result")):
                await client.say(id=1, method="initialize", params=hello)
                assert member in await client.message()
                assert streams(gateway) == 2
        await trio.testing.wait_all_tasks_blocked()
        assert streams(gateway) == 0


async def test_very_many_connections_are_woken_a_few_at_a_time(gate: Any, nursery: trio.Nursery, autojump_clock: Clock) -> None:
    table: SessionTable = gate.app.sessions
    nursery.start_soon(table.sweep)
    changed = ListChange(frozenset({"notifications/tools/list_changed"}))
    heard, woken = list[ListChange](), list[float]()
    with ExitStack() as connections:
        for _ in range(1000):
            places = connections.enter_context(connected(table, NOBODY, NETWORK))
            assert isinstance(places, TablePlaces)
            connections.callback(places.subscribe(heard.append, partial(_note, woken)))
        table.announce(changed)
        assert heard == [changed] * 1000, "before anybody tells of it"
        await trio.sleep(1)
        assert len(woken) == 1000
        assert max(Counter(woken).values()) <= AT_ONCE
    table.announce(changed)
    assert len(heard) == 1000
    nursery.cancel_scope.cancel()


def _note(woken: list[float]) -> None:
    woken.append(trio.current_time())


async def test_a_drain_ends_very_many_connections_a_few_at_a_time(autojump_clock: Clock) -> None:
    async with crowded(400) as (gateway, nursery), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_old_client(gateway.asgi_app, nursery)) for _ in range(150)]
        gateway.stop_accepting()
        await trio.sleep(5)
        assert all(client.ended.is_set() for client in clients)
        assert streams(gateway) == 0


# -- large requests


@asynccontextmanager
async def carried(gate: Any, nursery: trio.Nursery) -> AsyncGenerator[tuple[LineClient, TablePlaces]]:
    """A client on a connection of its own, without what carries it."""
    gate.rebuild(limits=Limits(max_body_size=4 * LARGE))
    table: SessionTable = gate.app.sessions
    with connected(table, NOBODY, NETWORK) as places:
        assert isinstance(places, TablePlaces)

        async def serve(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream) -> None:
            await serve_stdio(gate.endpoint, stdin, stdout, places=places)

        async with open_line_client(serve, nursery) as client:
            yield client, places


def large(talk: Any, name: str, id: object, **params: Any) -> dict[str, Any]:
    asked: dict[str, Any] = talk.calling(name, id, arguments={"x": "y" * LARGE}, **params)
    return asked


def held(gate: Any) -> int:
    held: int = gate.app.sessions._open_bytes
    return held


@pytest.mark.parametrize("kind", ["one", "batch", "alone"])
async def test_a_large_request_counts_until_it_has_its_answer(
    kind: str, gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    async with carried(gate, nursery) as (client, places):
        await client.send(talk.opening("2025-03-26"), INITIALIZED)
        await client.next()
        asked: Any = large(talk, "slow", 2, **({"_meta": META} if kind == "alone" else {}))
        await client.send([asked, talk.calling("echo", 3)] if kind == "batch" else asked)
        await trio.sleep(1)
        assert LARGE < held(gate) < LARGE + 500
        assert places.owner.open_bytes == held(gate)
        answer = await client.next()
        assert len(answer) == 2 if kind == "batch" else "result" in answer
        assert (held(gate), places.owner.open_bytes) == (0, 0)
    assert len(gate.app.sessions.owners) == 0


@pytest.mark.parametrize("kind", ["one", "batch", "alone"])
async def test_one_for_which_there_is_no_room_is_refused_and_small_ones_go_on(
    kind: str, gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    async with carried(gate, nursery) as (client, places):
        await client.send(talk.opening("2025-03-26"), INITIALIZED)
        await client.next()
        assert places.may_hold(SHARE)
        asked: Any = large(talk, "echo", 2, **({"_meta": META} if kind == "alone" else {}))
        await client.send([asked, asked | {"id": 3}] if kind == "batch" else asked)
        answer = await client.next()
        for error in answer if kind == "batch" else [answer]:
            assert error["error"]["data"]["reason"] == "overloaded"
            assert "too many large requests" in error["error"]["message"]
        await client.send(talk.calling("echo", 4))
        assert "result" in await client.next()
        assert held(gate) == SHARE
        places.let_go(SHARE)
        await client.send(asked | {"id": 5})
        assert "result" in await client.next()
        assert held(gate) == 0


async def test_who_goes_gives_back_what_his_large_requests_took(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async with carried(gate, nursery) as (client, places):
        await client.send(talk.opening(), INITIALIZED, large(talk, "slow", 2), large(talk, "slow", 3, _meta=META), {"x": "y" * LARGE})
        await trio.sleep(1)
        assert held(gate) > 2 * LARGE
        places.lose()
    assert held(gate) == 0


async def test_one_that_is_refused_for_its_id_takes_no_room(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async with carried(gate, nursery) as (client, _):
        await client.send(talk.opening(), INITIALIZED, talk.calling("slow", 2), large(talk, "slow", 2))
        await client.next()
        assert (await client.next())["error"]["data"]["reason"] == "duplicate_id"
        assert held(gate) == 0


async def test_the_client_of_a_process_has_no_such_share(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: Clock) -> None:
    gate.endpoint.limits = Limits(max_body_size=4 * LARGE)

    async def serve(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream) -> None:
        await serve_stdio(gate.endpoint, stdin, stdout)

    async with open_line_client(serve, nursery) as client:
        await client.send(talk.opening(), INITIALIZED, large(talk, "echo", 2))
        await client.next()
        assert "result" in await client.next()
