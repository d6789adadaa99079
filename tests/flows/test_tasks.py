"""Tasks of backends with a handshake: asked for with a call, followed, fetched and cancelled, each by whose it is alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Client, Json, asked_client, crowd
from tests.flows.test_sessions_of_clients_words import heard, listening
from tests.kit.tasking import RELATED, TaskServer

from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
both = pytest.mark.parametrize("sessions", ["shared", "per_client"])
NOTHING: Json = {}


async def ask(client: Client, method: str, **params: Any) -> Json:
    """The answer to a request; what else comes before it is dropped."""
    await client.say(id=method, method=method, params=params)
    while (message := await client.hear()).get("id") != method or "method" in message:
        pass
    return message


async def begun(client: Client, tool: str = "b_work", **params: Any) -> str:
    """A new task, as its client knows it."""
    task = (await ask(client, "tools/call", name=tool, arguments={}, task={"ttl": 5000}, **params))["result"]["task"]
    assert task["status"] == "working"
    return str(task["taskId"])


@fronts
@backs
@both
async def test_a_task_goes_from_its_call_to_its_result_under_an_id_that_leads_back(
    front: str, back: Transport, sessions: str, autojump_clock: Clock
) -> None:
    backend = TaskServer()
    async with crowd(front, back, backend, [EVERYTHING], sessions=sessions) as here:
        (client,) = here.clients
        created = (await ask(client, "tools/call", name="b_work", arguments={"x": 1}, task={"ttl": 5000}))["result"]
        task = created["task"]["taskId"]
        assert created["_meta"] == {"x": 1.5}
        assert re.search(r"\.b\.[0-9a-f]{8}_1-job%2E1$", task)
        assert backend.heard == [{"method": "tools/call", "name": "work", "arguments": {"x": 1}, "task": {"ttl": 5000}}]
        got = (await ask(client, "tasks/get", taskId=task))["result"]
        assert got == created["task"]
        await client.say(id="end", method="tasks/result", params={"taskId": task})
        await trio.sleep(1)
        backend.finish("job.1")
        while (message := await client.hear()).get("id") != "end":
            assert message["method"] == "notifications/tasks/status"
            assert message["params"]["taskId"] == task
        result = message["result"]
        assert result["_meta"] == {RELATED: {"taskId": task}}
        assert [part.get("text", part.get("uri")) for part in result["content"]] == ["the end of job.1", "b+a:1"]
        assert (await ask(client, "tasks/cancel", taskId=task))["result"]["taskId"] == task
        assert [message.get("taskId") for message in backend.heard[1:]] == ["job.1"] * 3


@both
async def test_a_list_has_the_callers_own_tasks_page_by_page(sessions: str, autojump_clock: Clock) -> None:
    backend = TaskServer(page_size=2)
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING, NOTHING], sessions=sessions) as here:
        one, other = here.clients
        mine = []
        for client in (one, other, other, other, one, other, one):
            task = await begun(client)
            mine += [task] if client is one else []
        found: list[str] = []
        more: Json = {}
        while True:
            page = (await ask(one, "tasks/list", **more))["result"]
            found += [task["taskId"] for task in page["tasks"]]
            if "nextCursor" not in page:
                break
            more = {"cursor": page["nextCursor"]}
        if sessions == "shared":  # a backend that does not tell its sessions apart is believed where each client has one
            assert found == mine
        assert set(mine) <= set(found)
        assert (await ask(one, "tasks/list", cursor="!"))["error"]["code"] == -32602


@pytest.mark.parametrize("begins", ["", "A", "."])
@pytest.mark.parametrize("ends", [slice(1), slice(0, -1), slice(1, None), slice(0)])
async def test_an_id_that_was_not_given_leads_nowhere(begins: str, ends: slice, autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd("http", Transport.FRAMES, backend, [NOTHING], sessions="shared") as here:
        (client,) = here.clients
        task = await begun(client)
        before = len(backend.heard)
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            error = (await ask(client, method, taskId=begins + task[ends]))["error"]
            assert (error["code"], error["message"]) == (-32602, "Failed to retrieve task: Task not found")
        assert (await ask(client, "tasks/get"))["error"]["message"] == '"taskId" must be there and a string'
        assert (await ask(client, "tasks/update", taskId=task, inputResponses={}))["error"]["code"] == -32601
        assert len(backend.heard) == before


async def test_a_task_outlives_its_clients_session_where_the_backend_has_one_for_all(autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd("http", Transport.FRAMES, backend, [NOTHING, NOTHING], sessions="shared") as here:
        one, other = here.clients
        task = await begun(one)
        assert (await one.http.delete("/mcp", headers={"mcp-session-id": one.session})).status_code == 200  # type: ignore[attr-defined]
        assert (await ask(other, "tasks/get", taskId=task))["result"][
            "taskId"
        ] == task  # nobody has to say who he is here: who knows it may
        assert (await ask(other, "tasks/list"))["result"] == {"tasks": []}


async def test_a_clients_own_session_is_kept_as_long_as_a_task_in_it(autojump_clock: Clock) -> None:
    backend = TaskServer(ttl=3_600_000)
    async with crowd("stdio", Transport.FRAMES, backend, [NOTHING], session_idle_seconds=60) as here:
        (client,) = here.clients
        task = await begun(client)
        await trio.sleep(1800)
        assert len(backend.sessions) == 2
        assert (await ask(client, "tasks/get", taskId=task))["result"]["taskId"] == task
        await trio.sleep(1900)
        assert len(backend.sessions) == 1


@both
async def test_whose_a_task_is_hears_how_it_goes_and_nobody_else(sessions: str, autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd("http", Transport.FRAMES, backend, [NOTHING, NOTHING], sessions=sessions) as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        one, other = here.clients
        task = await begun(one)
        await begun(other)
        backend.finish("job.1")
        assert [message["params"]["taskId"] for message in await heard(one)] == [task]
        assert await heard(other) == []
        nursery.cancel_scope.cancel()


@fronts
@backs
async def test_who_fetches_a_result_is_asked_what_the_task_wants_to_know(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd(front, back, backend, [EVERYTHING, EVERYTHING]) as here:
        one, other = here.clients
        task, others = await begun(one, "b_ask"), await begun(other, "b_ask")
        assert task != others
        await one.say(id="end", method="tasks/result", params={"taskId": task})
        question = await one.hear()
        assert (question["method"], question["params"]) == ("elicitation/create", {"message": "?", "_meta": {RELATED: {"taskId": task}}})
        await one.say(id=question["id"], result={"action": "accept", "_meta": {RELATED: {"taskId": task}}})
        while (message := await one.hear()).get("id") != "end":
            pass
        assert message["result"]["_meta"] == {RELATED: {"taskId": task}}
        assert backend.jobs["job.1"].answers == [
            {"jsonrpc": "2.0", "id": "q-job.1", "result": {"action": "accept", "_meta": {RELATED: {"taskId": "job.1"}}}}
        ]
        assert await heard(other) == []


async def test_what_is_told_of_a_task_names_it_as_its_client_does(autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd("stdio", Transport.FRAMES, backend, [NOTHING]) as here:
        (client,) = here.clients
        task = await begun(client)
        backend.log("job.1")
        (line,) = await heard(client)
        assert line["params"]["_meta"] == {RELATED: {"taskId": task}}


@both
async def test_where_all_share_a_session_nobody_is_asked_for_a_task(sessions: str, autojump_clock: Clock) -> None:
    del sessions
    backend = TaskServer()
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING], sessions="shared") as here:
        (client,) = here.clients
        await client.say(id="end", method="tasks/result", params={"taskId": await begun(client, "b_ask")})
        await trio.sleep(1)
        assert [answer["error"]["code"] for answer in backend.jobs["job.1"].answers] == [-32601]


async def test_a_tool_of_a_backend_without_tasks_runs_and_says_nothing_of_one(autojump_clock: Clock) -> None:
    backend = TaskServer(version="2026-07-28")
    async with crowd("http", Transport.FRAMES, backend, [NOTHING], sessions="shared", revision="2026-07-28") as here:
        (client,) = here.clients
        answer = await ask(client, "tools/call", name="b_work", arguments={}, task={})
        assert answer["result"]["content"][0]["text"] == "work at once"
        assert "task" not in backend.heard[0]
        assert (await ask(client, "tasks/list"))["error"]["code"] == -32601


async def test_a_gateway_of_one_client_tells_it_of_its_tasks_and_asks_it(autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with asked_client("stdio", Transport.FRAMES, backend=backend) as one:
        task = await begun(one.client, "b_ask")
        backend.log("job.1")
        (line,) = await heard(one.client)
        assert line["params"]["_meta"] == {RELATED: {"taskId": task}}
        await one.client.say(id="end", method="tasks/result", params={"taskId": task})
        question = await one.question()
        assert question["params"]["_meta"] == {RELATED: {"taskId": task}}
        await one.answer(question, action="decline")
        status, end = await one.hear(), await one.hear()
        assert (status["method"], status["params"]["taskId"]) == ("notifications/tasks/status", task)
        assert end["result"]["_meta"] == {RELATED: {"taskId": task}}
