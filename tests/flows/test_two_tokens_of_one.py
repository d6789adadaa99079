"""Somebody has two tokens, of which one may do less: each request may do what its own may, whatever the other has begun."""

from __future__ import annotations

import attrs
import pytest
import trio.testing
from tests.kit.desk import desk, token

from sluicegate.config.model import BearerAuth
from sluicegate.settings.entitlements import ScopedTokenSettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Echo

Clock = trio.testing.MockClock
LESS = "another-token-of-ada"
AUTH = BearerAuth(scoped_tokens=(token("ada", allow_tools=["*"]), ScopedTokenSettings(token=LESS, name="ada", allow_tools=("*_look",))))
REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


@pytest.mark.parametrize("opens", ["the-token-of-ada", LESS])
async def test_headers_are_compared_by_what_their_own_sender_may_see(opens: str, autojump_clock: Clock) -> None:
    """Else who may less would learn of a tool from the refusal, and who may more could contradict himself."""
    backend = ScriptedBackend(Echo(), name="a", tools=["look", {"name": "drop", "inputSchema": REGION}])
    async with desk({"a": backend}, AUTH) as here:
        client = await attrs.evolve(await here.client("ada", "2025-11-25"), token=opens).open()
        wrong = client.body("tools/call", name="a_drop", arguments={"region": "eu"})
        statuses: dict[str, int] = {}
        for shown in (LESS, "the-token-of-ada", LESS):
            client.token = shown
            answer = await client.post(wrong | {"id": len(statuses) + 50}, **{"mcp-param-region": "us"})
            assert "error" in answer.json()
            statuses[shown] = answer.status_code
        assert statuses == {"the-token-of-ada": 400, LESS: 200}
