"""What a backend hears of the gateway, whatever else is said: who it is, what it shows, and what is asked of a backend at its start."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio.testing
from tests.kit.endpoint import ScriptedEndpoint
from tests.kit.site import open_site

from sluicegate import Builder, Outside, open_gateway
from sluicegate.config.load import parse
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock


def params_of(backend: ScriptedBackend, method: str) -> list[dict[str, Any]]:
    found = [message for message in backend.received if message.method == method]
    return [{key: json.loads(bytes(raw)) for key, raw in message.params.items()} for message in found]


@pytest.mark.parametrize(("settings", "version"), [({}, "0.1.0"), ({"version": "2.3"}, "2.3")])
async def test_a_handshake_says_who_the_gateway_is_and_that_nobody_can_be_asked(
    settings: dict[str, str], version: str, autojump_clock: Clock
) -> None:
    """CORE-10: its name and version are those that clients see."""
    backend = ScriptedBackend()
    async with Builder("desk").proxy(**settings).backend("b", backend.connector).open() as gateway:
        await gateway.ready()
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "desk", "version": version}}
    assert params_of(backend, "initialize") == [hello]
    assert [message.method for message in backend.received][:2] == ["initialize", "notifications/initialized"]


async def test_only_lists_that_a_backend_declares_are_read_and_each_once(autojump_clock: Clock) -> None:
    """CORE-11."""
    backend = ScriptedBackend(resources=["file:///a"], prompts=["p"], templates=["x:///{y}"])
    lone = ScriptedBackend()
    async with Builder("x").backend("b", backend.connector).backend("l", lone.connector).open() as gateway:
        await gateway.ready()
        gateway.list_tools()

    def read(one: ScriptedBackend) -> list[str]:
        return sorted(message.method for message in one.received if message.method.endswith("/list"))

    assert read(backend) == ["prompts/list", "resources/list", "resources/templates/list", "tools/list"]
    assert read(lone) == ["tools/list"]


FILE = """
[proxy]
name = "p"
[[backends]]
name = "web"
transport = "http"
url = "http://far.test/mcp"
headers = { X-Team = "${TEAM}" }
bearer_token = "${TOKEN}"
"""


async def test_a_token_and_headers_out_of_the_environment_go_with_every_request(autojump_clock: Clock) -> None:
    """The handshake included."""
    endpoint = ScriptedEndpoint()
    config = parse(FILE, environ={"TOKEN": "t0ken", "TEAM": "blue"}).config
    async with open_site(endpoint) as site:
        async with open_gateway(config, outside=Outside(open_stream=site.open_stream)) as gateway:
            await gateway.ready()
            await gateway.call_tool("web_echo")
        assert {"initialize", "tools/list", "tools/call"} <= set(endpoint.methods())
        assert {(one.headers["authorization"], one.headers["x-team"]) for one in endpoint.seen} == {("Bearer t0ken", "blue")}


async def test_a_list_that_changes_after_another_backend_has_gone_is_that_of_who_said_so(autojump_clock: Clock) -> None:
    """CORE-50."""
    first, second, third = (ScriptedBackend(tools=[name]) for name in ("one", "two", "three"))
    builder = Builder("x").backend("a", first.connector).backend("b", second.connector).backend("c", third.connector)
    async with builder.open() as gateway:
        await gateway.ready()
        await gateway.remove_backend("a")
        third.lists["tools"] = [{"name": "four", "inputSchema": {"type": "object"}}]
        third.notify("notifications/tools/list_changed")
        await trio.sleep(1)
        assert list(gateway.catalogue.names(TOOLS)) == ["b_two", "c_four"]
    assert (len(params_of(second, "tools/list")), len(params_of(third, "tools/list"))) == (1, 2)
