"""MCP over WebSockets: who is let in, whose place it takes, and how a connection ends."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import pytest
import trio
import trio.testing
import wsproto
from tests.kit.frames_client import FramesClient, open_frames
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Pong, RejectConnection, Request, TextMessage

from sluicegate.config.model import BackendConfig, BearerAuth, Config, ListenConfig, ProxyConfig, SecurityConfig
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.identity.identify import Refused, Sent
from sluicegate.protocol.principal import Principal
from sluicegate.protocol.sizes import LARGEST_MESSAGE
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside
from sluicegate.testing.script import Delay, Echo

Clock = trio.testing.MockClock
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
FIRST_SECONDS, SILENCE_SECONDS = 30.0, 20.0
"""How long the first message may take, and how long nothing may come before a ping, or after it."""
MOST_IDLE_FRAMES = 1000
TOKEN = "0123456789abcdef0123"


@asynccontextmanager
async def gate(*steps: Any, **parts: Any) -> AsyncGenerator[tuple[Gateway, trio.Nursery, Any]]:
    """A gateway that takes WebSockets, with one backend, listening in memory."""
    listen = attrs.evolve(parts.pop("listen", ListenConfig()), websocket=True)
    config = Config(ProxyConfig("near", listen=listen, shutdown_timeout_seconds=5), (BackendConfig("b", "inprocess"),), **parts)
    scripted = ScriptedBackend(*steps, name="b")
    async with open_outside() as world, trio.open_nursery() as nursery:
        servers, sources = {"b": scripted.connector}, Sources.virtual(1)
        async with open_gateway(config, strict=True, servers=servers, outside=world.outside, sources=sources) as gateway:
            await nursery.start(gateway.serve)
            yield gateway, nursery, world
        nursery.cancel_scope.cancel()


async def opened(client: FramesClient) -> dict[str, Any]:
    """The answer to ``initialize``."""
    assert (await client.event())["type"] == "websocket.accept"
    await client.say(id=1, method="initialize", params=HELLO)
    return await client.message()


@attrs.define(eq=False)
class Wire:
    """A client on a real connection, as far as one in memory is that."""

    stream: trio.abc.Stream
    socket: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.CLIENT))
    events: list[Event] = attrs.field(factory=list)

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self.socket.send(event))

    async def next(self) -> Event:
        while not self.events:
            self.socket.receive_data(bytes(await self.stream.receive_some(65536)) or None)
            self.events += self.socket.events()
        return self.events.pop(0)

    async def say(self, **members: object) -> None:
        await self.send(TextMessage(msgspec.json.encode({"jsonrpc": "2.0", **members}).decode()))

    async def hear(self) -> dict[str, Any]:
        text = ""
        while True:
            event = await self.next()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                decoded: dict[str, Any] = msgspec.json.decode(text)
                return decoded


async def wired(world: Any, port: int = 8080, **headers: str) -> tuple[Wire, Event]:
    """Ask for a WebSocket over a connection; the answer."""
    wire = Wire(await world.network.open_stream("127.0.0.1", port))
    extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await wire.send(Request("localhost", "/mcp", subprotocols=["mcp"], extra_headers=extra))
    return wire, await wire.next()


async def test_a_client_is_served_over_a_connection_that_was_upgraded(autojump_clock: Clock) -> None:
    async with gate() as (gateway, _, world):
        wire, answer = await wired(world)
        assert isinstance(answer, AcceptConnection)
        assert answer.subprotocol == "mcp"
        await wire.say(id=1, method="initialize", params=HELLO)
        assert (await wire.hear())["result"]["serverInfo"]["name"] == "near"
        await wire.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {"x": "é" * 100_000}})
        assert "é" * 100_000 in (await wire.hear())["result"]["content"][0]["text"]
        await wire.send(Ping(b"?"))
        assert await wire.next() == Pong(b"?")
        await wire.send(CloseConnection(1000))
        assert isinstance(await wire.next(), CloseConnection)
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.statistics()["sessions"][""].sessions == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ([(b"host", b"evil.test")], 400, b"Host not allowed"),
        ([(b"host", b"localhost"), (b"origin", b"https://evil.test")], 403, b"Cross-origin"),
        ([(b"host", b"localhost")], 401, b"authorization"),
        ([(b"host", b"localhost"), (b"authorization", b"Bearer wrong")], 401, b"token"),
    ],
)
async def test_the_guards_of_http_stand_before_the_upgrade(headers: Any, status: int, words: bytes, autojump_clock: Clock) -> None:
    async with gate(auth=BearerAuth(tokens=(TOKEN,))) as (gateway, nursery, _):
        async with open_frames(gateway.asgi_app, nursery, headers=headers) as client:
            start, body = await client.event(), await client.event()
            assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
            assert words.lower() in body["body"].lower()
        async with open_frames(gateway.asgi_app, nursery, headers=headers, extensions={}) as client:
            assert await client.event() == {"type": "websocket.close", "code": 1008}


async def test_who_says_who_he_is_comes_in_and_a_refusal_over_a_connection_is_an_answer(autojump_clock: Clock) -> None:
    async with gate(auth=BearerAuth(tokens=(TOKEN,))) as (_, _, world):
        assert isinstance((await wired(world, authorization=f"Bearer {TOKEN}"))[1], AcceptConnection)
        refused = (await wired(world))[1]
        assert isinstance(refused, RejectConnection)
        assert refused.status_code == 401


async def test_who_speaks_another_subprotocol_is_refused_and_one_that_names_none_is_served(autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery, _):
        async with open_frames(gateway.asgi_app, nursery, subprotocols=["graphql-ws"]) as client:
            assert (await client.event())["status"] == 400
        async with open_frames(gateway.asgi_app, nursery, subprotocols=[]) as client:
            assert await client.event() == {"type": "websocket.accept", "subprotocol": None}


@pytest.mark.parametrize("path", ["/health", "/nowhere"])
async def test_other_paths_have_no_websockets(path: str, autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery, _), open_frames(gateway.asgi_app, nursery, path=path) as client:
        assert await client.event() == {"type": "websocket.close", "code": 1000}


async def test_each_connection_takes_a_place_of_its_owner(autojump_clock: Clock) -> None:
    async with gate(security=SecurityConfig(max_sessions_per_principal=1)) as (gateway, nursery, _):
        async with open_frames(gateway.asgi_app, nursery) as one:
            assert "result" in await opened(one)
            async with open_frames(gateway.asgi_app, nursery) as other:
                assert "you have 1 sessions" in (await opened(other))["error"]["message"]
                await other.say(id=3, method="tools/list")
                assert "initialize first" in (await other.message())["error"]["message"]
            async with open_frames(gateway.asgi_app, nursery, "10.1.1.1") as stranger:
                assert "result" in await opened(stranger)
            await one.say(id=2, method="initialize", params=HELLO)  # anew, on the same connection
            assert "result" in await one.message()
        await trio.testing.wait_all_tasks_blocked()
        async with open_frames(gateway.asgi_app, nursery) as later:
            assert "result" in await opened(later)


async def test_the_calls_of_who_goes_end_at_once(autojump_clock: Clock) -> None:
    async with gate(Delay(100, Echo())) as (gateway, nursery, _):
        async with open_frames(gateway.asgi_app, nursery) as client:
            await opened(client)
            await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {}})
            await trio.sleep(1)
            assert gateway.backends["b"].in_flight == 1
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.backends["b"].in_flight == 0


async def test_a_drain_lets_calls_end_and_closes_with_its_code(autojump_clock: Clock) -> None:
    async with (
        gate(Delay(3, Echo())) as (gateway, nursery, _),
        open_frames(gateway.asgi_app, nursery) as client,
        open_frames(gateway.asgi_app, nursery) as silent,
    ):
        await opened(client)
        await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {}})
        await trio.testing.wait_all_tasks_blocked()
        gateway.stop_accepting()
        assert (await client.message())["id"] == 2
        assert await client.event() == {"type": "websocket.close", "code": 1001}
        assert (await silent.event())["type"] == "websocket.accept"
        assert await silent.event() == {"type": "websocket.close", "code": 1001}
        async with open_frames(gateway.asgi_app, nursery) as late:
            assert (await late.event())["status"] == 503


async def test_a_drain_that_begins_while_somebody_is_let_in_is_his_end_too(autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery, _):

        async def draining(scope: Any, receive: Any, send: Any) -> None:
            async def received() -> Any:
                event = await receive()
                gateway.stop_accepting()
                return event

            await gateway.asgi_app(scope, received, send)

        async with open_frames(draining, nursery) as client:
            assert (await client.event())["type"] == "websocket.accept"
            with trio.fail_after(1):
                assert await client.event() == {"type": "websocket.close", "code": 1001}


async def test_who_says_nothing_at_all_is_let_go(autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery, _), open_frames(gateway.asgi_app, nursery) as client:
        assert (await client.event())["type"] == "websocket.accept"
        began = trio.current_time()
        assert (await client.event())["type"] == "websocket.close"
        assert trio.current_time() - began == pytest.approx(FIRST_SECONDS)


async def test_a_message_over_the_limit_is_refused_under_its_id_and_the_next_is_heard(autojump_clock: Clock) -> None:
    security = SecurityConfig(max_body_size=10_000)
    async with gate(security=security) as (gateway, nursery, _), open_frames(gateway.asgi_app, nursery) as client:
        await opened(client)
        await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {"x": "y" * 20_000}})
        refused = await client.message()
        assert (refused["id"], refused["error"]["code"]) == (2, -32600)
        await client.frame('{\n"jsonrpc": "2.0",\n"id": 3,\n"method": "ping"\n}')
        assert (await client.message())["id"] == 3


async def test_over_a_connection_too_and_what_is_too_long_is_not_kept(autojump_clock: Clock) -> None:
    limit = 100_000
    async with gate(security=SecurityConfig(max_body_size=limit)) as (_, _, world):
        wire, _ = await wired(world)
        await wire.say(id=1, method="initialize", params=HELLO)
        await wire.hear()
        piece = "\u4e2d" * 20_000
        await wire.send(TextMessage('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"x":"', message_finished=False))
        tracemalloc.start()
        try:
            for _ in range(200):
                await wire.send(TextMessage(piece, message_finished=False))
            await trio.testing.wait_all_tasks_blocked()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 20 * limit  # of 120 times as much
        await wire.send(TextMessage('"}}'))
        refused = await wire.hear()
        assert (refused["id"], refused["error"]["code"]) == (2, -32600)
        await wire.say(id=3, method="ping")
        assert (await wire.hear())["id"] == 3


@pytest.mark.parametrize(("letter", "size"), [("y", 1), ("\u4e2d", 3)])
async def test_a_message_may_have_as_many_bytes_as_a_request(letter: str, size: int, autojump_clock: Clock) -> None:
    limit = LARGEST_MESSAGE + 3000
    empty = len(msgspec.json.encode({"jsonrpc": "2.0", "id": 2, "method": "ping", "params": {"x": ""}}))
    async with gate(security=SecurityConfig(max_body_size=limit)) as (_, _, world):
        wire, _ = await wired(world)
        await wire.say(id=1, method="initialize", params=HELLO)
        await wire.hear()
        most = (limit - empty) // size
        await wire.say(id=2, method="ping", params={"x": letter * most})
        assert "result" in await wire.hear()
        await wire.say(id=2, method="ping", params={"x": letter * (most + 1)})
        assert "error" in await wire.hear()


@pytest.mark.parametrize("event", [Ping(b""), Pong(b""), TextMessage("", message_finished=False)], ids=["ping", "pong", "fragment"])
async def test_a_flood_of_frames_that_say_nothing_is_cut(event: Event, autojump_clock: Clock) -> None:
    async with gate() as (_, _, world):
        wire, _ = await wired(world)
        for _ in range(MOST_IDLE_FRAMES):
            await wire.send(event)
            if isinstance(event, Ping):
                assert isinstance(await wire.next(), Pong)
        await wire.send(event)
        closed = await wire.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1008


async def test_a_silent_client_is_pinged_and_let_go_when_it_does_not_answer(autojump_clock: Clock) -> None:
    async with gate() as (_, _, world):
        wire, _ = await wired(world)
        await wire.say(id=1, method="initialize", params=HELLO)
        await wire.hear()
        began = trio.current_time()
        assert isinstance(await wire.next(), Ping)
        await wire.send(Pong())
        assert isinstance(await wire.next(), Ping)
        assert trio.current_time() - began == pytest.approx(2 * SILENCE_SECONDS)
        closed = await wire.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1001
        assert trio.current_time() - began == pytest.approx(3 * SILENCE_SECONDS)


async def test_compression_is_not_agreed_upon(autojump_clock: Clock) -> None:
    async with gate() as (_, _, world):
        _, answer = await wired(world, sec_websocket_extensions="permessage-deflate")
        assert isinstance(answer, AcceptConnection)
        assert answer.extensions == []


@pytest.mark.parametrize("second", [{"connection": "keep-alive"}, {"upgrade": "h2c"}, {"sec_websocket_protocol": "other"}])
async def test_an_offer_may_be_told_in_several_lines(second: dict[str, str], autojump_clock: Clock) -> None:
    async with gate() as (_, _, world):
        _, answer = await wired(world, 8080, **second)
        assert isinstance(answer, AcceptConnection)
        assert answer.subprotocol == "mcp"


@attrs.frozen
class Until:
    """Everybody is one and the same, until then."""

    expires_at: float | None

    async def identify(self, request: Sent) -> Principal | Refused:
        del request
        return Principal("ann", "https://id.example", expires_at=self.expires_at)


@pytest.mark.parametrize(("left", "lasts"), [(100, 100), (5, 30), (-5, 30), (None, None)])
async def test_a_connection_ends_with_the_token_that_opened_it(left: int | None, lasts: int | None, autojump_clock: Clock) -> None:
    """P-140: what is said on it shows no token of its own."""
    async with gate() as (gateway, nursery, _):
        gateway._app.identity = Until(None if left is None else Sources.virtual(1).wall() + left)
        async with open_frames(gateway.asgi_app, nursery) as client:
            began = trio.current_time()
            await opened(client)
            await trio.sleep(29)
            await client.say(id=2, method="ping")
            assert (await client.message())["id"] == 2
            if lasts is None:
                await trio.sleep(3600)
                await client.say(id=3, method="ping")
                assert (await client.message())["id"] == 3
            else:
                assert await client.event() == {"type": "websocket.close", "code": 1008}
                assert trio.current_time() - began == lasts
