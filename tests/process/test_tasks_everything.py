"""The reference server's research as a task, through the gateway: over stdio and HTTP, with the question that it has on the way."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio
from tests.process.test_peers_everything import SERVER, over_http, over_stdio

from sluicegate import Builder
from sluicegate.protocol.sse import Event, EventParser

pytestmark = pytest.mark.slow

PATIENCE = 60
RELATED = "io.modelcontextprotocol/related-task"
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
peers = pytest.mark.parametrize("peer", [over_stdio, over_http])
Json = dict[str, Any]


class Person:
    """A client over HTTP who is asked in the answers to its requests."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.session: dict[str, str] = {}
        self.questions: list[Json] = []

    async def open(self) -> Json:
        can: Json = {"elicitation": {"form": {}}}
        hello = {"protocolVersion": "2025-11-25", "capabilities": can, "clientInfo": {"name": "p", "version": "1"}}
        found = await self.ask("initialize", **hello)
        await self._post({"method": "notifications/initialized"})
        return found

    async def ask(self, method: str, **params: Any) -> Json:
        answer = await self._post({"id": 1, "method": method, "params": params})
        return dict(answer.get("result", answer))

    async def _post(self, members: Json) -> Json:
        content = json.dumps({"jsonrpc": "2.0", **members}).encode()
        async with self.client.stream("POST", "/mcp", content=content, headers=HEADERS | self.session) as answer:
            if "mcp-session-id" in answer.headers:
                self.session = {"mcp-session-id": answer.headers["mcp-session-id"]}
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                whole = await answer.aread()
                return json.loads(whole) if answer.status_code == 200 else {}
            parser = EventParser(1 << 20)
            found: Json = {}
            async for chunk in answer.aiter_raw():
                for event in parser.feed(chunk):
                    assert isinstance(event, Event)
                    message = json.loads(event.data) if event.data else {}
                    if message.get("method") == "elicitation/create":
                        self.questions.append(message)
                        reply = {"action": "accept", "content": {"interpretation": "technical"}}
                        await self._post({"id": message["id"], "result": reply})
                    elif "id" in message and "method" not in message:
                        found = message
            return found


@asynccontextmanager
async def person(peer: Any, sessions: str) -> AsyncGenerator[tuple[Person, Person], None]:
    """Two clients of a gateway before the server."""
    assert SERVER.exists()
    with trio.fail_after(PATIENCE):
        async with peer() as source, trio.open_nursery() as nursery:
            builder = Builder("gate").backend("all", source, sessions=sessions)
            async with builder.open(strict=True) as gateway:
                (url,) = await nursery.start(gateway.serve)
                async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                    one, other = Person(client), Person(client)
                    assert (await one.open())["capabilities"]["tasks"] == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
                    await other.open()
                    yield one, other
            nursery.cancel_scope.cancel()


async def research(client: Person, *, ambiguous: bool) -> str:
    arguments = {"topic": "x", "ambiguous": ambiguous}
    created = await client.ask("tools/call", name="all_simulate-research-query", arguments=arguments, task={"ttl": 60000})
    assert created["task"]["status"] == "working"
    return str(created["task"]["taskId"])


@peers
async def test_a_research_is_asked_about_on_the_way_to_its_result(peer: Any) -> None:
    async with person(peer, "per_client") as (one, other):
        task = await research(one, ambiguous=True)
        while (await one.ask("tasks/get", taskId=task))["status"] == "working":  # noqa: ASYNC110  as clients do
            await trio.sleep(0.5)
        assert (await one.ask("tasks/get", taskId=task))["status"] == "input_required"
        result = await one.ask("tasks/result", taskId=task)
        assert "Research Report: x (technical)" in result["content"][0]["text"]
        (question,) = one.questions
        assert question["params"]["_meta"] == {RELATED: {"taskId": task}}
        assert (await one.ask("tasks/get", taskId=task))["status"] == "completed"
        assert (await other.ask("tasks/get", taskId=task))["error"]["code"] == -32602
        assert (await one.ask("tasks/cancel", taskId=task))["error"]["message"].endswith("Cannot cancel task in terminal status: completed")


@peers
async def test_who_shares_a_session_sees_the_tasks_that_are_his(peer: Any) -> None:
    async with person(peer, "shared") as (one, other):
        mine, others = await research(one, ambiguous=False), await research(other, ambiguous=False)
        assert [task["taskId"] for task in (await one.ask("tasks/list"))["tasks"]] == [mine]
        assert [task["taskId"] for task in (await other.ask("tasks/list"))["tasks"]] == [others]
        assert "Research Report: x" in (await one.ask("tasks/result", taskId=mine))["content"][0]["text"]
