"""Fifty clients over sockets, each with a process of its own behind the gateway, and half of them vanish: who stays is asked, and no process stays."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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


@attrs.define
class Crowd:
    """All clients, and what came of their calls."""

    gateway: Gateway
    url: str
    ends: dict[int, Json] = attrs.field(factory=dict)
    processes: set[int] = attrs.field(factory=set)
    """That were seen."""

    @property
    def links(self) -> ClientLinks:
        links = self.gateway.backends["b"].clients
        assert links is not None
        return links

    async def be_asked(self, number: int, most: int) -> None:
        """Call, and answer what is asked; go when so many messages have come."""
        async with a_client(self.url) as client:
            await client.say(id=7, method="tools/call", params={"name": "b_echo", "arguments": {}})
            for _ in range(most):
                message = await client.hear()
                self.processes |= {pid for link in self.links._all if isinstance(pid := getattr(link.link.session, "pid", None), int)}
                if "method" not in message:
                    self.ends[number] = message
                    return
                await client.say(id=message["id"], result={"action": "accept", "content": {"number": number}, "model": "m"})


async def test_each_is_asked_by_its_own_process_and_none_stays_behind_for_those_who_vanish() -> None:
    command = [sys.executable, str(ASKER)]
    own = {"sessions": "per_client", "max_sessions": 2 * CLIENTS + 2, "session_idle_seconds": 2.0}
    config = attrs.evolve(Builder("gate").backend("b", command, **own).config(), security=SecurityConfig(orphan_seconds=1))
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            async with open_gateway(config) as gateway:
                (url,) = await nursery.start(gateway.serve)
                await gateway.ready()
                crowd = Crowd(gateway, url)
                async with trio.open_nursery() as clients:
                    for number in range(CLIENTS):
                        clients.start_soon(crowd.be_asked, number, 3 if number % 2 else number // 2 % 3)
                assert sorted(crowd.ends) == list(range(1, CLIENTS, 2))
                for number, end in crowd.ends.items():
                    answers = msgspec.json.decode(end["result"]["content"][0]["text"])
                    assert [answer["content"]["number"] for answer in answers] == [number] * 2
                assert len(crowd.processes) >= CLIENTS // 2
                await crowd.links.wait_ended()
                assert gateway.backends["b"].in_flight == 0
                assert not [pid for pid in crowd.processes if is_there(pid)]
            nursery.cancel_scope.cancel()


def is_there(pid: int) -> bool:
    """One that has ended and that nobody has waited for counts, too."""
    return Path(f"/proc/{pid}").exists()
