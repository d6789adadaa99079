"""Headers of requests that tools are given as arguments: those that the configuration names, and no others (INJ-1)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.flows.lone_clients import LoneClient
from tests.kit.asgi import AsgiTransport
from tests.kit.frames_client import open_frames
from tests.kit.messages import HELLO
from tests.kit.tools import SAFE

from sluicegate import Builder, Gateway
from sluicegate.config.model import BackendConfig, ListenConfig
from sluicegate.protocol.messages import Request
from sluicegate.settings.keeping import CacheSettings
from sluicegate.settings.parameters import ArgumentsConfig
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.line_client import open_line_client
from sluicegate.testing.script import Delay

Clock = trio.testing.MockClock
Json = dict[str, Any]
TENANT = (ArgumentsConfig("echo", {"tenant": "<${header.X-Tenant}>"}, overwrite=True),)


@attrs.define(eq=False)
class House:
    gateway: Gateway
    backend: ScriptedBackend
    nursery: trio.Nursery

    def http(self) -> httpx2.AsyncClient:
        transport = AsgiTransport(self.gateway.asgi_app, self.nursery, client=("127.0.0.1", 50000))
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None)

    @property
    def arguments(self) -> list[Any]:
        calls = [message for message in self.backend.received if isinstance(message, Request) and message.method == "tools/call"]
        return [json.loads(bytes(call.params["arguments"])) for call in calls]


@asynccontextmanager
async def opened(*steps: Any, **settings: Any) -> AsyncGenerator[House, None]:
    backend = ScriptedBackend(*steps, tools=[SAFE])
    listen = ListenConfig(websocket=True, server="hypercorn")
    builder = Builder("x").proxy(listen=listen).backend("b", backend.connector, **{"inject_args": TENANT, **settings})
    async with trio.open_nursery() as nursery:
        async with builder.open() as gateway:
            await gateway.ready()
            yield House(gateway, backend, nursery)
        nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class SessionClient:
    """A client of a revision with a handshake."""

    http: httpx2.AsyncClient
    headers: dict[str, str] = attrs.field(factory=lambda: {"accept": "application/json, text/event-stream"})

    async def ask(self, method: str, params: Json, said: Any = ()) -> Json:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await self.http.post("/mcp", json=body, headers=[*self.headers.items(), *said])
        self.headers["mcp-session-id"] = answer.headers.get("mcp-session-id", self.headers.get("mcp-session-id", ""))
        return dict(answer.json())

    async def call(self, *said: tuple[str, str | bytes], **arguments: object) -> Json:
        return await self.ask("tools/call", {"name": "b_echo", "arguments": arguments}, said)


async def session(house: House, *said: tuple[str, str]) -> SessionClient:
    client = SessionClient(house.http())
    await client.ask("initialize", HELLO, said)
    return client


async def test_a_tool_is_given_what_the_request_says_that_calls_it(autojump_clock: Clock) -> None:
    async with opened() as house:
        client = await session(house, ("x-tenant", "of the handshake"))
        await client.call(("X-Tenant", "acme"), tenant="other", q=1)
        await client.call(("x-tenant", " globex\t"))
        assert house.arguments == [{"q": 1, "tenant": "<acme>"}, {"tenant": "<globex>"}]


async def test_a_request_that_stands_for_itself_says_it_too(autojump_clock: Clock) -> None:
    async with opened() as house:
        one, two = LoneClient(house.http()), LoneClient(house.http())
        one.http.headers["x-tenant"], two.http.headers["x-tenant"] = "one", "two"
        for client in (one, two, one):
            await client.call()
        assert [given["tenant"] for given in house.arguments] == ["<one>", "<two>", "<one>"]


UNUSABLE: dict[str, tuple[tuple[str, Any], ...]] = {
    "missing": (),
    "twice": (("x-tenant", "a"), ("x-tenant", "a")),
    "empty": (("x-tenant", " "),),
    "long": (("x-tenant", "a" * 1025),),
    "no text": (("x-tenant", b"\xff"),),
}


@pytest.mark.parametrize("said", UNUSABLE.values(), ids=UNUSABLE)
async def test_without_the_header_the_call_is_refused_or_gets_what_holds_then(said: Any, autojump_clock: Clock) -> None:
    async with opened() as house:
        client = await session(house, ("x-tenant", "of the handshake"))
        error = (await client.call(*said, tenant="other"))["error"]
        assert (error["code"], error["data"]["reason"], error["data"]["code"]) == (-32602, "missing_header", "SG-704")
        assert error["message"] == "this tool is given the header 'X-Tenant' of the request, and there is none that could be used"
        assert house.arguments == []
    async with opened(default_args={"tenant": 'to ${header.X-Tenant:-"no\\one"}'}, inject_args=()) as house:
        await (await session(house)).call(*said)
        assert house.arguments == [{"tenant": 'to "no\\one"'}]


async def test_who_gives_an_argument_himself_need_not_send_the_header_that_is_there_for_others(autojump_clock: Clock) -> None:
    async with opened(inject_args=(ArgumentsConfig("echo", {"tenant": "${header.X-Tenant}"}),)) as house:
        client = await session(house)
        assert "result" in await client.call(tenant="own")
        assert "error" in await client.call()
        await client.call(("x-tenant", "acme"))
        assert house.arguments == [{"tenant": "own"}, {"tenant": "acme"}]


async def test_whatever_a_header_says_stays_within_the_text(autojump_clock: Clock) -> None:
    said = '"}, "admin": true, {"é\\" ${principal.key} ${header.X-Tenant}'
    async with opened(inject_args=(ArgumentsConfig("echo", {"deep": [{"of": "${header.x-TENANT}"}]}),)) as house:
        await (await session(house)).call(("x-tenant", said.encode()))
        assert house.arguments == [{"deep": [{"of": said}]}]


async def test_nobody_without_http_has_headers(autojump_clock: Clock) -> None:
    async with opened() as house:
        async with open_line_client(house.gateway.serve_stdio, house.nursery) as client:
            await client.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
            await client.next()
            call = {"name": "b_echo", "arguments": {"tenant": "mine"}}
            await client.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
            error = (await client.next())["error"]
        assert (error["data"]["reason"], error["data"]["hint"]) == ("missing_header", "send 'X-Tenant' over HTTP, once")
        assert (await house.gateway.call_tool("b_echo")).fault is not None
        assert house.arguments == []


async def test_over_a_connection_of_its_own_a_client_says_it_once(autojump_clock: Clock) -> None:
    async with opened() as house:
        headers = [(b"host", b"localhost"), (b"x-tenant", b"acme")]
        async with open_frames(house.gateway.asgi_app, house.nursery, headers=headers) as client:
            await client.event()
            await client.say(id=1, method="initialize", params=HELLO)
            await client.hear()
            await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {}})
            await client.hear()
        assert house.arguments == [{"tenant": "<acme>"}]


async def test_an_answer_is_given_again_to_those_alone_whose_headers_say_the_same(autojump_clock: Clock) -> None:
    """CACHE-3: what is kept is the answer to all arguments, with those that no client has written."""
    async with opened(cache=CacheSettings(tool_ttl_seconds=60)) as house:
        client = await session(house)
        for tenant in ("a", "b", "a", "b"):
            await client.call(("x-tenant", tenant))
        assert house.arguments == [{"tenant": "<a>"}, {"tenant": "<b>"}]
        cache = house.gateway.policies["b"].cache
        assert cache is not None
        assert (cache.hits, cache.misses) == (2, 2)


async def test_calls_at_once_share_one_only_where_their_headers_say_the_same(autojump_clock: Clock) -> None:
    """COA-2."""
    async with opened(Delay(1), coalesce_requests=True) as house:
        clients = [await session(house) for _ in range(4)]
        async with trio.open_nursery() as nursery:
            for client, tenant in zip(clients, ("a", "b", "a", "b"), strict=True):
                nursery.start_soon(client.call, ("x-tenant", tenant))
        assert sorted(given["tenant"] for given in house.arguments) == ["<a>", "<b>"]


async def test_which_headers_are_looked_at_changes_with_the_rules(autojump_clock: Clock) -> None:
    async with opened(inject_args=()) as house:
        client = await session(house)
        await client.call(("x-tenant", "acme"))
        (config,) = house.gateway.config.backends
        assert isinstance(config, BackendConfig)
        await house.gateway.apply([attrs.evolve(config, inject_args=TENANT)])
        await client.call(("x-tenant", "acme"))
        assert house.arguments == [{}, {"tenant": "<acme>"}]


async def test_a_page_may_send_the_headers_that_are_looked_at(autojump_clock: Clock) -> None:
    async with opened() as house:
        asked = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
        answer = await house.http().options("/mcp", headers=asked)
        assert answer.headers["access-control-allow-headers"].endswith(", Tracestate, x-tenant")
