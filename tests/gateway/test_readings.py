"""All parts of a gateway that count, in one walk: what they are called for Prometheus, in the library and on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import attrs
import httpx2
import pytest
import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families
from tests.kit.asgi import AsgiTransport

import sluicegate
from sluicegate import Builder, Call, Clientele, Fault, Gateway, Outside, Question, Reply, open_gateway
from sluicegate.backends import backend as backend_file
from sluicegate.backends.backend_statistics import BackendStatistics
from sluicegate.cli.live import counted
from sluicegate.config.model import AccessLogConfig, MetricsConfig, ObservabilityConfig, SecurityConfig
from sluicegate.frontends.session_statistics import SessionStatistics
from sluicegate.http1.server.connection_limit import ConnectionStatistics
from sluicegate.settings.audit_settings import AuditSettings
from sluicegate.telling.statistics import gauge
from sluicegate.testing import Ask
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.script import Answer

BEFORE = {
    "access_log_lines_dropped": "counter",
    "arguments_refused": "counter backend",
    "backend_attempts": "counter backend outcome",
    "backend_ejected": "gauge backend",
    "backend_ejections": "counter backend",
    "backend_healthy": "gauge backend",
    "backend_queue": "gauge backend",
    "backend_requests_in_flight": "gauge backend",
    "backend_restarts": "counter backend",
    "backend_state": "gauge backend state",
    "backend_up": "gauge backend",
    "breaker_opened": "counter backend",
    "breaker_state": "gauge backend state",
    "connections": "gauge",
    "connections_refused": "counter",
    "hedges": "counter backend",
    "hedges_won": "counter backend",
    "http_refused": "counter status",
    "mirror_copies": "counter backend outcome",
    "orphans": "gauge",
    "queue_refused": "counter backend",
    "rate_limited": "counter backend",
    "request_duration_seconds": "histogram backend method",
    "requests": "counter backend method outcome status",
    "requests_in_flight": "gauge",
    "retries": "counter backend",
    "retries_exhausted": "counter backend",
    "retry_budget_left": "gauge backend",
    "retry_budget_refused": "counter backend",
    "sessions": "gauge",
    "streams": "gauge",
}
"""Dashboards stand on these: a name that was there stays, with its kind and its labels."""
SINCE = {
    "access_log_bytes_waiting": "gauge",
    "audit_is_failing": "gauge",
    "audit_records": "counter",
    "audit_records_dropped": "counter",
    "audit_records_waiting": "gauge",
    "access_log_lines_waiting": "gauge",
    "backend_bytes_unread": "gauge backend",
    "backend_messages_unread": "gauge backend",
    "backend_phase": "gauge backend phase",
    "backend_questions_open": "gauge backend",
    "backend_requests_answered": "counter backend",
    "backend_sessions": "gauge backend",
    "backend_sessions_made_room": "counter backend",
    "backend_sessions_opened": "counter backend",
    "backend_sessions_refused": "counter backend",
    "backend_stderr_lines": "counter backend",
    "backend_stderr_lines_left_out": "counter backend",
    "backend_unusable_messages": "counter backend",
    "cache_bytes": "gauge backend",
    "cache_entries": "gauge backend",
    "cache_hits": "counter backend",
    "cache_misses": "counter backend",
    "cache_stale": "counter backend",
    "canary_held_back": "gauge backend",
    "canary_rollbacks": "counter backend cause",
    "config_is_current": "gauge",
    "config_reloads": "counter outcome",
    "connections_accepted": "counter",
    "connections_made_room": "counter",
    "guardrails_redacted": "counter backend",
    "guardrails_refused": "counter backend",
    "guardrails_warned": "counter backend",
    "mirror_compared": "counter backend result",
    "mirror_different": "counter backend name",
    "parked_calls": "gauge",
    "parked_calls_refused": "counter",
    "flights": "gauge backend",
    "requests_coalesced": "counter backend",
    "results_refused": "counter backend",
    "session_ticket_keys": "gauge",
    "session_tickets_ended": "counter",
    "session_tickets_issued": "counter",
    "session_tickets_refused": "counter",
    "sessions_resumed": "counter",
}
"""Those that came later."""


@asynccontextmanager
async def whole() -> AsyncGenerator[Gateway, None]:
    """A gateway that has every part."""
    one, copied, tried = ScriptedBackend(), ScriptedBackend(Answer("another")), ScriptedBackend()
    builder = Builder("x").backend(
        "a",
        one.connector,
        retry={"budget_percent": 20},
        hedging={},
        circuit_breaker={},
        outlier_detection={},
        rate_limit={"requests": 100, "period_seconds": 1},
        concurrency={"max_concurrent": 3},
        health={},
        result_size={"max_bytes": 1000},
        guardrails={},
        cache={"tool_ttl_seconds": 60},
        coalesce_requests=True,
        sessions="per_client",
    )
    builder.backend("m", copied.connector, mirror_of="a", mirror_compare=True)
    builder.backend("c", tried.connector, canary_of="a", weight=1, canary_guard={})
    config = attrs.evolve(
        builder.config(),
        observability=ObservabilityConfig(
            metrics=MetricsConfig(enabled=True), access_log=AccessLogConfig(enabled=True), audit=AuditSettings()
        ),
        security=SecurityConfig(max_argument_size=1000),
    )

    async def write(_lines: bytes) -> None:
        await trio.lowlevel.checkpoint()

    servers = {"a": one.connector, "m": copied.connector, "c": tried.connector}
    async with open_gateway(config, servers=servers, access_log=write) as gateway:
        await gateway.settled()
        await gateway.call_tool("a_echo")
        await trio.testing.wait_all_tasks_blocked()  # also the copy is answered, and compared
        await read(gateway, "/nowhere")
        yield gateway


async def read(gateway: Gateway, path: str) -> str:
    """What is there over HTTP."""
    async with trio.open_nursery() as nursery, httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery)) as http:
        return (await http.get(f"http://localhost{path}")).text


async def page_of(gateway: Gateway) -> dict[str, str]:
    """The kind and the labels of each metric, by name."""
    text = await read(gateway, "/metrics")
    return {
        family.name.removeprefix("mcp_proxy_"): " ".join(
            [family.type, *sorted({label for sample in family.samples for label in sample.labels} - {"le"})]
        )
        for family in text_string_to_metric_families(text)
        if not family.name.startswith("process_")
    }


async def test_the_metrics_are_these_and_none_that_was_there_has_changed(autojump_clock: object) -> None:
    async with whole() as gateway:
        assert await page_of(gateway) == BEFORE | SINCE


async def test_the_manual_lists_each_metric_as_it_is_called(autojump_clock: object) -> None:
    """Its long table is made by ``scripts/reference``, of the statistics alone: what is missing there is no part that it knows."""
    manual = (Path(sluicegate.__file__).parent / "help" / "metrics.rst").read_text(encoding="utf-8")
    async with whole() as gateway:
        names = {
            f"mcp_proxy_{name}_total" if kind.startswith("counter") else f"mcp_proxy_{name}"
            for name, kind in (await page_of(gateway)).items()
        }
    assert set(re.findall(r"^``(mcp_proxy_\w+)``", manual, re.MULTILINE)) == names


async def test_the_library_has_what_each_part_counts_by_what_it_is_and_whose(autojump_clock: object) -> None:
    async with whole() as gateway:
        told = gateway.statistics()
        await gateway.call_tool("a_echo")
    policies = ["arguments", "breaker", "outlier", "retry", "budget", "hedge", "rate", "cache", "coalesce", "concurrency", "result_size"]
    policies.append("guardrails")
    assert {part: list(rows) for part, rows in told.items()} == (
        {
            "requests": [""],
            "sessions": [""],
            "session_tickets": [""],
            "parking": [""],
            "connections": [""],
            "access_log": [""],
            "reloads": [""],
            "audit": [""],
            "backend": ["a", "m", "c"],
            "client_sessions": ["a"],
            "mirror": ["m"],
        }
        | {"arguments": ["a", "m", "c"], "canary_guard": ["c"]}
        | {part: ["a"] for part in policies if part != "arguments"}
    )
    assert told["sessions"][""] == SessionStatistics(0, 0, 0)
    requests = attrs.asdict(told["requests"][""])
    assert (requests["attempts"], requests["refusals"]) == ({("a", "ok"): 1}, {404: 1}), "what was told does not change"


@attrs.frozen
class More(BackendStatistics):
    """A backend's, with one field more."""

    since: float = attrs.field(metadata=gauge("backend_since", "When it came to be there."))


