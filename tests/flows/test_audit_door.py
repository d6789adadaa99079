"""While no record can be written, new requests wait; whoever leaves none comes in, since running calls may wait for him."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import trio
import trio.testing
from tests.flows.asked_clients import Client, visitor
from tests.kit.asgi import AsgiTransport

from sluicegate.config.model import BackendConfig, BearerAuth, Config, MetricsConfig, ObservabilityConfig, ProxyConfig
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.observe.audit.auditor import Audit
from sluicegate.observe.audit.ledger import AuditStatistics
from sluicegate.settings.audit_settings import AuditSettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Step

Clock = trio.testing.MockClock
TOKEN = "0123456789abcdef0123"


@attrs.define(eq=False)
class FullDisk:
    """Takes records and can write none (implements `Ledger`)."""

    is_full: bool = False
    records: list[bytes] = attrs.field(factory=list)
    _free: trio.Event = attrs.field(factory=trio.Event)

    def put(self, record: bytes) -> None:
        self.records.append(record)

    async def room(self) -> None:
        await self._free.wait()

    def free(self) -> None:
        self.is_full = False
        self._free.set()

    def statistics(self) -> AuditStatistics:
        return AuditStatistics(0, 0, len(self.records), is_failing=self.is_full)


@asynccontextmanager
async def house(*steps: Step, auth: BearerAuth | None = None) -> AsyncGenerator[tuple[Gateway, FullDisk], None]:
    observability = ObservabilityConfig(audit=AuditSettings(), metrics=MetricsConfig(enabled=True))
    config = Config(ProxyConfig("x"), (BackendConfig("b", "inprocess"),), auth=auth, observability=observability)
    backend = ScriptedBackend(*steps, tools=["act"])
    async with open_gateway(config, servers={"b": backend.connector}, audit_log=lambda _line: None) as gateway:
        await gateway.settled()
        audit, disk = gateway._audit, FullDisk()
        assert isinstance(audit, Audit)
        audit.ledger = disk
        yield gateway, disk


async def call(client: Client, number: int) -> None:
    await client.say(id=number, method="tools/call", params={"name": "b_act", "arguments": {}})


async def test_a_call_waits_and_who_cancels_another_does_not(autojump_clock: Clock) -> None:
    heard: list[Any] = []
    async with house(Delay(50), Answer()) as (gateway, disk), visitor("http", gateway, {}) as client, trio.open_nursery() as nursery:
        nursery.start_soon(call, client, 1)
        await trio.sleep(1)
        disk.is_full = True
        await client.say(method="notifications/cancelled", params={"requestId": 1})
        await trio.sleep(1)
        assert [b'"status":"cancelled"' in record for record in disk.records if b"tools/call" in record] == [True]
        nursery.start_soon(call, client, 2)
        await trio.sleep(30)
        assert len([record for record in disk.records if b"tools/call" in record]) == 1
        disk.free()
        while not heard or heard[-1].get("id") != 2:
            heard.append(await client.hear())
    assert "result" in heard[-1]


async def test_the_page_of_metrics_tells_of_it_and_strangers_wait(autojump_clock: Clock) -> None:
    async with house(auth=BearerAuth((TOKEN,))) as (gateway, disk), trio.open_nursery() as nursery:
        transport = AsgiTransport(gateway.asgi_app, nursery)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
            disk.is_full = True
            right = {"authorization": f"Bearer {TOKEN}"}
            with trio.fail_after(5):
                page = await http.get("/metrics", headers=right)
            assert page.status_code == 200
            assert "mcp_proxy_audit_is_failing 1" in page.text
            statuses: list[int] = []

            async def ask(method: str, path: str, headers: dict[str, str]) -> None:
                statuses.append((await http.request(method, path, headers=headers)).status_code)

            for method, path, headers in (
                ("GET", "/metrics", {}),
                ("POST", "/mcp", {"host": "evil.example"}),
                ("PUT", "/mcp", right),
                ("GET", "/nowhere", right),
                ("POST", "/mcp", right | {"content-type": "text/plain"}),
                ("GET", "/mcp", right),
            ):
                nursery.start_soon(ask, method, path, headers)
            await trio.sleep(30)
            assert (statuses, disk.records) == ([], [])
            disk.free()
            await trio.sleep(1)
            assert sorted(statuses) == [400, 400, 401, 404, 405, 415]
            assert len(disk.records) == 6
        nursery.cancel_scope.cancel()
