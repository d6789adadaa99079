"""Tasks of backends that give the same ids again: in each of their sessions, or after each restart. An id leads to the task that had it then."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, Crowd, Json, crowd
from tests.flows.test_sessions_of_clients_words import heard, listening
from tests.flows.test_tasks import ask, begun
from tests.kit.tasking import TaskServer

from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
NOTHING: Json = {}
restarts = pytest.mark.parametrize("noticed", [True, False])


async def is_there(client: Client, task: str) -> bool:
    """Whether a client is told of a task, under the id by which it asked; else that there is none."""
    answer = await ask(client, "tasks/get", taskId=task)
    assert answer["result"]["taskId"] == task if "result" in answer else answer["error"]["code"] == -32602
    return "result" in answer


async def restart(here: Crowd, backend: TaskServer, *, noticed: bool) -> None:
    """It begins anew; some do behind a connection that does not show it."""
    if noticed:
        backend.crash()
        await trio.sleep(20)
        await here.gateway.ready("b")
    else:
        backend._own.clear()


async def own_list(client: Client) -> list[str]:
    return [task["taskId"] for task in (await ask(client, "tasks/list"))["result"]["tasks"]]


async def test_each_client_has_the_tasks_of_its_own_session_where_all_are_called_the_same(autojump_clock: Clock) -> None:
    backend = TaskServer()
    backend.apart = True
    async with crowd("http", Transport.FRAMES, backend, [NOTHING, NOTHING]) as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        tasks = [await begun(client) for client in here.clients]
        assert len(set(tasks)) == 2
        for client, task in zip(here.clients, tasks, strict=True):
            assert await own_list(client) == [task]
            assert await is_there(client, task)
        first = next(session for session in backend.sessions if backend.jobs_of(session))
        backend.finish("job.1", first)
        told = [[message["params"]["taskId"] for message in await heard(client)] for client in here.clients]
        assert told == [[tasks[0]], []]
        nursery.cancel_scope.cancel()


@restarts
async def test_an_id_from_before_a_restart_leads_to_nobody_elses_task(noticed: bool, autojump_clock: Clock) -> None:
    backend = TaskServer()
    backend.apart = True
    async with crowd("http", Transport.FRAMES, backend, [NOTHING, NOTHING], sessions="shared") as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        one, other = here.clients
        old = await begun(one)
        await restart(here, backend, noticed=noticed)
        assert not await is_there(one, old)
        new = await begun(other)
        asked = len(backend.heard)
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            assert (await ask(one, method, taskId=old))["error"]["message"] == "Failed to retrieve task: Task not found"
        assert len(backend.heard) == asked
        assert await is_there(other, new)
        assert (await own_list(one), await own_list(other)) == ([], [new])
        (session,) = backend.sessions
        backend.finish("job.1", session)
        assert await heard(one) == []
        assert [message["params"]["taskId"] for message in await heard(other)] == [new]
        nursery.cancel_scope.cancel()


async def test_a_task_that_outlives_its_session_is_found_under_its_id(autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd("http", Transport.FRAMES, backend, [NOTHING, NOTHING], sessions="shared") as here:
        old = await begun(here.clients[0])
        await restart(here, backend, noticed=True)
        new = await begun(here.clients[1])
        assert old != new
        assert await is_there(here.clients[0], old)


async def test_where_a_task_may_run_whose_id_nobody_knows_none_from_before_is_asked_for(autojump_clock: Clock) -> None:
    backend = TaskServer()
    backend.apart = True
    async with crowd("http", Transport.FRAMES, backend, [NOTHING, NOTHING], sessions="shared") as here:
        one, other = here.clients
        old = await begun(one)
        await restart(here, backend, noticed=True)
        backend.is_mute = True
        await other.say(id=7, method="tools/call", params={"name": "b_work", "arguments": {}, "task": {}})
        await trio.sleep(1)
        await other.say(method="notifications/cancelled", params={"requestId": 7})
        await trio.sleep(1)
        asked = len(backend.heard)
        assert not await is_there(one, old)
        assert len(backend.heard) == asked


async def test_a_clients_own_session_that_begins_anew_has_none_of_the_tasks_from_before(autojump_clock: Clock) -> None:
    backend = TaskServer()
    backend.apart = True
    async with crowd("stdio", Transport.FRAMES, backend, [NOTHING], session_idle_seconds=60) as here:
        (client,) = here.clients
        old = await begun(client)
        backend.crash()
        await client.say(id="old", method="tasks/get", params={"taskId": old})
        while (message := await client.hear()).get("id") != "old":
            pass
        assert "error" in message
        new = await begun(client)
        assert new != old
        assert not await is_there(client, old)
        assert await is_there(client, new)
