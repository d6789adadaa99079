"""``/metrics``: who may see it, and what it says of a whole gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families
from tests.kit.messages import HELLO

from sluicegate import Builder, Gateway, Outside, open_gateway
from sluicegate.config.model import BearerAuth, Config, MetricsConfig, ObservabilityConfig
from sluicegate.http1.asgi import ASGIApp
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.script import Delay, Reset, RpcError

BOTH = "application/json, text/event-stream"


@attrs.frozen
class Answer:
    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


async def ask(app: ASGIApp, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One HTTP request to an ASGI application."""
    sent = {"host": "localhost", "accept": BOTH, "content-type": "application/json"} | headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
    }
    parts: list[Mapping[str, Any]] = []
    asked = False

    async def receive() -> dict[str, object]:
        nonlocal asked
        if asked:
            await trio.sleep_forever()
        asked = True
        return {"type": "http.request", "body": body}

    async def send(part: Mapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        parts.append(part)

    await app(scope, receive, send)
    return Answer(parts[0]["status"], dict(parts[0]["headers"]), b"".join(part["body"] for part in parts[1:]))


async def say(app: ASGIApp, method: str, params: object = None, **headers: str) -> Answer:
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    if not method.startswith("notifications/"):
        message["id"] = 1
    return await ask(app, "POST", "/mcp", json.dumps(message).encode(), **headers)


async def open_session(app: ASGIApp) -> str:
    session = (await say(app, "initialize", HELLO)).headers[b"mcp-session-id"].decode()
    await say(app, "notifications/initialized", mcp_session_id=session)
    return session


async def read(gateway: Gateway) -> dict[str, float]:
    """The page, by metric and labels, as Prometheus reads it: ``name{a="b",c="d"}``."""
    answer = await ask(gateway.asgi_app, "GET", "/metrics")
    assert (answer.status, answer.headers[b"content-type"]) == (200, b"text/plain; version=0.0.4; charset=utf-8")
    samples = [sample for family in text_string_to_metric_families(answer.body.decode()) for sample in family.samples]
    return {_shown(sample.name, sample.labels): sample.value for sample in samples}


def _shown(name: str, labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


def counted(config: Config) -> Config:
    return attrs.evolve(config, observability=ObservabilityConfig(metrics=MetricsConfig(enabled=True)))


@asynccontextmanager
async def counting(backends: Mapping[str, ScriptedBackend], **settings: Any) -> AsyncGenerator[Gateway, None]:
    """A gateway with metrics; ``settings`` are those of backends, by name."""
    builder = Builder("x")
    for name, backend in backends.items():
        builder.backend(name, backend.connector, **settings.get(name, {}))
    servers = {name: backend.connector for name, backend in backends.items()}
    async with open_gateway(counted(builder.config()), servers=servers) as gateway:
        await gateway.settled()
        yield gateway


async def test_calls_are_told_by_method_status_backend_and_outcome_and_as_a_histogram(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"b": ScriptedBackend(Delay(3), Delay(3, RpcError()))}) as gateway:
        session = await open_session(gateway.asgi_app)
        for name in ("b_echo", "b_echo", "no such tool"):
            await say(gateway.asgi_app, "tools/call", {"name": name}, mcp_session_id=session)
        await say(gateway.asgi_app, "tools/list", mcp_session_id=session)
        await say(gateway.asgi_app, "ping", mcp_session_id=session)
        page = await read(gateway)

    calls = {name: value for name, value in page.items() if name.startswith("mcp_proxy_requests_total")}
    assert calls == {
        'mcp_proxy_requests_total{backend="",method="initialize",outcome="ok",status="ok"}': 1,
        'mcp_proxy_requests_total{backend="b",method="tools/call",outcome="ok",status="ok"}': 1,
        'mcp_proxy_requests_total{backend="b",method="tools/call",outcome="error",status="error"}': 1,
        'mcp_proxy_requests_total{backend="",method="tools/call",outcome="unknown_tool",status="error"}': 1,
        'mcp_proxy_requests_total{backend="",method="tools/list",outcome="ok",status="ok"}': 1,
        'mcp_proxy_requests_total{backend="",method="ping",outcome="ok",status="ok"}': 1,
    }
    times = "mcp_proxy_request_duration_seconds"
    assert page[f'{times}_bucket{{backend="b",le="2.5",method="tools/call"}}'] == 0
    assert page[f'{times}_bucket{{backend="b",le="5.0",method="tools/call"}}'] == 2
    assert page[f'{times}_bucket{{backend="b",le="+Inf",method="tools/call"}}'] == 2
    assert page[f'{times}_count{{backend="b",method="tools/call"}}'] == 2
    assert page[f'{times}_sum{{backend="b",method="tools/call"}}'] == pytest.approx(6)


async def test_nothing_that_a_caller_wrote_is_on_the_page(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"b": ScriptedBackend()}) as gateway:
        session = await open_session(gateway.asgi_app)
        for method, name in (("tools/call", "EVIL"), ("EVIL/method", "x"), ("prompts/get", "EVIL"), ("resources/read", "EVIL")):
            await say(gateway.asgi_app, method, {"name": name, "uri": name}, mcp_session_id=session)
        await say(gateway.asgi_app, "ping", mcp_session_id="EVIL")
        await ask(gateway.asgi_app, "EVIL", "/EVIL")
        await ask(gateway.asgi_app, "GET", "/mcp", host="EVIL")

        page = await read(gateway)

    assert [name for name in page if "evil" in name.lower()] == []
    assert page['mcp_proxy_requests_total{backend="",method="",outcome="unknown_method",status="error"}'] >= 1


