"""Fifty clients over sockets, each with a process of its own behind the gateway, and half of them vanish: who stays is asked, and no process stays."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import httpx2
import msgspec
import pytest
import trio
from tests.flows.asked_clients import EVERYTHING, HttpClient, Json

from sluicegate import Builder, Gateway, open_gateway
from sluicegate.backends.client_links import ClientLinks
from sluicegate.config.model import SecurityConfig

pytestmark = pytest.mark.slow

ASKER = Path(__file__).parent / "children" / "asker.py"
CLIENTS = 50
PATIENCE = 120


@asynccontextmanager
async def a_client(url: str) -> AsyncGenerator[HttpClient, None]:
    """One who goes without a word; its connections are closed."""
    async with httpx2.AsyncClient(base_url=url, timeout=None) as http, trio.open_nursery() as nursery:
        client = HttpClient(http, nursery)
        hello = {"protocolVersion": "2025-11-25", "capabilities": EVERYTHING, "clientInfo": {"name": "t", "version": "1"}}
        await client.say(id=0, method="initialize", params=hello)
        assert (await client.hear())["id"] == 0
        await client.say(method="notifications/initialized")
        yield client
        nursery.cancel_scope.cancel()


def links_of(gateway: Gateway) -> ClientLinks:
    links = gateway.backends["b"].clients
    assert links is not None
    return links


@attrs.define
class Crowd:
    """All clients, and what came of their calls."""

    gateways: list[Gateway]
    """The one that they call, and the others behind it; the last one has the programs."""
    url: str
    ends: dict[int, Json] = attrs.field(factory=dict)
    processes: set[int] = attrs.field(factory=set)
    """That were seen."""

    async def be_asked(self, number: int, most: int) -> None:
        """Call, and answer what is asked; go when so many messages have come."""
        async with a_client(self.url) as client:
            await client.say(id=7, method="tools/call", params={"name": "b_echo", "arguments": {}})
            for _ in range(most):
                message = await client.hear()
                links = links_of(self.gateways[-1])._all
                self.processes |= {pid for link in links if isinstance(pid := getattr(link.link.session, "pid", None), int)}
                if "method" not in message:
                    self.ends[number] = message
                    return
                await client.say(id=message["id"], result={"action": "accept", "content": {"number": number}, "model": "m"})


@asynccontextmanager
async def crowd(over: str) -> AsyncGenerator[Crowd, None]:
    """A gateway whose backend is a program, or another gateway on a socket that has the program."""
    own = {"sessions": "per_client", "max_sessions": 2 * CLIENTS + 2, "session_idle_seconds": 2.0}
    builders = [Builder("gate").backend("b", [sys.executable, str(ASKER)], namespace="b" if over == "stdio" else "", **own)]
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        gateways: list[Gateway] = []
        url = ""
        for builder in builders if over == "stdio" else [*builders, Builder("gate")]:
            if url:
                builder.backend("b", f"{url}/mcp", **own)
            config = attrs.evolve(builder.config(), security=SecurityConfig(orphan_seconds=1))
            gateway = await stack.enter_async_context(open_gateway(config))
            (url,) = await nursery.start(gateway.serve)
            await gateway.ready()
            gateways.insert(0, gateway)
        yield Crowd(gateways, url)


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_each_is_asked_by_its_own_process_and_none_stays_behind_for_those_who_vanish(over: str) -> None:
    with trio.fail_after(PATIENCE):
        async with crowd(over) as here:
            async with trio.open_nursery() as clients:
                for number in range(CLIENTS):
                    clients.start_soon(here.be_asked, number, 3 if number % 2 else number // 2 % 3)
            assert sorted(here.ends) == list(range(1, CLIENTS, 2))
            for number, end in here.ends.items():
                answers = msgspec.json.decode(end["result"]["content"][0]["text"])
                assert [answer["content"]["number"] for answer in answers] == [number] * 2
            assert len(here.processes) >= CLIENTS // 2
            for gateway in here.gateways:
                await links_of(gateway).wait_ended()
                assert gateway.backends["b"].in_flight == 0
            assert not [pid for pid in here.processes if is_there(pid)]


def is_there(pid: int) -> bool:
    """One that has ended and that nobody has waited for counts, too."""
    return Path(f"/proc/{pid}").exists()
