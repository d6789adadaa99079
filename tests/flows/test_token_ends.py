"""What stays open ends with the token that opened it, and another token of the same caller goes on where it ended (P-140)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.desk import ERAS, Client, Desk, Json, desk, role, token
from tests.kit.frames_client import open_frames
from tests.kit.front import HandClient
from tests.kit.old_client import open_old_client

from sluicegate.config.model import BackendConfig, BearerAuth, Config, ListenConfig, ProxyConfig
from sluicegate.gateway.opening import open_gateway
from sluicegate.identity.bearer import BearerTokens, KnownToken
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.settings.entitlements import ScopedTokenSettings
from sluicegate.sources import VIRTUAL_EPOCH, Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside
from sluicegate.testing.script import Delay

Clock = trio.testing.MockClock
LEGACY, NEW = ERAS
CHANGED = "notifications/tools/list_changed"
LASTING = attrs.evolve(token("next"), name="ci")
"""Another token of the same caller, which does not end."""


def until(seconds: float) -> ScopedTokenSettings:
    """The token of ``ci``, which ends that long after the beginning."""
    return token("ci", expires=datetime.fromtimestamp(VIRTUAL_EPOCH + seconds, UTC).isoformat())


def with_lasting(client: Client) -> Client:
    """The same client with the other token."""
    return attrs.evolve(client, token="the-token-of-next")


def change(here: Desk) -> None:
    """A backend has one tool more."""
    backend = here.backends["a"]
    number = len(backend.lists["tools"])
    backend.lists["tools"].append({"name": f"t{number}", "inputSchema": {"type": "object"}})
    backend.notify(CHANGED)


async def take_away(here: Desk, *left: ScopedTokenSettings) -> None:
    """From now on only these tokens are known, beside that of root."""
    await here.gateway.reconfigure(attrs.evolve(here.gateway.config, auth=BearerAuth(("the-token-of-root",), left)))


@attrs.define(eq=False)
class Heard:
    """A stream, and when it ended."""

    response: httpx2.Response
    chunks: AsyncGenerator[bytes, None]
    parser: EventParser = attrs.field(factory=lambda: EventParser(1 << 20))
    events: list[Event] = attrs.field(factory=list)

    async def until(self, word: str) -> None:
        """Read until something is said in which that stands."""
        while not any(word in event.data.decode() for event in self.events):
            self.take(await anext(self.chunks))

    async def end(self) -> float:
        """Read to the end; when that came."""
        async for chunk in self.chunks:
            self.take(chunk)
        return trio.current_time()

    def take(self, chunk: bytes) -> None:
        self.events += [event for event in self.parser.feed(chunk) if isinstance(event, Event)]

    @property
    def last_id(self) -> str:
        return [event.id for event in self.events if event.id][-1]


@asynccontextmanager
async def reading(client: Client, body: Json | None = None, **headers: str) -> AsyncGenerator[Heard, None]:
    """A GET stream, or where there is none, or a ``body``, the answer to a POST."""
    wishes: Json = {"notifications": {"toolsListChanged": True}}
    sent = client.headers | {name.replace("_", "-"): value for name, value in headers.items()}
    request: Json = {"method": "GET"}
    if body is not None:
        request = {"method": "POST", "content": json.dumps(body).encode()}
    elif client.era == NEW:
        sent["mcp-method"] = "subscriptions/listen"
        request = {"method": "POST", "content": json.dumps(client.body("subscriptions/listen", **wishes)).encode()}
    async with client.http.stream(url="/mcp", headers=sent, **request) as response, aclosing(response.aiter_raw()) as chunks:
        assert response.status_code == 200, response.status_code
        yield Heard(response, chunks)


@pytest.mark.parametrize("era", ERAS)
async def test_a_stream_ends_with_its_token_and_another_one_of_the_same_caller_opens_it_again(era: str, autojump_clock: Clock) -> None:
    async with desk({"a": ScriptedBackend(name="a")}, BearerAuth((), (until(100), LASTING))) as here:
        client = await here.client("ci", era)
        async with reading(client) as stream:
            await trio.sleep_until(98)
            change(here)
            await stream.until(CHANGED)
            assert await stream.end() == pytest.approx(100, abs=0.01)
        assert ("complete" in stream.events[-1].data.decode()) == (era == NEW)
        await trio.sleep_until(101)
        assert (await client.post(client.body("tools/list"))).status_code == 401
        change(here)
        after: Any = {"last_event_id": stream.last_id} if era == LEGACY else {}
        async with reading(with_lasting(client), **after) as again:
            if era == NEW:
                await again.until("acknowledged")
                change(here)
            await again.until(CHANGED)
            with trio.move_on_after(3600) as waited:
                await again.end()
            assert waited.cancelled_caught
            if era == LEGACY:
                assert sum(CHANGED in event.data.decode() for event in again.events) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_that_is_about_to_end_is_good_for_half_a_minute(era: str, autojump_clock: Clock) -> None:
    async with desk({"a": ScriptedBackend(name="a")}, BearerAuth((), (until(100),))) as here:
        client = await here.client("ci", era)
        await trio.sleep_until(95)
        async with reading(client) as stream:
            assert await stream.end() == pytest.approx(125, abs=0.01)


async def test_an_answer_that_is_read_on_ends_with_the_token_too_and_is_all_there_for_the_next(autojump_clock: Clock) -> None:
    async with desk({"a": ScriptedBackend(Delay(110), name="a")}, BearerAuth((), (until(100), LASTING))) as here:
        ends = KnownToken.of("the-token-of-ci", name="ci", expires_at=VIRTUAL_EPOCH + 100)  # and neither has a role of its own
        here.gateway._app.identity = BearerTokens([ends, KnownToken.of("the-token-of-next", name="ci")], Sources.virtual(1).wall)
        client = await here.client("ci", LEGACY)
        call = client.body("tools/call", name="a_echo", arguments={})
        async with reading(client, call) as stream:
            while not stream.events:
                stream.take(await anext(stream.chunks))
        async with reading(client, last_event_id=stream.last_id) as again:
            assert await again.end() == pytest.approx(100, abs=0.01)
        async with reading(with_lasting(client), last_event_id=stream.last_id) as last:
            await last.end()
        assert json.loads(last.events[-1].data)["result"]["content"][0]["text"].startswith("echo")


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_that_is_taken_away_ends_what_it_opened_and_nothing_else(era: str, autojump_clock: Clock) -> None:
    """Two tokens of one caller, of which one has got about, and somebody else's."""
    auth = BearerAuth(("the-token-of-root",), (token("ci"), LASTING))
    async with desk({"a": ScriptedBackend(name="a")}, auth) as here:
        client, root = await here.client("ci", era), await here.client("root", era)
        other = await with_lasting(attrs.evolve(client, session="")).open()
        async with reading(client) as stream, reading(other) as others, reading(root) as roots:
            await trio.sleep_until(50)
            await take_away(here, LASTING)
            assert 50 <= await stream.end() <= 50.2  # the lists may be others, too, and such news is gathered for a moment
            await trio.sleep(3600)
            change(here)
            await others.until(CHANGED)
            await roots.until(CHANGED)
        assert (await client.post(client.body("tools/list"))).status_code == 401


