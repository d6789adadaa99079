"""The gateway inside another ASGI application."""

from __future__ import annotations

import httpx2
import pytest
import trio
import trio.testing
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.kit.asgi import AsgiTransport
from tests.kit.messages import HELLO

from sluicegate import Builder
from sluicegate.testing.backend import ScriptedBackend


@pytest.mark.parametrize(("path", "status"), [("/tools/mcp", 200), ("/tools/mcp/", 200), ("/tools/", 200), ("/tools/none", 404)])
async def test_it_answers_under_the_path_where_another_application_has_mounted_it(
    path: str, status: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with Builder("x").backend("b", ScriptedBackend().connector).open() as gateway, trio.open_nursery() as nursery:
        app = Starlette(routes=[Mount("/tools", app=gateway.asgi_app)])
        async with httpx2.AsyncClient(transport=AsgiTransport(app, nursery), base_url="http://localhost") as client:
            message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
            answer = await client.post(path, json=message, headers={"Accept": "application/json, text/event-stream"})
            assert answer.status_code == status
            assert (await client.get("/tools/livez")).status_code == 200
        nursery.cancel_scope.cancel()
