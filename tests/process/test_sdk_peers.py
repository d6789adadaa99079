"""The MCP SDK on both sides: its client, the gateway, and its server in the process, over HTTP and over stdio."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs
import httpx2
import pytest
import trio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CallToolResult,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
    ToolListChangedNotification,
)
from tests.kit.sdk_server import SdkServer

from sluicegate import Builder
from sluicegate.gateway.builder import Source

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
]

SERVER = SdkServer(Path(__file__).parent / "children" / "sdk_server.py")
TOOLS = ["echo", "fail", "count", "hang", "heard", "find", "grow"]
PATIENCE = 30
Peer = Callable[[], AbstractAsyncContextManager[Source]]


peers = pytest.mark.parametrize("peer", [SERVER.in_process, SERVER.over_http, SERVER.over_stdio])


# -- the gateway, and clients of it


@asynccontextmanager
async def serving(peer: Peer) -> AsyncGenerator[str, None]:
    """A gateway with one backend ``peer`` and one ``spare`` in the process; its address."""
    with trio.fail_after(PATIENCE):
        async with peer() as source, trio.open_nursery() as nursery:
            async with Builder("gate", "1.0").backend("peer", source).backend("spare", SERVER.make()).open(strict=True) as gateway:
                (url,) = await nursery.start(gateway.serve)
                yield f"{url}/mcp"
            nursery.cancel_scope.cancel()


@attrs.define
class News:
    """What came without being asked for."""

    lists: trio.Event = attrs.field(factory=trio.Event)
    methods: list[str] = attrs.field(factory=list)

    async def __call__(self, message: object) -> None:
        self.methods.append(getattr(message, "method", repr(message)))
        if isinstance(message, ToolListChangedNotification):
            self.lists.set()


def http_client(url: str, news: News | None = None) -> Client:
    return Client(streamable_http_client(url), mode="legacy", message_handler=news)


def python(*arguments: str) -> StdioServerParameters:
    path = os.pathsep.join([str(Path("src").absolute()), *sys.path])
    return StdioServerParameters(command=sys.executable, args=list(arguments), env={"PYTHONPATH": path})


def text_of(result: CallToolResult) -> str:
    assert not result.is_error, result
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def cancel_a_call(client: Client, name: str) -> None:
    """Call a tool that tells that it runs, and cancel the call then."""
    with trio.CancelScope() as scope:

        async def running(progress: float, total: float | None, message: str | None) -> None:
            scope.cancel()

        await client.call_tool(name, {}, progress_callback=running)
    assert scope.cancelled_caught


async def hears_of_it(client: Client, name: str) -> None:
    """Wait until the server says that it was told."""
    while text_of(await client.call_tool(name, {})) != "started cancelled":  # noqa: ASYNC110  it is elsewhere
        await trio.sleep(0.02)


async def use_everything(client: Client) -> None:
    """Everything that a client asks of a server, once."""
    await use_tools(client)
    await use_resources(client)
    assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["peer_greet", "spare_greet"]
    (message,) = (await client.get_prompt("peer_greet", {"name": "ada"})).messages
    assert isinstance(message.content, TextContent)
    assert message.content.text == "Say hello to ada."
    argument = {"name": "name", "value": "a"}
    for ref in (
        PromptReference(type="ref/prompt", name="peer_greet"),
        ResourceTemplateReference(type="ref/resource", uri="peer+note://people/{name}"),
    ):
        assert (await client.complete(ref, argument)).completion.values == ["ada", "alan"]


async def use_tools(client: Client) -> None:
    assert [tool.name for tool in (await client.list_tools()).tools] == [f"{space}_{name}" for space in ("peer", "spare") for name in TOOLS]
    assert text_of(await client.call_tool("peer_echo", {"text": "grüße \u2028 \U0001f600"})) == "grüße \u2028 \U0001f600"
    assert (await client.call_tool("peer_fail", {})).is_error
    with pytest.raises(MCPError, match="Unknown tool: no_such"):
        await client.call_tool("no_such", {})
    steps: list[tuple[float, float | None, str | None]] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))

    assert text_of(await client.call_tool("peer_count", {"to": 5}, progress_callback=step)) == "5"
    assert steps == [(number, 5, f"{number} of 5") for number in range(1, 6)]


async def use_resources(client: Client) -> None:
    assert [str(item.uri) for item in (await client.list_resources()).resources] == ["peer+note://welcome", "spare+note://welcome"]
    templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == ["peer+note://people/{name}", "spare+note://people/{name}"]
    (link,) = (await client.call_tool("peer_find", {"name": "grace"})).content
    assert isinstance(link, ResourceLink)
    for uri, text in ((str(link.uri), "about grace"), ("peer+note://welcome", "hello"), ("peer+note://people/alan", "about alan")):
        (content,) = (await client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        assert (content.uri, content.text) == (uri, text)


# -- over HTTP


@peers
async def test_a_client_gets_everything_that_the_server_has(peer: Peer) -> None:
    async with serving(peer) as url, http_client(url) as client:
        assert client.instructions == "MCP proxy aggregating 2 backend servers.\n\n[peer] Ask for ada.\n\n[spare] Ask for ada."
        await use_everything(client)


async def test_a_client_that_asks_for_the_newest_revision_first_gets_everything_in_that() -> None:
    async with serving(SERVER.in_process) as url, Client(url) as client:
        assert client.protocol_version == "2026-07-28"
        await use_everything(client)


@peers
async def test_a_client_hears_on_its_stream_when_a_servers_tools_change(peer: Peer) -> None:
    news, others = News(), News()
    async with serving(peer) as url, http_client(url, news) as client, http_client(url, others) as other:
        await client.call_tool("peer_grow", {"name": "more"})
        await news.lists.wait()
        await others.lists.wait()
        for each in (client, other):
            assert "peer_more" in [tool.name for tool in (await each.list_tools()).tools]
        assert text_of(await other.call_tool("peer_more", {"text": "new"})) == "new"
    assert set(news.methods) == {"notifications/tools/list_changed"}


@peers
async def test_a_cancelled_call_stops_in_the_server_and_nothing_else_does(peer: Peer) -> None:
    async with serving(peer) as url, http_client(url) as client:
        await cancel_a_call(client, "peer_hang")
        await hears_of_it(client, "peer_heard")
        assert text_of(await client.call_tool("spare_heard", {})) == ""


@peers
async def test_64_clients_that_come_at_once_are_all_served(peer: Peer) -> None:
    said: dict[int, str] = {}
    ready, everybody = 0, trio.Event()

    async def be_a_client(number: int) -> None:
        nonlocal ready
        async with (
            httpx2.AsyncClient(verify=False, timeout=PATIENCE) as http,
            Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
        ):
            ready += 1
            if ready == 64:
                everybody.set()
            await everybody.wait()  # so that 64 sessions are open at once
            said[number] = text_of(await client.call_tool("peer_echo", {"text": f"n{number}"}))

    async with serving(peer) as url, trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(be_a_client, number)
    assert said == {number: f"n{number}" for number in range(64)}


# -- over stdio


async def test_a_desktop_client_gets_everything_over_stdio(tmp_path: Path) -> None:
    news, path = News(), tmp_path / "gate.toml"
    backend = '[[backends]]\nname = "{name}"\ntransport = "stdio"\ncommand = {command!r}\nargs = [{server!r}]\n'
    path.write_text(
        '[proxy]\nname = "gate"\n'
        + "".join(backend.format(name=name, command=sys.executable, server=str(SERVER.file)) for name in ("peer", "spare"))
    )
    with trio.fail_after(PATIENCE), (tmp_path / "log").open("w") as log:
        transport = stdio_client(python("-m", "sluicegate", "run", "--stdio", "-c", str(path)), errlog=log)
        async with Client(transport, mode="legacy", message_handler=news) as client:
            await use_everything(client)
            await cancel_a_call(client, "peer_hang")
            await hears_of_it(client, "peer_heard")
            await client.call_tool("peer_grow", {"name": "more"})
            await news.lists.wait()
            assert text_of(await client.call_tool("peer_more", {"text": "new"})) == "new"
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_the_bridge_to_a_running_gateway_hides_nothing(tmp_path: Path) -> None:
    news = News()
    async with serving(SERVER.in_process) as url:
        with (tmp_path / "log").open("w") as log:
            transport = stdio_client(python("-m", "sluicegate", "connect", url), errlog=log)
            async with Client(transport, mode="legacy", message_handler=news) as client:
                await use_everything(client)
                await cancel_a_call(client, "peer_hang")
                await hears_of_it(client, "peer_heard")
                await client.call_tool("peer_grow", {"name": "more"})
                await news.lists.wait()
                assert text_of(await client.call_tool("peer_more", {"text": "new"})) == "new"
    assert (tmp_path / "log").read_text() == ""