async def test_one_field_more_of_a_part_is_everywhere_at_once(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_file, "BackendStatistics", More)
    async with whole() as gateway:
        since = gateway.backends["a"].since
        assert await page_of(gateway) == BEFORE | SINCE | {"backend_since": "gauge backend"}
        told = gateway.statistics()["backend"]["a"]
        assert isinstance(told, More)
        assert told.since == since
        shown = json.loads(json.dumps(counted("a", gateway.statistics())))["statistics"]
    assert shown["backend"] == {
        "is_up": True,
        "phase": "initialize",
        "state": "ready",
        "restarts": 0,
        "is_healthy": True,
        "in_flight": 0,
        "open_questions": 0,
        "unread": 0,
        "unread_bytes": 0,
        "requests": 0,
        "garbage": 0,
        "stderr_lines": 0,
        "stderr_left_out": 0,
        "since": since,
    }
    assert list(shown) == [
        "backend",
        "client_sessions",
        "arguments",
        "breaker",
        "outlier",
        "retry",
        "budget",
        "hedge",
        "rate",
        "cache",
        "coalesce",
        "concurrency",
        "result_size",
        "guardrails",
    ]


@pytest.mark.parametrize(
    ("server", "counted"),
    [
        ("native", ConnectionStatistics(inside=2, accepted=2, refused=1, made_room=0)),
        ("hypercorn", ConnectionStatistics(inside=2, accepted=3, refused=0, made_room=1)),  # where half a head is nothing yet
    ],
)
async def test_connections_are_counted_whichever_server_has_them(
    server: Literal["native", "hypercorn"], counted: ConnectionStatistics, autojump_clock: object
) -> None:
    network = MemoryNetwork()
    config = Builder("x").listen("127.0.0.1", 8080).config()
    listen = attrs.evolve(config.proxy.listen, server=server, max_connections=2)
    config = attrs.evolve(config, proxy=attrs.evolve(config.proxy, listen=listen))
    async with open_gateway(config, outside=Outside(listen=network.listen)) as gateway, trio.open_nursery() as nursery:
        await nursery.start(gateway.serve)
        streams = []
        for _ in range(3):
            streams.append(await network.open_stream("127.0.0.1", 8080))
            await streams[-1].send_all(b"GET /livez HTTP/1.1\r\nHost: ")
            await trio.sleep(0.01)
        during = gateway.statistics()["connections"][""]
        for stream in streams:
            await stream.aclose()
        await trio.sleep(1)
        after = gateway.statistics()["connections"][""]
        nursery.cancel_scope.cancel()
    assert during == counted
    assert after == attrs.evolve(counted, inside=0)


