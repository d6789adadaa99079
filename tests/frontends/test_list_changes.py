"""A catalogue is replaced, and every client hears of it once: the real `Directory` behind the real frontends."""

from __future__ import annotations

import json
from typing import Any

import trio
import trio.testing

from sluicegate.frontends.stdio import serve_stdio
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import EMPTY, Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.routing.catalogue import Catalogue, Entry, build

TOOLS_CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
LIST = {"jsonrpc": "2.0", "id": "list", "method": "tools/list"}


async def nothing(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply()


def offering(*tools: str) -> Catalogue:
    items = tuple(Item(name, {"name": Raw(encode(name))}) for name in tools)
    lists: Any = {kind: items if kind is TOOLS else () for kind in KINDS}
    return build([Entry("a", "a", nothing, offer=Offer(Hello("2025-11-25", {"tools": EMPTY}, {}), lists))], separator="_")


async def test_new_tools_are_told_once_and_are_in_the_list(gate: Any, autojump_clock: object) -> None:
    directory = gate.endpoint.directory
    directory.replace(offering("one"))
    session = await gate.open()
    async with gate.stream("GET", session) as stream:
        directory.replace(offering("one"))  # the same again is no news
        directory.replace(offering("one", "two"))
        await trio.sleep(0.05)
        directory.replace(offering("one", "two", "three"))
        assert json.loads((await stream.next()).data) == TOOLS_CHANGED
        listed = (await gate.post(LIST, session)).json()["result"]["tools"]
        assert [tool["name"] for tool in listed] == ["a_one", "a_two", "a_three"]
        with trio.move_on_after(10) as scope:
            await stream.next()
        assert scope.cancelled_caught


async def test_new_tools_are_told_on_stdio_and_are_in_the_list(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    directory = gate.endpoint.directory
    directory.replace(offering("one"))
    client, ours = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as front:
        front.start_soon(serve_stdio, gate.endpoint, ours.receive_stream, ours.send_stream)
        for message in (talk.opening(), {"jsonrpc": "2.0", "method": "notifications/initialized"}):
            await client.send_all(json.dumps(message).encode() + b"\n")
            await trio.sleep(1)
        await client.receive_some()
        directory.replace(offering("one", "two"))
        await trio.sleep(0.05)
        directory.replace(offering("one", "two", "three"))
        assert json.loads(bytes(await client.receive_some())) == TOOLS_CHANGED
        await client.send_all(json.dumps(LIST).encode() + b"\n")
        assert len(json.loads(bytes(await client.receive_some()))["result"]["tools"]) == 3
        await client.send_stream.aclose()
    directory.replace(offering())  # nobody listens any more
