"""Each request has one record at its end, whatever front it came in by and whatever became of it (LOG-1, CFG-120)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, visitor
from tests.kit.asgi import AsgiTransport

from sluicegate.config.model import BackendConfig, BearerAuth, Config, ObservabilityConfig, ProxyConfig, TimeoutSettings
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.policies.settings import CacheSettings
from sluicegate.settings.audit_settings import AuditSettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Reset, RpcError, Step, ToolFails

Clock = trio.testing.MockClock
Json = dict[str, Any]
LOOK: Json = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
FRONTS = ["http", "stdio", "modern"]
fronts = pytest.mark.parametrize("front", FRONTS)


@attrs.define(eq=False)
class House:
    gateway: Gateway
    client: Client
    lines: list[bytes]
    asked: int = 0

    async def call(self, tool: str = "look", **arguments: Any) -> Json:
        self.asked += 1
        await self.client.say(id=self.asked, method="tools/call", params={"name": f"b_{tool}", "arguments": arguments})
        return await self.client.hear()

    def records(self, method: str = "tools/call") -> list[Json]:
        """Of requests of that method."""
        return [record for record in map(json.loads, self.lines) if record["event"] == "request" and record.get("method", "") == method]


@asynccontextmanager
async def house(front: str, *steps: Step, auth: BearerAuth | None = None, **audit: Any) -> AsyncGenerator[House, None]:
    backend = ScriptedBackend(*steps, tools=[LOOK, "act"])
    config = Config(
        ProxyConfig("x"),
        (BackendConfig("b", "inprocess", timeout=TimeoutSettings(10), cache=CacheSettings(tool_ttl_seconds=60)),),
        auth=auth,
        observability=ObservabilityConfig(audit=AuditSettings(**audit)),
    )
    lines: list[bytes] = []
    async with (
        open_gateway(config, servers={"b": backend.connector}, audit_log=lines.append) as gateway,
        visitor(front, gateway, {}) as client,
    ):
        await gateway.settled()
        yield House(gateway, client, lines)


@fronts
async def test_a_call_that_succeeds_says_who_what_where_and_how_much(front: str, autojump_clock: Clock) -> None:
    """LOG-1."""
    async with house(front, Delay(2)) as here:
        answer = await here.call("act", a=1)

    (record,) = here.records()
    assert "result" in answer
    assert {"event": "request", "target": "b_act", "status": "success", "backend": "b", "sent": True, "id": 1}.items() <= record.items()
    assert 2000 <= record["ms"] < 2100
    assert (record["bytes_in"], record["bytes_out"] > 50) == (len('{"a":1}'), True)
    assert ("session" in record) == (front == "http")


@fronts
@pytest.mark.parametrize(
    ("step", "status", "reason"),
    [
        (ToolFails("no"), "tool_error", None),
        (RpcError(-32603, "broken"), "error", "error"),
        (Delay(99), "timeout", "timeout"),
        (Reset(), "unknown", "connection_lost"),
    ],
    ids=["tool error", "error", "timeout", "unknown"],
)
async def test_what_became_of_it_is_one_word(front: str, step: Step, status: str, reason: str | None, autojump_clock: Clock) -> None:
    async with house(front, step) as here:
        await here.call("act")

    (record,) = here.records()
    assert (record["status"], record.get("reason"), record["sent"], record["backend"]) == (status, reason, True, "b")


@fronts
async def test_who_has_cancelled_a_call_is_told(front: str, autojump_clock: Clock) -> None:
    async with house(front, Delay(5)) as here:
        await here.client.say(id=1, method="tools/call", params={"name": "b_act", "arguments": {}})
        await trio.sleep(1)
        if front != "modern":  # over HTTP that revision takes a call back by hanging up
            await here.client.say(method="notifications/cancelled", params={"requestId": 1})
            await trio.sleep(1)

    (record,) = here.records()
    by, reason = ("gateway", "the gateway is going down") if front == "modern" else ("caller", None)
    if front != "modern":
        assert (record["status"], record["by"], record.get("reason")) == ("cancelled", by, reason)
    else:
        assert record["status"] in {"cancelled", "success"}


@fronts
async def test_what_is_answered_at_once_has_its_record_too(front: str, autojump_clock: Clock) -> None:
    async with house(front) as here:
        for _ in range(4):
            await here.call("look", of="house")

    assert [record["id"] for record in here.records()] == [1, 2, 3, 4]
    assert [(record["status"], record["backend"], record.get("sent", False)) for record in here.records()] == [
        ("success", "b", number == 0) for number in range(4)
    ]


@fronts
async def test_a_request_that_becomes_no_call_has_one(front: str, autojump_clock: Clock) -> None:
    async with house(front) as here:
        await here.client.say(id=7, method="tools/call", params={"name": "nobody_knows"})
        await here.client.hear()
        await here.client.say(id=8, method="no/such", params={})
        await here.client.hear()

    (record,) = here.records()
    assert (record["status"], record["reason"], record["code"]) == ("error", "unknown_tool", -32602)
    (record,) = here.records("no/such")
    assert (record["status"], record["reason"], record["code"]) == ("error", "unknown_method", -32601)


async def test_arguments_are_hashed_or_written_down_without_what_is_secret(autojump_clock: Clock) -> None:
    wish: Json = {"hash_arguments": True, "hash_results": True, "arguments": True, "redact": ("$.password", "$..token", "$.list[1]")}
    given = {"password": {"a": 1}, "user": {"token": "t", "name": "n"}, "list": [1, 2, 3], "token": None}
    async with house("stdio", Answer("same"), **wish) as here:
        answer = await here.call("act", **given)
        await here.call("act", text="x" * 20_000)

    first, large = here.records()
    assert first["arguments"] == {"password": "***", "user": {"token": "***", "name": "n"}, "list": [1, "***", 3], "token": "***"}
    assert first["arguments_sha256"] == sha256(json.dumps(given, separators=(",", ":")).encode()).hexdigest()
    assert first["result_sha256"] == sha256(json.dumps(answer["result"], separators=(",", ":")).encode()).hexdigest()
    assert ("arguments" in large, large["bytes_in"] > 20_000, len(large["arguments_sha256"])) == (False, True, 64)


async def test_what_is_refused_over_http_has_a_record(autojump_clock: Clock) -> None:
    token = "0123456789abcdef0123"
    async with house("stdio", auth=BearerAuth((token,))) as here, trio.open_nursery() as nursery:
        transport = AsgiTransport(here.gateway.asgi_app, nursery)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
            right = {
                "authorization": f"Bearer {token}",
                "accept": "application/json, text/event-stream",
                "content-type": "application/json",
            }
            statuses = [
                (await http.post("/mcp", content=b"{}")).status_code,
                (await http.post("/mcp", content=b"{}", headers={"authorization": "Bearer wrong"})).status_code,
                (await http.post("/mcp", content=b"{", headers=right)).status_code,
                (await http.put("/mcp", headers=right)).status_code,
                (await http.get("/nowhere", headers=right)).status_code,
                (await http.post("/mcp", content=b"{}", headers=right | {"content-type": "text/plain"})).status_code,
                (await http.post("/mcp", headers={"host": "evil.example"})).status_code,
                (await http.get("/livez")).status_code,
            ]
        nursery.cancel_scope.cancel()

    refused = [record for record in map(json.loads, here.lines) if record["event"] == "refused"]
    assert [record["code"] for record in refused] == [status for status in statuses if status != 200]
    assert [record["status"] for record in refused[:3]] == ["denied", "denied", "error"]
    assert ["principal" in record for record in refused] == [False, False, True, True, True, True, False]
    assert refused[4]["http"] == "GET /nowhere"
    assert token not in b"".join(here.lines).decode()


async def test_a_batch_has_a_record_for_each_of_its_requests(autojump_clock: Clock) -> None:
    async with house("stdio") as here, trio.open_nursery() as nursery:
        transport = AsgiTransport(here.gateway.asgi_app, nursery)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
            headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
            hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
            opened = await http.post(
                "/mcp", headers=headers, content=json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
            )
            headers["mcp-session-id"] = opened.headers["mcp-session-id"]
            call = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "b_act", "arguments": {}}}
            batch = [call | {"id": 1}, {"jsonrpc": "2.0", "id": 2}, call | {"id": 3}, call | {"id": 1}]
            await http.post("/mcp", headers=headers, content=json.dumps(batch))
        nursery.cancel_scope.cancel()

    of_session = {record.get("session") for record in here.records()}
    assert sorted((record["id"], record["status"]) for record in here.records()) == [(1, "error"), (1, "success"), (3, "success")]
    assert [record["id"] for record in here.records("")] == [2]
    assert [len(str(one)) for one in of_session] == [16]
    assert headers["mcp-session-id"] not in b"".join(here.lines).decode()


async def test_the_programs_own_calls_are_told_of_as_well(autojump_clock: Clock) -> None:
    async with house("stdio") as here:
        await here.gateway.call_tool("b_act", {"a": 1})
        await here.gateway.call_tool("nobody_knows")

    assert [(record["status"], "id" in record) for record in here.records()] == [("success", False), ("error", False)]


async def test_the_chain_begins_with_a_start_and_ends_with_a_stop(autojump_clock: Clock) -> None:
    async with house("stdio") as here:
        await here.call()

    records = [json.loads(line) for line in here.lines]
    assert (records[0]["event"], records[-1]["event"]) == ("start", "stop")
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))


async def test_a_cut_is_told_of_before_the_end(autojump_clock: Clock) -> None:
    with trio.CancelScope() as scope:
        async with house("stdio", Delay(99)) as here:
            await here.client.say(id=1, method="tools/call", params={"name": "b_act", "arguments": {}})
            await trio.sleep(1)
            scope.cancel()

    (record,) = here.records()
    assert (record["status"], record["by"], record["sent"]) == ("cancelled", "gateway", True)
    assert json.loads(here.lines[-1])["event"] == "stop"