async def test_backends_are_told_with_their_states_attempts_and_restarts(autojump_clock: trio.testing.MockClock) -> None:
    dead = ScriptedBackend()
    dead.refuse = "not today"
    async with counting(
        {"a": ScriptedBackend(Delay(1, Reset())), "b": ScriptedBackend(Delay(5)), "dead": dead}, b={"failover_for": "a"}
    ) as gate:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gate.call_tool, "a_echo")
            await trio.sleep(1.01)
            during = await read(gate)
        await trio.sleep(60)
        after = await read(gate)

    assert (during["mcp_proxy_requests_in_flight"], during['mcp_proxy_backend_requests_in_flight{backend="b"}']) == (1, 1)
    assert [during[f'mcp_proxy_backend_up{{backend="{name}"}}'] for name in ("a", "b", "dead")] == [0, 1, 0]
    assert during['mcp_proxy_backend_state{backend="a",state="restarting"}'] == 1
    assert during['mcp_proxy_backend_state{backend="a",state="ready"}'] == 0
    assert (after["mcp_proxy_requests_in_flight"], after['mcp_proxy_backend_requests_in_flight{backend="b"}']) == (0, 0)
    assert (after['mcp_proxy_backend_up{backend="a"}'], after['mcp_proxy_backend_restarts_total{backend="a"}']) == (1, 1)
    assert after['mcp_proxy_backend_restarts_total{backend="dead"}'] > 1
    assert after['mcp_proxy_backend_attempts_total{backend="a",outcome="connection_lost"}'] == 1
    assert after['mcp_proxy_backend_attempts_total{backend="b",outcome="ok"}'] == 1


async def test_mirrored_copies_are_told_by_what_became_of_them(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"a": ScriptedBackend(), "m": ScriptedBackend(Delay(1), Delay(1, RpcError()))}, m={"mirror_of": "a"}) as gateway:
        for _ in range(3):
            await gateway.call_tool("a_echo")
        await trio.sleep(5)
        page = await read(gateway)

    copies = {outcome: page[f'mcp_proxy_mirror_copies_total{{backend="m",outcome="{outcome}"}}'] for outcome in ("ok", "failed", "dropped")}
    assert copies == {"ok": 1, "failed": 2, "dropped": 0}


async def test_sessions_streams_and_orphans_are_told_while_they_last(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"b": ScriptedBackend(Delay(20))}) as gateway, trio.open_nursery() as nursery:
        app = gateway.asgi_app
        sessions = [await open_session(app) for _ in range(3)]
        stream, lost = trio.CancelScope(), trio.CancelScope()

        async def listen() -> None:
            with stream:
                await ask(app, "GET", "/mcp", mcp_session_id=sessions[0])

        async def call() -> None:
            with lost:
                await say(app, "tools/call", {"name": "b_echo"}, mcp_session_id=sessions[1])

        nursery.start_soon(listen)
        nursery.start_soon(call)
        await trio.sleep(1)
        lost.cancel()
        await trio.sleep(1)
        during = await read(gateway)
        stream.cancel()
        await trio.sleep(60)
        after = await read(gateway)

    names = ("mcp_proxy_sessions", "mcp_proxy_streams", "mcp_proxy_orphans")
    assert [during[name] for name in names] == [3, 1, 1]
    assert [after[name] for name in names] == [3, 0, 0]


async def test_what_is_refused_before_it_becomes_a_call_is_counted_by_status(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"b": ScriptedBackend()}) as gateway:
        app = gateway.asgi_app
        await say(app, "ping")
        await say(app, "ping", mcp_session_id="none")
        await say(app, "ping", mcp_session_id="none")
        await ask(app, "GET", "/elsewhere")
        page = await read(gateway)

    refused = {name: value for name, value in page.items() if name.startswith("mcp_proxy_http_refused")}
    assert refused == {'mcp_proxy_http_refused_total{status="400"}': 1, 'mcp_proxy_http_refused_total{status="404"}': 3}


async def test_requests_that_the_server_refuses_by_itself_are_counted_too(autojump_clock: trio.testing.MockClock) -> None:
    network, scripted = MemoryNetwork(), ScriptedBackend()
    config = counted(Builder("x").listen("127.0.0.1", 8080).backend("b", scripted.connector).config())
    async with (
        open_gateway(config, servers={"b": scripted.connector}, outside=Outside(listen=network.listen)) as gateway,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(gateway.serve)
        for request in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 10_000):
            stream = await network.open_stream("127.0.0.1", 8080)
            await stream.send_all(request)
            await stream.receive_some()
            await stream.aclose()
        page = await read(gateway)
        nursery.cancel_scope.cancel()

    refused = {name: value for name, value in page.items() if name.startswith("mcp_proxy_http_refused")}
    assert refused == {f'mcp_proxy_http_refused_total{{status="{status}"}}': 1 for status in (400, 414, 505)}


