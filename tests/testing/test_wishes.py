"""The header ``X-Sluicegate-Fault``, and what ``/health`` tells of faults."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import count

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.answers import message_in
from tests.kit.asgi import AsgiTransport
from tests.kit.messages import HELLO, READY

from sluicegate import Builder, Gateway
from sluicegate.config.model import TimeoutSettings
from sluicegate.protocol.calls import Call, Handler, Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.injections.injector import Injections
from sluicegate.testing.injections.kinds import Reset
from sluicegate.testing.script import Rule, Script

JSON = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@attrs.define(eq=False)
class Client:
    """Speaks to the application of a gateway."""

    http: httpx2.AsyncClient
    gateway: Gateway
    session: str = ""
    numbers: Iterator[int] = attrs.field(factory=count)

    async def post(self, method: str, params: Mapping[str, object], fault: str | None) -> httpx2.Response:
        headers = JSON | ({"Mcp-Session-Id": self.session} if self.session else {})
        headers |= {} if fault is None else {"X-Sluicegate-Fault": fault}
        return await self.http.post(
            "/mcp", json={"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": params}, headers=headers
        )

    async def call(self, fault: str | None = None) -> str:
        """The text of the answer, or the reason or code of its error."""
        answer = message_in(await self.post("tools/call", {"name": "b_echo"}, fault))
        if "error" in answer:
            return str(answer["error"].get("data", {}).get("reason") or answer["error"]["message"])
        return str(answer["result"]["content"][0]["text"])


@asynccontextmanager
async def open_client(faults: Injections | None, *, host: str = "127.0.0.1", builder: Builder | None = None) -> AsyncGenerator[Client]:
    builder = builder or Builder("x").backend("b", ScriptedBackend(name="b").connector, timeout=TimeoutSettings(5.0))
    builder.listen(host, 0)
    async with trio.open_nursery() as nursery, builder.open(strict=True, faults=faults) as gateway:
        transport = AsgiTransport(gateway.asgi_app, nursery)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            client = Client(http, gateway)
            client.session = (await client.post("initialize", HELLO, None)).headers["mcp-session-id"]
            await http.post("/mcp", content=READY, headers=JSON | {"Mcp-Session-Id": client.session})
            yield client


def no_faults() -> Injections:
    """What is there with ``--faults`` and a plan whose rules never hold."""
    return Injections(Script([Rule(Reset(), backend="nobody")], 42), "plan.toml")


@pytest.mark.parametrize(
    ("text", "expected", "seconds"),
    [
        ("reset", "connection_lost", 0.0),
        ("delay 0.5", "echo {} #1", 0.5),
        ("hang", "timeout", 5.0),
        ("rpc_error 7 message=no", "no", 0.0),
        ("tool_fails no", "no", 0.0),
    ],
)
async def test_a_request_gets_the_fault_that_it_asks_for_and_the_next_one_none(
    text: str, expected: str, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_client(no_faults()) as client:
        began = trio.current_time()
        assert await client.call(text) == expected
        assert round(trio.current_time() - began, 6) == seconds
        await trio.sleep(5)
        assert (await client.call()).startswith("echo {} #")


@pytest.mark.parametrize(
    ("text", "said"), [("rest", "did you mean 'reset'?"), ("delay soon", "must be a number"), ("", "there is no fault")]
)
async def test_a_wish_that_cannot_be_read_is_refused_with_a_reason(text: str, said: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(no_faults()) as client:
        answer = await client.post("tools/call", {"name": "b_echo"}, text)
        assert answer.status_code == 400
        assert said in answer.json()["error"]["message"]
        assert "X-Sluicegate-Fault" in answer.json()["error"]["message"]
        assert await client.call() == "echo {} #1", "nothing was run"


async def test_without_faults_the_header_means_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(None) as client:
        assert await client.call("reset") == "echo {} #1"
        assert await client.call("nonsense") == "echo {} #2"


async def test_where_others_can_reach_it_the_header_means_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(no_faults(), host="0.0.0.0") as client:
        assert await client.call("reset") == "echo {} #1"
        assert await client.call("nonsense") == "echo {} #2"


async def test_a_wish_that_the_transport_cannot_fulfil_changes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(no_faults()) as client:
        assert await client.call("status 503") == "echo {} #1"


async def test_a_wish_comes_before_the_plan_and_does_not_stop_its_counting(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(Injections(Script([Rule(Reset(), numbers=[2])]))) as client:
        assert await client.call("tool_fails mine") == "mine"
        assert await client.call("tool_fails again") == "again"
        assert await client.call() == "echo {} #1"


async def test_calls_at_the_same_time_keep_their_wishes_apart(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(no_faults()) as client:
        found: dict[str, str] = {}

        async def one(text: str) -> None:
            found[text] = await client.call(f"tool_fails {text}" if text else None)

        async with trio.open_nursery() as nursery:
            for text in ("a", "", "b", "c"):
                nursery.start_soon(one, text)
        assert found == {"a": "a", "b": "b", "c": "c", "": "echo {} #1"}


async def test_a_wish_is_for_the_call_and_not_for_its_copy_to_a_mirror(autojump_clock: trio.testing.MockClock) -> None:
    """Not even if the copy is sent first."""
    faults, shadow = no_faults(), ScriptedBackend(name="shadow")

    def hesitant(inner: Handler) -> Handler:
        async def wait(call: Call) -> Reply:
            await trio.sleep(1)
            return await inner(call)

        return wait

    builder = Builder("x").backend("b", ScriptedBackend(name="b").connector).layer(hesitant)
    builder = builder.backend("shadow", shadow.connector, mirror_of="b", mirror_percent=100)
    async with open_client(faults, builder=builder) as client:
        assert await client.call("tool_fails no") == "no"
        assert (shadow.calls, faults.injectors["shadow"].injected, faults.injectors["b"].injected) == (1, 0, 1)


async def test_health_tells_the_seed_the_plan_and_how_many_faults_there_were(autojump_clock: trio.testing.MockClock) -> None:
    async with open_client(no_faults()) as client:
        for _ in range(3):
            await client.call("tool_fails no")
        health = await client.http.get("/health")
        assert json.loads(health.content) == {"status": "ok", "faults": {"seed": 42, "plan": "plan.toml", "injected": 3}}
    async with open_client(None) as client:
        assert (await client.http.get("/health")).content == b'{"status":"ok"}'
