"""What a client without a session is offered is what that session offers on which its calls are made."""

from __future__ import annotations

import pytest
import trio.testing
from tests.flows.asked_clients import EVERYTHING, visitor
from tests.flows.lone_clients import LoneHouse, lone_house
from tests.kit.personal import PersonalBackend

from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
MORE = {"elicitation": ["ask"]}


async def offered_elsewhere(house: LoneHouse) -> None:
    """A client with a session of its own, which can be asked the same, has found out what is offered there."""
    async with visitor("http", house.gateway, EVERYTHING) as client:
        await client.say(id=7, method="tools/call", params={"name": "b_echo", "arguments": {}})
        assert "result" in await client.hear()


@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.HTTP])
@pytest.mark.parametrize(("most", "more"), [(0, []), (4, ["b_ask"])])
async def test_a_client_without_a_session_sees_what_its_calls_find(
    most: int, more: list[str], back: Transport, autojump_clock: Clock
) -> None:
    """Where calls are parked each has a session of its own; where not, all are made on the shared one."""
    async with lone_house(back, most=most, backend=PersonalBackend(name="b", more=MORE)) as house:
        await offered_elsewhere(house)
        listed = await house.client().ask("tools/list")
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["b_echo", *more]
