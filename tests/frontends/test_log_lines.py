"""What servers log, on its way to clients: only where they were told that there is such a thing, and as much as they asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import trio
from tests.kit.messages import INITIALIZED

from sluicegate.frontends.stdio import serve_stdio
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.log_levels import LEVELS
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.offers import KINDS, Hello, Offer
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.testing.line_client import open_line_client


def offering(*capabilities: str) -> Catalogue:
    async def handler(call: Call) -> Reply:
        raise AssertionError

    hello = Hello("2025-11-25", {name: Raw(b"{}") for name in capabilities}, {})
    return build([Entry("b", "", handler, offer=Offer(hello, dict.fromkeys(KINDS, ())))], separator="_")


def setting(level: object, id: object = 5) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": "logging/setLevel", "params": {"level": level}}


@pytest.fixture
def loud(tools: Any) -> None:
    async def loud(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        for level in (*LEVELS, "deafening"):
            call.back.note(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"%b","data":1}}' % level.encode())
        call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')
        return Reply()

    tools["loud"] = loud


async def heard(gate: Any, session: str, body: Any) -> list[str]:
    """The levels that came before the answer; progress is told of in any case."""
    async with gate.stream("POST", session, body) as stream:
        notes: list[Mapping[str, Any]] = [json.loads(event.data) for event in await stream.rest()]
    assert "id" in notes[-1]
    assert notes[-2]["method"] == "notifications/progress"
    return [note["params"]["level"] for note in notes[:-2]]


@pytest.mark.usefixtures("loud")
async def test_a_client_gets_what_is_as_loud_as_it_has_asked_for(gate: Any, talk: Any) -> None:
    gate.endpoint.directory.replace(offering("logging"))
    session, other = await gate.open(), await gate.open()
    assert await heard(gate, session, talk.calling("loud")) == [*LEVELS, "deafening"]
    assert (await gate.post(setting("error"), session)).json()["result"] == {}
    assert await heard(gate, session, talk.calling("loud")) == ["error", "critical", "alert", "emergency", "deafening"]
    assert await heard(gate, other, talk.calling("loud")) == [*LEVELS, "deafening"]
    await gate.post(setting("debug"), session)
    assert await heard(gate, session, talk.calling("loud")) == [*LEVELS, "deafening"]


@pytest.mark.usefixtures("loud")
async def test_where_nobody_declares_logging_nothing_of_it_reaches_a_client(gate: Any, talk: Any) -> None:
    gate.endpoint.directory.replace(offering("tools"))
    session = await gate.open()
    assert await heard(gate, session, talk.calling("loud")) == []
    assert (await gate.post(setting("error"), session)).json()["error"]["code"] == -32601


@pytest.mark.parametrize("level", ["loud", "ERROR", 3, None])
async def test_a_level_that_there_is_not_changes_nothing(gate: Any, level: object) -> None:
    gate.endpoint.directory.replace(offering("logging"))
    session = await gate.open()
    error = (await gate.post(setting(level), session)).json()["error"]
    assert (error["code"], "debug, info" in error["message"]) == (-32602, True)
    assert gate.app.sessions.find(session, NOBODY).quietest == 0


@pytest.mark.usefixtures("loud")
async def test_a_client_on_stdio_has_a_level_too(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.endpoint.directory.replace(offering("logging"))
    async with open_line_client(partial(serve_stdio, gate.endpoint), nursery) as client:
        await client.send(talk.opening(), INITIALIZED, setting("emergency"))
        opened = await client.next()
        assert opened["result"]["capabilities"]["logging"] == {}
        assert (await client.next())["result"] == {}
        await client.send(talk.calling("loud"))
        levels = [(await client.next()).get("params", {}).get("level") for _ in range(4)]
    assert levels == ["emergency", "deafening", None, None]


async def test_whether_a_request_may_be_a_task_is_left_to_who_knows_its_backend(gate: Any, talk: Any, tools: Any) -> None:
    seen: list[dict[str, Raw]] = []

    async def look(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        seen.append(call.params)
        return Reply()

    tools["look"] = look
    session = await gate.open()
    await gate.post(talk.calling("look", task={"ttl": 60000}, arguments={"task": 1}), session)
    assert [set(params) for params in seen] == [{"name", "arguments", "task"}]
    assert bytes(seen[0]["arguments"]) == b'{"task": 1}'
