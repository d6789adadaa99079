"""``subscriptions/listen`` before it tells anything: it can be taken back, it ends with its front, and it counts (P-110, P-111, P-112)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.frontends.carried.session_places import connected
from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.modern.subscriptions import honoured
from sluicegate.frontends.owners import NoPlace
from sluicegate.frontends.stdio import serve_stdio
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.catalogue import Entry, build
from sluicegate.testing.line_client import LineClient, open_line_client

NEW = "2026-07-28"
OURS = "io.modelcontextprotocol/"
META = {f"{OURS}protocolVersion": NEW, f"{OURS}clientCapabilities": {}}
HEADERS = {"mcp_protocol_version": NEW, "mcp_method": "subscriptions/listen"}
TAKEN_BACK = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
LARGE = 65_536
Json = dict[str, Any]


def listen(**params: object) -> Json:
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {"_meta": META, "notifications": {"toolsListChanged": True}, **params},
    }


LISTS: Json = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}


def offer(gate: Any, *names: str) -> None:
    async def nothing(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply()

    tools = tuple(Item(name, {"name": Raw(encode(name)), "inputSchema": Raw(b"{}")}) for name in names)
    given = Offer(Hello(NEW, {"tools": Raw(b"{}")}, {}), {kind: tools if kind is TOOLS else () for kind in KINDS})
    gate.endpoint.directory.replace(build([Entry("b", "", nothing, offer=given)], separator="/"))


@attrs.define
class Start:
    """Backends are starting until this is over."""

    over: trio.Event = attrs.field(factory=trio.Event)


@pytest.fixture
def start(gate: Any) -> Start:
    start = Start()
    gate.endpoint.settled = start.over.wait
    return start


@pytest.fixture
async def client(gate: Any, nursery: trio.Nursery) -> AsyncGenerator[LineClient, None]:
    offer(gate, "a")
    async with open_line_client(partial(serve_stdio, gate.endpoint), nursery) as client:
        yield client


async def test_one_that_is_taken_back_in_the_same_breath_tells_nothing(gate: Any, client: LineClient, autojump_clock: object) -> None:
    await client.send(json.dumps(listen()).encode() + b"\n" + json.dumps(TAKEN_BACK).encode())
    await trio.sleep(1)
    offer(gate, "a", "b")
    await trio.sleep(1)
    await client.send(LISTS)
    assert "tools" in (await client.next())["result"], "and its id is free again"


async def test_one_that_is_taken_back_while_backends_start_is_over(client: LineClient, start: Start, autojump_clock: object) -> None:
    await client.send(listen())
    await trio.sleep(1)
    await client.send(TAKEN_BACK)
    await trio.sleep(1)
    await client.send(LISTS)
    start.over.set()
    assert "tools" in (await client.next())["result"], "its id is free again"


async def test_who_says_no_more_while_backends_start_hears_that_it_is_over(
    client: LineClient, start: Start, autojump_clock: object
) -> None:
    await client.send(listen())
    await trio.sleep(1)
    await client.stdin.aclose()
    with trio.fail_after(1):
        last = await client.next()
    assert (last["id"], last["result"]["resultType"]) == (1, "complete")


async def test_a_stream_that_began_before_the_gateway_goes_down_ends(
    gate: Any, start: Start, nursery: trio.Nursery, autojump_clock: object
) -> None:
    """Also where it has not been told anything when that begins."""
    answers: list[Any] = []

    async def post() -> None:
        answers.append(await gate.post(listen(), **HEADERS))

    nursery.start_soon(post)
    await trio.sleep(1)
    gate.app.drain()
    start.over.set()
    await trio.sleep(1)
    (answer,) = answers
    assert '"complete"' in answer.text
    assert (len(gate.app.sessions.listeners), len(gate.app.sessions.owners)) == (0, 0)


async def test_a_large_one_takes_room_for_as_long_as_it_is_open(gate: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_body_size=1_000_000))
    async with gate.stream("POST", "", listen(more="x" * LARGE), **HEADERS) as stream:
        await stream.next()
        assert gate.app.sessions._open_bytes > LARGE
        gate.app.drain()
        await stream.rest()
    await trio.testing.wait_all_tasks_blocked()
    assert gate.app.sessions._open_bytes == 0


async def test_without_room_there_is_no_large_one(gate: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_body_size=1_000_000))
    gate.app.sessions._open_bytes = 1 << 30
    answer = await gate.post(listen(more="x" * LARGE), **HEADERS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    gate.app.sessions._open_bytes = 0


async def test_on_lines_a_large_one_takes_room_too(gate: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_body_size=1_000_000))
    table = gate.app.sessions
    with connected(table, NOBODY, "10.0.0.1") as places:
        assert not isinstance(places, NoPlace)
        async with open_line_client(partial(serve_stdio, gate.endpoint, places=places), nursery) as client:
            table._open_bytes = 1 << 30
            await client.send(listen(more="x" * LARGE))
            assert (await client.next())["error"]["data"]["reason"] == "overloaded"
            table._open_bytes = 0
            await client.send(listen(more="x" * LARGE))
            assert (await client.next())["method"] == "notifications/subscriptions/acknowledged"
            assert table._open_bytes > LARGE
            await client.send(TAKEN_BACK)
            await trio.sleep(1)
            assert table._open_bytes == 0


@pytest.mark.parametrize(
    ("uris", "error"),
    [
        (["x:a"] * 300, None),
        (None, None),
        ([f"x:{number}" for number in range(256)], None),
        ([f"x:{number}" for number in range(257)], "must not have more than 256 URIs"),
        (["x:a"] * 10_001, "must not have more than 256 URIs"),
        (["x:a", 1], "must be a list of URIs"),
        ({}, "must be a list of URIs"),
        ("x:a", "must be a list of URIs"),
    ],
    ids=["the same", "null", "enough", "too many", "far too many", "a number", "an object", "a text"],
)
def test_what_is_read_of_a_list_of_resources_has_an_end(uris: object, error: str | None) -> None:
    found = honoured({"notifications": Raw(encode({"resourceSubscriptions": uris}))}, build([], separator="/"))
    if error is None:
        assert not isinstance(found, Fault)
        assert found.uris == tuple(dict.fromkeys(uris or ()))  # type: ignore[call-overload]
    else:
        assert isinstance(found, Fault)
        assert error in found.message
