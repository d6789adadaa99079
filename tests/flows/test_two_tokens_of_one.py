"""Somebody has two tokens, of which one may do less: each request may do what its own may, whatever the other has begun."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.flows.asked_clients import NEAR, at, reached
from tests.kit.desk import Desk, desk, token

from sluicegate import open_gateway
from sluicegate.config.model import BearerAuth, Config, ProxyConfig, SecurityConfig
from sluicegate.settings.entitlements import ScopedTokenSettings
from sluicegate.settings.outward import OutwardSettings
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside
from sluicegate.testing.script import Ask, Delay, Echo, Note
from sluicegate.testing.transports import Transport

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


async def test_who_may_less_does_not_go_on_with_a_call_that_waits_for_answers(autojump_clock: Clock) -> None:
    """It stays what it was for who has made it, and for whatever token he has next that may as much."""
    backend = ScriptedBackend(Ask(), name="a", tools=["drop"])
    security = SecurityConfig(max_parked_calls=4, parked_seconds=60)
    async with desk({"a": backend}, AUTH, config={"security": security}, sessions="per_client", max_sessions=9) as here:
        client = await here.client("ada", "2026-07-28", {"elicitation": {}})
        asked = (await client.call("a_drop"))["result"]
        back = {"inputResponses": {"1": {"action": "accept"}}, "requestState": asked["requestState"]}
        for shown, goes_on in ((LESS, False), ("the-token-of-ada", True)):
            client.token = shown
            answer = await client.ask("tools/call", name="a_drop", arguments={}, **back)
            assert ("result" in answer) == goes_on, answer
        assert answer["result"]["content"][0]["text"] == '{"action": "accept"}'


async def test_who_may_less_does_not_read_on_in_the_answer_to_a_call_that_he_may_not_make(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(Note(0.5, Delay(10, Echo())), name="a", tools=["drop"])
    async with desk({"a": backend}, AUTH) as here:
        client = await here.client("ada", "2025-11-25")
        body = client.body("tools/call", name="a_drop", arguments={}, _meta={"progressToken": 1})
        with trio.move_on_after(1):
            await client.post(body)
        await trio.sleep(20)
        read: list[tuple[int, bool]] = []
        for shown in (LESS, "the-token-of-ada"):
            client.token = shown
            answer = await client.http.get("/mcp", headers=client.headers | {"accept": "text/event-stream", "last-event-id": "1-0"})
            read.append((answer.status_code, b"drop {} #1" in answer.content))
        assert read == [(400, False), (200, True)]


@pytest.mark.parametrize(("back", "links"), [(Transport.SOCKET, 2), (Transport.EVENTS, 2), (Transport.HTTP, 1)])
async def test_a_connection_that_has_said_what_one_may_carries_no_calls_of_the_other(
    back: Transport, links: int, tmp_path: Path, autojump_clock: Clock
) -> None:
    """Over HTTP each request says it anew."""
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "gate.key").write_bytes(key)
    told = OutwardSettings("identity", key=str(tmp_path / "gate.key"))
    settings = {"sessions": "per_client", "max_sessions": 9, "auth": told}
    backend = ScriptedBackend(*[Echo()] * 4, name="b", tools=["look"])
    async with open_outside() as world, trio.open_nursery() as nursery:
        config = Config(ProxyConfig("near", listen=at(NEAR)), (await reached(back, backend, world, nursery, settings),), auth=AUTH)
        async with open_gateway(config, outside=world.outside, sources=Sources.virtual(1)) as gateway:
            await gateway.ready("b")
            here = Desk(gateway, {"b": backend}, nursery)
            client = await here.client("ada", "2025-11-25", {"elicitation": {}})
            own = gateway.backends["b"].clients
            assert own is not None
            for shown in ("the-token-of-ada", LESS, "the-token-of-ada", LESS):
                client.token = shown
                assert "result" in await client.call("b_look")
            assert len(own) == links
        nursery.cancel_scope.cancel()
