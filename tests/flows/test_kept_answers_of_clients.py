"""Where each client has a session of its own with a backend, what is kept is kept for that session alone, and nothing is shared."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, HttpClient, crowd
from tests.kit.personal import PersonalBackend

from sluicegate.settings.keeping import CacheSettings
from sluicegate.testing.script import Delay
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
LOOK: dict[str, object] = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
SETTINGS: dict[str, Any] = {"cache": CacheSettings(tool_ttl_seconds=60), "coalesce_requests": True}


async def look(client: Client) -> str:
    await client.say(id=7, method="tools/call", params={"name": "b_look", "arguments": {}})
    return str((await client.hear())["result"]["content"][0]["text"])


@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.HTTP])
async def test_a_client_is_answered_with_what_it_was_answered_itself(back: Transport, autojump_clock: Clock) -> None:
    """TST-G15, CACHE-3. The first call opens the session, and is before any that could be kept."""
    backend = PersonalBackend(name="b", tools=[LOOK])
    async with crowd("http", back, backend, [{"roots": {}}, {"roots": {}}], **SETTINGS) as here:
        for client in (*here.clients, *here.clients, *here.clients, *here.clients):
            await look(client)
        assert [own.calls for _, own in backend.people] == [0, 2, 2]
        cache = here.gateway.policies["b"].cache
        assert cache is not None
        assert cache.hits == 4


async def test_what_two_clients_ask_at_once_is_asked_in_each_session(autojump_clock: Clock) -> None:
    backend = PersonalBackend(Delay(1), name="b", tools=[LOOK])
    async with crowd("http", Transport.FRAMES, backend, [{"roots": {}}] * 2, **SETTINGS) as here, trio.open_nursery() as nursery:
        for client in here.clients:
            assert isinstance(client, HttpClient)
            nursery.start_soon(look, client)
    assert [own.calls for _, own in backend.people] == [0, 1, 1]
