"""A task may change something until it has ended: what was read meanwhile is not kept beyond that."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, Json, crowd
from tests.flows.test_tasks import ask, begun
from tests.kit.tasking import TaskServer

from sluicegate import CacheSettings
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
NOTHING: Json = {}


def keeping(backend: TaskServer, **settings: Any) -> Any:
    cache = CacheSettings(tool_ttl_seconds=60, tools=("plain",), **settings)
    return crowd("http", Transport.FRAMES, backend, [NOTHING], sessions="shared", cache=cache)


async def reads(client: Client, backend: TaskServer, times: int) -> int:
    """How often the backend is asked for what it says is the same each time."""
    before = len(backend.heard)
    for _ in range(times):
        await ask(client, "tools/call", name="b_plain", arguments={})
    return len(backend.heard) - before


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
@pytest.mark.parametrize(("settings", "again"), [({}, 1), ({"clear_on_writes": False}, 0)])
async def test_when_a_task_is_seen_to_have_ended_what_was_kept_is_forgotten(
    method: str, settings: dict[str, Any], again: int, autojump_clock: Clock
) -> None:
    backend = TaskServer()
    async with keeping(backend, **settings) as here:
        (client,) = here.clients
        task = await begun(client)
        assert await reads(client, backend, 2) == 1
        await ask(client, "tasks/get", taskId=task)
        assert await reads(client, backend, 2) == 0, "it has not ended"
        if method != "tasks/cancel":
            backend.finish("job.1")
        await ask(client, method, taskId=task)
        assert await reads(client, backend, 2) == again


async def test_what_nobody_knows_is_not_the_end_of_anything(autojump_clock: Clock) -> None:
    backend = TaskServer()
    async with keeping(backend) as here:
        (client,) = here.clients
        assert await reads(client, backend, 1) == 1
        assert "error" in await ask(client, "tasks/result", taskId="none")
        assert await reads(client, backend, 1) == 0
