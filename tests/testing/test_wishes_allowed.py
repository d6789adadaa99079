"""Who may ask for a fault with a header: programs on this machine, and nobody whom a proxy on it lets in."""

from __future__ import annotations

import httpx2
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport

from sluicegate import Builder
from sluicegate.frontends.wishes import may_wish
from sluicegate.testing import Injections, Reset, Rule, Script, ScriptedBackend


@pytest.mark.parametrize("client", [("127.0.0.1", 5), ("127.0.0.7", 5), ("::1", 5), None])
def test_a_program_on_this_machine_may(client: tuple[str, int] | None) -> None:
    assert may_wish(client, [(b"host", b"localhost"), (b"x-sluicegate-fault", b"reset")])


@pytest.mark.parametrize("client", [("10.0.0.7", 5), ("2001:db8::1", 5), ("attacker.example", 5)])
def test_a_client_elsewhere_may_not_whatever_server_carries_the_application(client: tuple[str, int]) -> None:
    assert not may_wish(client, [])


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"x-forwarded-host", b"forwarded", b"via", b"X-Real-IP"])
def test_whoever_comes_through_a_proxy_on_this_machine_may_not(name: bytes) -> None:
    assert not may_wish(("127.0.0.1", 5), [(name, b"8.8.8.8")])


async def test_the_header_of_somebody_behind_a_proxy_means_nothing(autojump_clock: trio.testing.MockClock) -> None:
    faults = Injections(Script([Rule(Reset(), backend="nobody")]))
    builder = Builder("x").backend("b", ScriptedBackend(name="b").connector)
    async with trio.open_nursery() as nursery, builder.open(strict=True, faults=faults) as gateway:
        transport = AsgiTransport(gateway.asgi_app, nursery)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {"Accept": "application/json, text/event-stream", "X-Sluicegate-Fault": "nonsense"}
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            direct = await http.post("/mcp", json=ping, headers=headers)
            proxied = await http.post("/mcp", json=ping, headers=headers | {"X-Forwarded-For": "8.8.8.8"})
    assert "X-Sluicegate-Fault" in direct.text
    assert "X-Sluicegate-Fault" not in proxied.text
