"""What clients and operators see of the policies: over HTTP through a real listener in memory, and over stdio."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families
from tests.kit.answers import message_of
from tests.kit.front import Answer, HandClient
from tests.kit.messages import HELLO
from tests.kit.tools import SAFE

from sluicegate import Builder, open_gateway
from sluicegate.config.model import Config, MetricsConfig, ObservabilityConfig, TimeoutSettings
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HealthSettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.line_client import open_line_client
from sluicegate.testing.network import MemoryOutside, open_outside
from sluicegate.testing.script import Delay, RpcError

Clock = trio.testing.MockClock
PORT = 8080


@attrs.define(eq=False)
class Web:
    """A gateway that listens, and connections to it."""

    gateway: Gateway
    world: MemoryOutside
    session: str = ""
    ids: Iterator[int] = attrs.field(factory=itertools.count)

    async def get(self, path: str) -> Answer:
        client = HandClient(await self.world.network.open_stream("127.0.0.1", PORT))
        await client.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = await client.answer()
        await client.close()
        return answer

    async def ask(self, method: str, params: object = None) -> dict[str, Any]:
        """POST a request, in the session that the first one opened; the message that comes back."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        body = json.dumps(message if method.startswith("notifications/") else {"id": next(self.ids), **message})
        session = f"Mcp-Session-Id: {self.session}\r\n" if self.session and method != "initialize" else ""
        client = HandClient(await self.world.network.open_stream("127.0.0.1", PORT))
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        await client.say(f"{head}{session}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await client.answer("POST")
        await client.close()
        told: dict[str, Any] = message_of(answer.headers.get("content-type", ""), answer.body or b"{}")
        if "result" in told:
            self.session = answer.headers.get("mcp-session-id", self.session)
        return told

    async def open(self) -> dict[str, Any]:
        hello = await self.ask("initialize", HELLO)
        await self.ask("notifications/initialized")
        return hello

    async def call(self, tool: str = "b_echo") -> dict[str, Any]:
        return await self.ask("tools/call", {"name": tool, "arguments": {}})

    async def metrics(self) -> dict[tuple[str, str], float]:
        """Numbers of backends, by name and backend."""
        text = (await self.get("/metrics")).body.decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {
            (sample.name, sample.labels.get("state", "") or sample.labels["backend"]): sample.value
            for sample in samples
            if "backend" in sample.labels and not ("state" in sample.labels and sample.value == 0)
        }


@asynccontextmanager
async def listening(config: Config, **servers: ScriptedBackend) -> AsyncGenerator[Web, None]:
    config = attrs.evolve(config, observability=ObservabilityConfig(metrics=MetricsConfig(enabled=True)))
    async with open_outside() as world, trio.open_nursery() as nursery:
        connectors = {name: server.connector for name, server in servers.items()}
        async with open_gateway(config, servers=connectors, outside=world.outside) as gateway:
            await gateway.settled()
            await nursery.start(gateway.serve)
            yield Web(gateway, world)


def config_of(backend: ScriptedBackend, proxy: dict[str, Any] | None = None, **settings: Any) -> Config:
    builder = Builder("x").proxy(shutdown_timeout_seconds=1, **(proxy or {})).listen("127.0.0.1", PORT)
    return builder.backend("b", backend.connector, **settings).config()


async def test_the_limit_of_the_whole_gateway_covers_every_request_of_every_client_on_every_front(autojump_clock: Clock) -> None:
    """GRL-1: the handshake, pings, lists and calls, over HTTP and over stdio, take from one bucket."""
    backend = ScriptedBackend(tools=[SAFE], prompts=["p"])
    limit = RateLimitSettings(6, period_seconds=60, max_wait_seconds=0)
    async with listening(config_of(backend, {"rate_limit": limit}), b=backend) as web, trio.open_nursery() as nursery:
        one_of_each = [("initialize", HELLO), ("ping", None), ("tools/list", None), ("prompts/list", None)]
        assert "result" in await web.open()
        for method, params in (*one_of_each[1:], ("tools/call", {"name": "b_echo"})):
            assert "result" in await web.ask(method, params), method
        async with open_line_client(web.gateway.serve_stdio, nursery) as client:
            await client.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
            assert "result" in await client.next()
            await client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            for method in ("ping", "tools/list", "tools/call"):
                await client.send({"jsonrpc": "2.0", "id": 2, "method": method, "params": {"name": "b_echo"}})
                assert (await client.next())["error"]["data"]["reason"] == "rate_limited"
        for method, params in (*one_of_each, ("tools/call", {"name": "b_echo"}), ("resources/read", {"uri": "x"})):
            error = (await web.ask(method, params))["error"]
            assert (error["code"], error["message"], error["data"]["retryAfterMs"]) == (-32011, "rate limit exceeded", 10_000), method
        assert backend.calls == 1
        assert len(web.gateway._app.sessions) == 1, "handshakes that were refused have left no sessions"
        await trio.sleep(10)
        assert "result" in await web.ask("ping")


async def test_a_fault_of_ours_tells_programs_what_happened_where_and_what_to_do(autojump_clock: Clock) -> None:
    """RES-E10, DEC-6: data has a code, a reason, the backend, the attempts, a hint, and the time to wait where somebody knows it."""
    backend = ScriptedBackend(Delay(60), tools=[SAFE])
    config = config_of(
        backend,
        timeout=TimeoutSettings(per_attempt_seconds=1),
        retry=RetrySettings(max_retries=2, initial_backoff_ms=0),
        circuit_breaker=BreakerSettings(minimum_calls=3, wait_duration_seconds=30),
    )
    async with listening(config, b=backend) as web:
        await web.open()
        slow = (await web.call())["error"]
        assert slow["code"] == -32010
        hint = slow["data"].pop("hint")
        assert slow["data"] == {"reason": "timeout", "code": "SG-401", "backend": "b", "attempts": 3, "outcome": "unknown"}
        refused = (await web.call())["error"]
        assert refused["code"] == -32012
        assert (hint, refused["data"].pop("hint")) != ("", "")
        assert refused["data"] == {"reason": "circuit_open", "code": "SG-601", "backend": "b", "retryAfterMs": 30_000}


async def test_a_gateway_is_ready_while_some_backend_is_up_and_healthy(autojump_clock: Clock) -> None:
    """LIM-34, HC-7: an open breaker does not count; it is there, and tries again by itself."""
    backend = ScriptedBackend(RpcError(), tools=[SAFE])
    health = HealthSettings(interval_seconds=1, timeout_seconds=0.5, unhealthy_threshold=2)
    config = config_of(backend, health=health, circuit_breaker=BreakerSettings(minimum_calls=1))
    async with listening(config, b=backend) as web:
        assert (await web.get("/readyz")).status == 200
        await web.gateway.call_tool("b_echo")
        assert web.gateway.policies["b"].is_open
        assert (await web.get("/readyz")).status == 200
        backend.mute = True
        await trio.sleep(4)
        assert web.gateway.backends["b"].is_up
        assert [(await web.get(path)).status for path in ("/readyz", "/livez")] == [503, 200]
        backend.mute = False
        await trio.sleep(2)
        assert (await web.get("/readyz")).status == 200


async def test_the_numbers_of_every_policy_are_on_the_page(autojump_clock: Clock) -> None:
    """RES-55, LIM-50, RES-45, LIM-16: read off the policies when the page is asked for; a policy that is not configured has none."""
    backend = ScriptedBackend(RpcError(), Delay(3), tools=[SAFE])
    config = config_of(
        backend,
        retry=RetrySettings(max_retries=1, initial_backoff_ms=0, budget_percent=200, min_retries_per_sec=0),
        timeout=TimeoutSettings(seconds=10),
        hedging=HedgeSettings(delay_ms=1000),
        circuit_breaker=BreakerSettings(minimum_calls=50),
        outlier_detection=OutlierSettings(),
        rate_limit=RateLimitSettings(3, period_seconds=60, max_wait_seconds=0),
        concurrency=ConcurrencySettings(2),
        health=HealthSettings(),
    )
    async with listening(config, b=backend) as web:
        before = await web.metrics()
        assert (await web.gateway.call_tool("b_echo")).fault is None
        assert (await web.gateway.call_tool("b_echo")).fault is not None
        guards = web.gateway.policies["b"]
        assert guards.outlier is not None
        assert guards.breaker is not None
        guards.outlier.eject()
        guards.breaker.force_open()
        after = await web.metrics()

    changed = {
        name.removeprefix("mcp_proxy_"): after[name, "b"]
        for name, place in after
        if place == "b" and after[name, "b"] != before.get((name, "b"), 0)
    }
    ours = {name: value for name, value in changed.items() if not name.startswith(("request", "backend_attempts", "backend_request"))}
    assert ours == {
        "retries_total": 1,
        "retries_exhausted_total": 1,
        "retry_budget_left": 2,
        "hedges_total": 1,
        "rate_limited_total": 1,
        "backend_ejected": 1,
    }
    assert ("mcp_proxy_breaker_state", "Closed") in before
    assert ("mcp_proxy_breaker_state", "ForcedOpen") in after
    assert {"mcp_proxy_backend_healthy", "mcp_proxy_backend_queue", "mcp_proxy_queue_refused_total", "mcp_proxy_hedges_won_total"} <= {
        name for name, _ in after
    }


async def test_a_gateway_without_policies_shows_no_numbers_of_any(autojump_clock: Clock) -> None:
    """RES-0d: what is not configured is not there."""
    backend = ScriptedBackend(tools=[SAFE])
    async with listening(config_of(backend), b=backend) as web:
        names = {name.removeprefix("mcp_proxy_").partition("_")[0] for name, _ in await web.metrics()}
    assert names & {"breaker", "retries", "retry", "hedges", "rate", "queue"} == set()


@pytest.mark.parametrize("reason", ["limit", "queue"])
async def test_calls_that_are_refused_at_the_same_time_get_each_its_own_reply(reason: str, autojump_clock: Clock) -> None:
    """RES-E4, RES-E8: of thirty calls at once over thirty connections as many are served as may be."""
    backend = ScriptedBackend(Delay(1), tools=[SAFE])
    settings: dict[str, Any] = (
        {"rate_limit": RateLimitSettings(5, period_seconds=60)}
        if reason == "limit"
        else {"concurrency": ConcurrencySettings(3, max_queue=2)}
    )
    outcomes: list[str] = []

    async def call(web: Web) -> None:
        answer = await web.call()
        data = answer.get("error", {}).get("data", {"reason": "ok", "backend": "b"})
        assert data["backend"] == "b"
        outcomes.append(data["reason"])

    async with listening(config_of(backend, **settings), b=backend) as web:
        await web.open()
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(partial(call, web))
    refusal = {"limit": "rate_limited", "queue": "queue_full"}[reason]
    assert (outcomes.count("ok"), outcomes.count(refusal)) == (5, 25)
