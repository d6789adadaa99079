"""Who may come in, and whose a session is, wherever the application runs: by itself, behind the project's own server, or inside of another one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import attrs
import httpx2
import pytest
import trio
import trio.testing
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.kit.asgi import AsgiTransport
from tests.kit.front import HandClient
from tests.kit.messages import HELLO, INITIALIZED, PING

from sluicegate import Gateway, open_gateway
from sluicegate.config.model import BackendConfig, BearerAuth, Config, ListenConfig, ProxyConfig
from sluicegate.http1.asgi import ASGIApp
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import MemoryOutside, open_outside

Clock = trio.testing.MockClock
ONE, OTHER = "Bearer the-first-token", "Bearer the-other-token"
OPENING = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
MISSING = "Missing authentication credentials. Provide via Authorization header."
INVALID = "The provided bearer token is not valid"


@attrs.frozen
class Said:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        """Of the error."""
        return int(json.loads(self.body)["error"]["code"])

    @property
    def reason(self) -> str:
        """What the error says."""
        return str(json.loads(self.body)["error"]["message"])


Request = Callable[[str, object, list[tuple[str, str]]], Awaitable[Said]]
"""Sends a message with this verb and these headers."""


@asynccontextmanager
async def alone(gateway: Gateway, world: MemoryOutside) -> AsyncGenerator[Request, None]:
    async with over_asgi(gateway.asgi_app, "/mcp") as request:
        yield request


@asynccontextmanager
async def mounted(gateway: Gateway, world: MemoryOutside) -> AsyncGenerator[Request, None]:
    app = Starlette(routes=[Mount("/tools", app=gateway.asgi_app)])
    async with over_asgi(app, "/tools/mcp") as request:
        yield request


@asynccontextmanager
async def over_asgi(app: ASGIApp, path: str) -> AsyncGenerator[Request, None]:
    async with trio.open_nursery() as nursery:
        async with httpx2.AsyncClient(transport=AsgiTransport(app, nursery), base_url="http://127.0.0.1:8080", timeout=None) as http:

            async def request(verb: str, message: object, headers: list[tuple[str, str]]) -> Said:
                raw = [(name.encode(), value.encode()) for name, value in headers]
                content = b"" if message is None else json.dumps(message).encode()
                answer = await http.request(verb, path, content=content, headers=raw)
                return Said(answer.status_code, answer.headers, answer.content)

            yield request
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def served(gateway: Gateway, world: MemoryOutside) -> AsyncGenerator[Request, None]:
    async def request(verb: str, message: object, headers: list[tuple[str, str]]) -> Said:
        client = HandClient(await world.network.open_stream("127.0.0.1", 8080))
        content = b"" if message is None else json.dumps(message).encode()
        lines = "".join(
            f"{name}: {value}\r\n" for name, value in [("host", "127.0.0.1:8080"), ("content-length", str(len(content))), *headers]
        )
        await client.say(f"{verb} /mcp HTTP/1.1\r\n{lines}\r\n".encode() + content)
        answer = await client.answer(verb)
        await client.close()
        return Said(answer.status, answer.headers, answer.body)

    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: gateway.serve(task_status=task_status))
        yield request
        nursery.cancel_scope.cancel()


@attrs.frozen
class Door:
    """Clients in front of a gateway that knows two tokens."""

    request: Request

    async def say(self, message: object, *credentials: str, session: str = "", verb: str = "POST") -> Said:
        """Send it; credentials are values of ``Authorization``."""
        told = {"mcp-session-id": session} if session else {}
        told |= {"content-type": "application/json"} if message is not None else {}
        headers = [("accept", "application/json, text/event-stream"), *(("authorization", value) for value in credentials)]
        return await self.request(verb, message, [*headers, *told.items()])

    async def open(self, credentials: str) -> str:
        """A session."""
        opened = await self.say(OPENING, credentials)
        session = opened.headers["mcp-session-id"]
        assert (await self.say(INITIALIZED, credentials, session=session)).status == 202
        return session


@pytest.fixture(params=[alone, served, mounted], ids=lambda where: where.__name__)
async def door(request: pytest.FixtureRequest, autojump_clock: Clock) -> AsyncGenerator[Door, None]:
    backends = (BackendConfig("b", "inprocess"),)
    config = Config(
        ProxyConfig("x", listen=ListenConfig(host="127.0.0.1", port=8080)),
        backends,
        auth=BearerAuth(tokens=("the-first-token", "the-other-token")),
    )
    servers = {"b": ScriptedBackend(name="b").connector}
    async with (
        open_outside() as world,
        open_gateway(config, servers=servers, outside=world.outside, sources=Sources.virtual(1)) as gateway,
        request.param(gateway, world) as send,
    ):
        yield Door(send)


@pytest.mark.parametrize(
    "credentials", [ONE, OTHER, "bearer the-first-token", "BEARER  the-first-token ", "ApiKey the-first-token", "the-first-token"]
)
async def test_who_knows_a_token_comes_in_in_whatever_form_it_is_shown(door: Door, credentials: str) -> None:
    session = await door.open(credentials)
    assert (await door.say(PING, credentials, session=session)).status == 200


async def test_who_shows_nothing_is_asked_for_a_token(door: Door) -> None:
    refused = await door.say(OPENING)
    assert (refused.status, refused.code, refused.reason) == (401, -32007, MISSING)
    assert refused.headers["www-authenticate"] == 'Bearer realm="sluicegate"'


@pytest.mark.parametrize(
    "credentials",
    [
        ("Bearer wrong",),
        ("Bearer the-first-toke",),
        ("Bearer THE-FIRST-TOKEN",),
        ("Bearer",),
        ("Basic the-first-token",),
        ("",),
        (ONE, ONE),
    ],
    ids=" and ".join,
)
async def test_who_shows_something_else_is_told_that_it_is_not_valid(door: Door, credentials: tuple[str, ...]) -> None:
    refused = await door.say(OPENING, *credentials)
    assert (refused.status, refused.code, refused.reason) == (401, -32007, INVALID)
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE"])
async def test_a_session_is_its_owners_and_to_anybody_else_there_is_none(door: Door, verb: str) -> None:
    session = await door.open(ONE)
    message = PING if verb == "POST" else None
    theirs = await door.say(message, OTHER, session=session, verb=verb)
    nobodys = await door.say(message, OTHER, session="x", verb=verb)
    assert (theirs.status, theirs.body) == (404, nobodys.body)
    assert (await door.say(PING, ONE, session=session)).status == 200


@pytest.mark.parametrize("credentials", [(), ("Bearer wrong",)], ids=["nothing", "something else"])
async def test_a_session_does_not_stand_for_its_token(door: Door, credentials: tuple[str, ...]) -> None:
    session = await door.open(ONE)
    assert (await door.say(PING, *credentials, session=session)).status == 401
    assert (await door.say(None, *credentials, session=session, verb="DELETE")).status == 401
    assert (await door.say(PING, ONE, session=session)).status == 200