async def test_connections_are_told_those_included_that_found_no_room(autojump_clock: trio.testing.MockClock) -> None:
    network, scripted = MemoryNetwork(), ScriptedBackend()
    config = counted(Builder("x").listen("127.0.0.1", 8080).backend("b", scripted.connector).config())
    listen = attrs.evolve(config.proxy.listen, max_connections=2)
    config = attrs.evolve(config, proxy=attrs.evolve(config.proxy, listen=listen))
    outside = Outside(listen=network.listen)
    async with open_gateway(config, servers={"b": scripted.connector}, outside=outside) as gateway, trio.open_nursery() as nursery:
        await nursery.start(gateway.serve)
        streams = []
        for _ in range(3):
            streams.append(await network.open_stream("127.0.0.1", 8080))
            await streams[-1].send_all(b"GET /metrics HTTP/1.1\r\nHost: ")  # else it would be idle, and make room
            await trio.sleep(0.01)
        answer = await streams[2].receive_some()
        await streams[0].send_all(b"localhost\r\n\r\n")
        shown = await streams[0].receive_some()
        during = await read(gateway)
        for stream in streams:
            await stream.aclose()
        await trio.sleep(1)
        after = await read(gateway)
        nursery.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert shown.startswith(b"HTTP/1.1 200 ")
    assert (during["mcp_proxy_connections"], during["mcp_proxy_connections_refused_total"]) == (2, 1)
    assert after["mcp_proxy_connections"] == 0


async def test_lost_lines_of_the_access_log_and_the_process_itself_are_told(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()

    async def fail(_batch: bytes) -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("the disk is full")

    config = counted(Builder("x").backend("b", scripted.connector).config())
    async with open_gateway(config, servers={"b": scripted.connector}, access_log=fail) as gateway:
        await gateway.settled()
        await gateway.call_tool("b_echo")
        await trio.sleep(1)
        page = await read(gateway)

    assert page["mcp_proxy_access_log_lines_dropped_total"] == 1
    assert page["process_resident_memory_bytes"] > 1024 * 1024
    assert page["process_cpu_seconds_total"] > 0


async def test_two_gateways_in_one_process_count_each_for_itself(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"b": ScriptedBackend()}) as one, counting({"b": ScriptedBackend()}) as other:
        await one.call_tool("b_echo")
        mine, its = await read(one), await read(other)

    name = 'mcp_proxy_requests_total{backend="b",method="tools/call",outcome="ok",status="ok"}'
    assert (mine[name], its.get(name)) == (1, None)


async def test_the_page_is_behind_the_same_guards_as_the_endpoint(autojump_clock: trio.testing.MockClock) -> None:
    token = "0123456789abcdef0123"
    scripted = ScriptedBackend()
    config = attrs.evolve(counted(Builder("x").backend("b", scripted.connector).config()), auth=BearerAuth((token,)))
    async with open_gateway(config, servers={"b": scripted.connector}) as gateway:
        app = gateway.asgi_app
        answers = [
            await ask(app, "GET", "/metrics"),
            await ask(app, "GET", "/metrics", authorization=f"Bearer {token}", host="evil.example"),
            await ask(app, "GET", "/metrics", authorization=f"Bearer {token}", origin="http://evil.example"),
            await ask(app, "GET", "/metrics", authorization=f"Bearer {token}"),
            await ask(app, "POST", "/metrics", authorization=f"Bearer {token}"),
            await ask(app, "HEAD", "/metrics", authorization=f"Bearer {token}"),
        ]

    assert [answer.status for answer in answers] == [401, 400, 403, 200, 405, 200]
    assert answers[-1].body == b""
    assert answers[3].body.startswith(b"# HELP mcp_proxy_requests_total")


async def test_without_the_setting_there_is_no_page_and_no_policy(autojump_clock: trio.testing.MockClock) -> None:
    async with Builder("x").backend("b", ScriptedBackend().connector).open() as gateway:
        assert (await ask(gateway.asgi_app, "GET", "/metrics")).status == 404


async def test_calls_go_on_while_the_page_is_made(autojump_clock: trio.testing.MockClock) -> None:
    turns = 0

    async def watch(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal turns
        task_status.started()
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with counting({f"b{number}": ScriptedBackend() for number in range(3)}) as gateway, trio.open_nursery() as nursery:
        await nursery.start(watch)
        before = turns
        page = await read(gateway)
        nursery.cancel_scope.cancel()

    assert turns - before >= len({name.partition("{")[0] for name in page if name.startswith("mcp_proxy_backend_")})


async def test_before_the_first_call_the_page_has_no_calls_on_it(autojump_clock: trio.testing.MockClock) -> None:
    async with counting({"b": ScriptedBackend()}) as gateway:
        page = await read(gateway)

    assert [name for name in page if "requests_total" in name or "duration" in name] == []
    assert page["mcp_proxy_requests_in_flight"] == 0