@pytest.mark.parametrize("roles", [("some",), ("other",)])
async def test_a_token_that_means_something_else_begins_anew(roles: tuple[str, ...], autojump_clock: Clock) -> None:
    """A connection would go on with what it might do when it began."""
    both = (role("some", allow_tools=["a_echo"]), role("other", deny_tools=["a_echo"]))
    auth = BearerAuth((), (token("ci", roles=("some",)),), both)
    proxy = {"listen": ListenConfig(websocket=True)}
    async with desk({"a": ScriptedBackend(name="a")}, auth, proxy=proxy) as here, frames(here, "ci") as client:
        changed = attrs.evolve(auth, scoped_tokens=(token("ci", roles=roles),), roles=(*both, role("more")))
        await here.gateway.reconfigure(attrs.evolve(here.gateway.config, auth=changed))
        await trio.sleep(1)
        event = None
        with trio.move_on_after(1):
            event = await client.event()
        assert event == (None if roles == ("some",) else {"type": "websocket.close", "code": 1008})


@asynccontextmanager
async def frames(here: Desk, name: str) -> AsyncGenerator[Any, None]:
    """A WebSocket, and a session on it."""
    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer the-token-of-" + name.encode())]
    async with open_frames(here.gateway.asgi_app, here.nursery, headers=headers) as client:
        assert (await client.event())["type"] == "websocket.accept"
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        await client.say(id=1, method="initialize", params=hello)
        await client.message()
        yield client