@attrs.define(eq=False)
class Thinks:
    """Takes its time to answer (implements `Back`)."""

    asked: list[Question] = attrs.field(factory=list)

    def note(self, message: bytes) -> None:
        raise AssertionError(message)

    def ask(self, question: Question) -> Fault | None:
        self.asked.append(question)
        return None

    def hold(self, question: Question) -> None:
        raise AssertionError(question)


async def test_questions_of_a_backend_are_told_while_they_are_open(nursery: trio.Nursery, autojump_clock: object) -> None:
    client, shop, back = Clientele(), ScriptedBackend(Ask("elicitation/create"), tools=["order"]), Thinks()
    client.declare({"elicitation": {}})
    async with Builder("x").backend("shop", shop.connector).open(one_client=client) as gateway:
        await gateway.ready("shop")

        def told() -> list[int]:
            statistics = gateway.statistics()["backend"]["shop"]
            assert isinstance(statistics, BackendStatistics)
            return [statistics.open_questions, statistics.in_flight, statistics.restarts]

        call = Call.tool("shop_order")
        call.back = back
        before = told()
        nursery.start_soon(gateway.handler, call)
        await trio.sleep(1)
        during = told()
        back.asked[0].settle(Reply.of({"action": "cancel"}))
        await trio.sleep(1)
    assert [before, during, told()] == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
