"""What policies do with calls that become tasks: nobody makes one twice, and to ask how one is may be tried again."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Json, crowd
from tests.flows.test_tasks import ask, begun
from tests.kit.calls import a_call
from tests.kit.tasking import TaskServer
from tests.routing.test_failover import Scripted, failing, ok

from sluicegate.policies.settings import HedgeSettings, RetrySettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw
from sluicegate.routing.failover import Candidate, Failover
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
NOTHING: Json = {}
RETRY = RetrySettings(max_retries=2, only="all", initial_backoff_ms=1)


@pytest.mark.parametrize(("task", "times"), [({"task": {}}, 1), ({}, 2)])
async def test_a_call_that_may_have_begun_a_task_is_not_sent_again(task: dict[str, Any], times: int, autojump_clock: Clock) -> None:
    backend = TaskServer()
    backend.broken = "tools/call"
    async with crowd("http", Transport.FRAMES, backend, [NOTHING], sessions="shared", retry=RETRY) as here:
        answer = await ask(here.clients[0], "tools/call", name="b_work", arguments={}, **task)
        assert answer["error"]["data"]["reason"] == "connection_lost"
    assert [message["method"] for message in backend.heard] == ["tools/call"] * times


@pytest.mark.parametrize(("method", "times"), [("tasks/get", 2), ("tasks/result", 1)])
async def test_how_a_task_is_may_be_asked_again(method: str, times: int, autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with crowd("http", Transport.FRAMES, backend, [NOTHING], sessions="shared", retry=RETRY) as here:
        task = await begun(here.clients[0])
        backend.broken = method
        assert "error" in await ask(here.clients[0], method, taskId=task)
    assert [message["method"] for message in backend.heard[1:]] == [method] * times


async def test_no_copy_is_made_of_what_becomes_a_task_or_fetches_its_result(autojump_clock: Clock) -> None:
    backend = TaskServer()
    hedging = HedgeSettings(delay_ms=0, only="all")
    async with crowd("http", Transport.FRAMES, backend, [NOTHING], sessions="shared", hedging=hedging) as here:
        (client,) = here.clients
        task = await begun(client)
        await client.say(id="end", method="tasks/result", params={"taskId": task})
        await trio.sleep(1)
        backend.finish("job.1")
        assert (await client.hear())["id"] == "end"
    assert [message["method"] for message in backend.heard] == ["tools/call", "tasks/result"]


@pytest.mark.parametrize(("started", "asked"), [(True, 0), (False, 1)])
async def test_a_stand_in_begins_no_second_task(started: bool, asked: int) -> None:
    spare = ok("c")
    broken: Scripted = failing("b", faults.lost("b", "it broke", started=started))
    primary = Candidate("b", broken, only_once=lambda call: "task" in call.params)
    call: Call = a_call().copy(params={"name": Raw(b'"now"'), "task": Raw(b"{}")})
    await Failover(primary, (Candidate("c", spare),))(call)
    assert len(spare.asked) == asked
