"""A server on the TypeScript SDK drops a message with an odd member, without an answer: one caller's must never reach it."""

from __future__ import annotations

from pathlib import Path

import attrs
import httpx2
import pytest
import trio

from sluicegate import Builder

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
PATIENCE = 60
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
HELLO = b'{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}'

ODD = {
    "a member that the protocol does not have": b',"trace":"x"',
    "null metadata": b',"_meta":null',
    "a null token": b',"_meta":{"progressToken":null}',
    "a huge id": b',"id":123456789012345678901234567890',
    "an id as a fraction": b',"id":7.0',
}


@attrs.define
class Session:
    http: httpx2.AsyncClient
    headers: dict[str, str]

    async def post(self, body: bytes) -> httpx2.Response:
        return await self.http.post("/mcp", content=body, headers=self.headers)


async def session_at(http: httpx2.AsyncClient) -> Session:
    session = Session(http, dict(HEADERS))
    opened = await session.post(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":%b}' % HELLO)
    session.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
    await session.post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    return session


def line_of_a_call(odd: bytes = b"") -> bytes:
    params, beside = (odd, b"") if odd.startswith(b',"_meta"') else (b"", odd)
    own_id = b"" if beside.startswith(b',"id"') else b',"id":6'
    return b'{"jsonrpc":"2.0"%b,"method":"tools/call","params":{"name":"ev_echo","arguments":{"message":"m"}%b}%b}' % (
        own_id,
        params,
        beside,
    )


@pytest.mark.parametrize("what", ODD)
async def test_one_callers_odd_member_costs_nobody_anything(what: str) -> None:
    """Not himself, who waited for his deadline; and not the others, whose breaker opened by it."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            async with Builder("gate").backend("ev", ["node", str(SERVER), "stdio"], **FRAGILE).open(strict=True) as gateway:
                (url,) = await nursery.start(gateway.serve)
                async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as http:
                    one, other = await session_at(http), await session_at(http)
                    for _ in range(3):
                        answer = await one.post(line_of_a_call(ODD[what]))
                        assert b"Echo: m" in answer.content, answer.content
                    assert b"Echo: m" in (await other.post(line_of_a_call())).content
            nursery.cancel_scope.cancel()


FRAGILE: dict[str, object] = {
    "timeout": {"seconds": 2},
    "circuit_breaker": {"minimum_calls": 3, "failure_rate_threshold": 0.5},
}
