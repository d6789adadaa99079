"""Tasks as the extension of 2026-07-28 has them: begun by the backend, for a client that has said that it takes one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import HttpClient, Json, crowd
from tests.kit.tasking import TASKS, TaskServer

from sluicegate.backends.channel import ChannelSession
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
NEW = "2026-07-28"
DECLARED: Json = {"extensions": {TASKS: {}}}
backs = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])


@asynccontextmanager
async def served(back: Transport, backend: TaskServer, **settings: Any) -> AsyncGenerator[HttpClient, None]:
    """A client of the newest revision before a backend of it."""
    settings = {"sessions": "shared", "revision": NEW if backend.is_new else "2025-11-25"} | settings
    async with crowd("http", back, backend, [{}], **settings) as here:
        (client,) = here.clients
        assert isinstance(client, HttpClient)
        yield client


async def ask(client: HttpClient, method: str, can: Json = DECLARED, named: str | None = None, **params: Any) -> Json:
    meta = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": can}
    name = params.get("name", params.get("taskId")) if named is None else named
    headers = {"mcp-protocol-version": NEW, "mcp-method": method, "accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **params}}
    answer = await client.http.post("/mcp", json=body, headers=headers | ({"mcp-name": name} if name else {}))
    found: Json = answer.json()
    return found


async def begun(client: HttpClient, tool: str = "b_work") -> str:
    result = (await ask(client, "tools/call", name=tool, arguments={}))["result"]
    assert (result["resultType"], result["status"]) == ("task", "working")
    return str(result["taskId"])


@backs
async def test_a_task_is_followed_answered_and_cancelled_at_its_own_backend(back: Transport, autojump_clock: Clock) -> None:
    backend = TaskServer(version=NEW)
    async with served(back, backend) as client:
        assert (await ask(client, "server/discover"))["result"]["capabilities"]["extensions"] == {TASKS: {}}
        task = await begun(client)
        got = (await ask(client, "tasks/get", taskId=task))["result"]
        assert (got["resultType"], got["taskId"], got["status"], got["ttlMs"]) == ("complete", task, "working", 60_000)
        answers = {"q": {"action": "accept"}}
        assert (await ask(client, "tasks/update", taskId=task, inputResponses=answers))["result"]["resultType"] == "complete"
        assert backend.jobs["job.1"].answers == [answers]
        backend.finish("job.1")
        got = (await ask(client, "tasks/get", taskId=task))["result"]
        assert [part.get("text", part.get("uri")) for part in got["result"]["content"]] == ["the end of job.1", "b+a:1"]
        ended = (await ask(client, "tasks/cancel", taskId=await begun(client)))["result"]
        assert ended.keys() == {"resultType", "_meta"}
        assert {request["taskId"] for request in backend.heard if "taskId" in request} == {"job.1", "job.2"}


async def test_a_task_is_one_however_its_backend_spells_that(autojump_clock: Clock) -> None:
    class Escaping(TaskServer):
        def _say(self, session: ChannelSession, **members: object) -> None:
            text = msgspec.json.encode({"jsonrpc": "2.0", **members})
            session.receive(text.replace(b'"resultType":"task"', b'"resultType":"t\\u0061sk"'))

    async with served(Transport.FRAMES, Escaping(version=NEW)) as client:
        task = await begun(client)
        assert task != "job.1"
        assert (await ask(client, "tasks/get", taskId=task))["result"]["taskId"] == task


async def test_who_has_not_declared_the_extension_gets_no_task(autojump_clock: Clock) -> None:
    backend = TaskServer(version=NEW)
    async with served(Transport.FRAMES, backend) as client:
        answer = await ask(client, "tools/call", {}, name="b_work", arguments={})
        assert answer["result"]["content"][0]["text"] == "work at once"
        task = await begun(client)
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            error = (await ask(client, method, {}, taskId=task))["error"]
            assert (error["code"], error["data"]["requiredCapabilities"]) == (-32021, DECLARED)


async def test_a_task_that_a_backend_begins_all_the_same_is_no_answer(autojump_clock: Clock) -> None:
    class Rude(TaskServer):
        def _call(self, session: Any, request: Any, params: Json) -> None:
            super()._call(session, request, params | {"_meta": {"io.modelcontextprotocol/clientCapabilities": DECLARED}})

    async with served(Transport.FRAMES, Rude(version=NEW)) as client:
        error = (await ask(client, "tools/call", {}, name="b_work", arguments={}))["error"]
        assert error["data"]["reason"] == "bad_answer"


async def test_what_the_extension_has_no_more_is_not_found(autojump_clock: Clock) -> None:
    async with served(Transport.FRAMES, TaskServer(version=NEW)) as client:
        task = await begun(client)
        for method in ("tasks/result", "tasks/list"):
            assert (await ask(client, method, taskId=task))["error"]["code"] == -32601
        assert (await ask(client, "tasks/get", taskId="nobody's"))["error"]["code"] == -32602
        assert (await ask(client, "tasks/get", named="another", taskId=task))["error"]["code"] == -32020
        assert (await ask(client, "tasks/get", named="", taskId=task))["error"]["code"] == -32020


async def test_tasks_of_a_backend_with_a_handshake_are_none_of_the_extensions(autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with served(Transport.FRAMES, backend) as client:
        assert "extensions" not in (await ask(client, "server/discover"))["result"]["capabilities"]
        assert (await ask(client, "tools/call", name="b_work", arguments={}, task={}))["result"]["content"][0]["text"] == "work at once"
        assert "task" not in backend.heard[0]
        assert (await ask(client, "tasks/get", taskId="x"))["error"]["code"] == -32601


async def test_where_there_are_no_sessions_an_id_leads_to_its_task_through_restarts(autojump_clock: Clock) -> None:
    """No id is given twice there, and clients write theirs down."""
    backend = TaskServer(version=NEW)
    async with served(Transport.FRAMES, backend) as client:
        task = await begun(client)
        backend.crash()
        await trio.sleep(20)
        other = await begun(client)
        assert task.endswith(".b.-job%2E1")
        assert other.endswith(".b.-job%2E2")
        assert (await ask(client, "tasks/get", taskId=task))["result"]["taskId"] == task
