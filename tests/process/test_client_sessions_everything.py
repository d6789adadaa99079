"""The reference server offers more to clients that can be asked: each sees through the gateway what it would see without."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from tests.flows.asked_clients import EVERYTHING, visitor
from tests.flows.test_sessions_of_clients import tools

from sluicegate import Builder

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
PATIENCE = 60


async def test_a_client_without_capabilities_sees_13_tools_and_one_with_all_of_them_17() -> None:
    with trio.fail_after(PATIENCE):
        async with Builder("gate").backend("all", ["node", str(SERVER), "stdio"], sessions="per_client").open() as gateway:
            await gateway.ready()
            seen = []
            for can in ({}, EVERYTHING, {}):
                async with visitor("http", gateway, can) as client:
                    seen.append(len(await tools(client)))
            assert seen == [13, 17, 13]
