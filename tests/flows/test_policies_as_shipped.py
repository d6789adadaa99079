"""The configuration with every policy that we ship, opened in an outside world in memory."""

from __future__ import annotations

import trio.testing
from tests.kit.checkout import CONF
from tests.kit.endpoint import Answer as HttpAnswer
from tests.kit.endpoint import ScriptedEndpoint
from tests.kit.front import open_front

from sluicegate import open_gateway
from sluicegate.config.load import load
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.network import open_outside

Clock = trio.testing.MockClock


async def test_the_resilient_configuration_that_we_ship_opens_and_serves(autojump_clock: Clock) -> None:
    """LIM-47: with three HTTP backends behind it; the canary gets its twentieth, and the stand-in takes over when the first is gone."""

    async def lists(answer: HttpAnswer) -> None:
        await answer.result({"tools": [{"name": "find", "inputSchema": {"type": "object"}}]})

    sites = [ScriptedEndpoint({"tools/list": lists}) for _ in range(3)]
    config = load(CONF / "resilient.toml").config
    async with (
        open_outside() as world,
        open_front(sites[1], network=world.network, port=9001),
        open_front(sites[2], network=world.network, port=9002),
        open_front(sites[0], network=world.network, port=9000) as first,
        open_gateway(config, outside=world.outside) as gateway,
    ):
        await gateway.settled()
        assert list(gateway.catalogue.names(TOOLS)) == ["search_find"]
        for _ in range(20):
            assert (await gateway.call_tool("search_find")).fault is None
        assert [site.methods().count("tools/call") for site in sites] == [19, 1, 0]
        first.accepting.cancel()
        first.connections.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert (await gateway.call_tool("search_find")).fault is None
        assert sites[2].methods().count("tools/call") == 1