async def test_connections_end_with_a_token_that_is_taken_away_when_their_calls_have_had_their_time(autojump_clock: Clock) -> None:
    listen, auth = ListenConfig(websocket=True, sse=True), BearerAuth(("the-token-of-root",), (token("ci"),))
    async with (
        desk({"a": ScriptedBackend(Delay(3), name="a")}, auth, proxy={"listen": listen}) as here,
        frames(here, "ci") as client,
        frames(here, "root") as root,
        open_old_client(here.gateway.asgi_app, here.nursery, authorization="Bearer the-token-of-ci") as old,
    ):
        await client.say(id=2, method="tools/call", params={"name": "a_echo", "arguments": {}})
        await trio.sleep(1)
        await take_away(here)
        await old.ended.wait()
        assert trio.current_time() == pytest.approx(1, abs=0.1)
        assert "echo" in str((await client.hear())["result"])
        assert await client.event() == {"type": "websocket.close", "code": 1008}
        assert trio.current_time() == pytest.approx(3, abs=0.1)
        await root.say(id=3, method="ping")
        assert (await root.hear())["id"] == 3


async def test_a_stream_of_2024_ends_with_its_token(autojump_clock: Clock) -> None:
    auth, proxy = BearerAuth((), (until(100), LASTING)), {"listen": ListenConfig(sse=True)}
    async with desk({"a": ScriptedBackend(name="a")}, auth, proxy=proxy) as here:
        async with open_old_client(here.gateway.asgi_app, here.nursery, authorization="Bearer the-token-of-ci") as old:
            await trio.sleep(1)
            hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
            assert (await old.post(body, authorization="Bearer the-token-of-next")).status_code == 202
            assert (await old.hear())["id"] == 1
            await old.ended.wait()
            assert trio.current_time() == pytest.approx(100, abs=0.01)
        await trio.sleep_until(101)
        async with open_old_client(here.gateway.asgi_app, here.nursery, authorization="Bearer the-token-of-next") as again:
            await trio.sleep(20)
            assert not again.ended.is_set()


async def test_a_listener_on_our_own_server_ends_on_time(autojump_clock: Clock) -> None:
    """Where a bell wakes it, and no scope."""
    auth, scripted = BearerAuth((), (until(100),)), ScriptedBackend(name="a")
    config = Config(ProxyConfig("x"), (BackendConfig("a", "inprocess"),), auth=auth)
    servers, sources = {"a": scripted.connector}, Sources.virtual(1)
    async with open_outside() as world, trio.open_nursery() as nursery:
        async with open_gateway(config, strict=True, servers=servers, outside=world.outside, sources=sources) as gateway:
            await nursery.start(gateway.serve)
            caller = Client(httpx2.AsyncClient(), "the-token-of-ci", NEW)
            body = json.dumps(caller.body("subscriptions/listen", notifications={"toolsListChanged": True}))
            told = {"host": "localhost", "mcp-method": "subscriptions/listen", "content-length": str(len(body))} | caller.headers
            head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            hand = HandClient(await world.network.open_stream("127.0.0.1", 8080))
            await hand.say(f"POST /mcp HTTP/1.1\r\n{head}\r\n{body}".encode())
            answer = await hand.answer("POST")
            assert (answer.status, b"complete" in answer.body) == (200, True)
            assert trio.current_time() == pytest.approx(100, abs=0.01)
        nursery.cancel_scope.cancel()
