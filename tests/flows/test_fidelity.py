"""What the gateway has no reason to touch arrives as it was written: whatever client, whatever road to the backend, in both directions (P-25, P-31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import httpx2
import msgspec
import pytest
import trio.testing
from tests.flows.asked_clients import EVERYTHING, HttpClient, LinesClient, visitor
from tests.flows.lone_clients import NEW, OURS, LoneHouse, lone_house

from sluicegate.backends.channel import ChannelSession
from sluicegate.protocol.messages import Malformed, Raw, Request, decode_object, encode_result
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
backs = pytest.mark.parametrize("back", Transport)
fronts = pytest.mark.parametrize("front", ["stdio", "http", "lone"])

ODD = b'{"big":123456789012345678901234567890,"n":1.10,"e":1e2,"m":-0.0,"nothing":null,"twice":{"k":1,"k":2},"s":"\\u0041\\/"}'
"""What JSON libraries like to make something else of: integers, fractions, nulls, keys that come twice, and spellings."""
PARAMS = {
    "name": b'"b_echo"',
    "arguments": ODD[:-1] + b',\n "list": [1,\r\n\t2]}',
    "vendor": ODD,
}
RESULT = {
    "content": b'[{"type":"hologram","of":'
    + ODD
    + b'},{"type":"text","text":"x","annotations":{"mood":1.10,"more":null},"icons":[{"x":1e2}]}]',
    "structuredContent": ODD,
    "isError": b"false",
    "vendor": ODD,
}
META = {"vendor.example/odd": ODD, "nothing": b"null"}


@attrs.define(eq=False)
class House:
    """A gateway in front of a backend that answers with bytes of the test's."""

    inner: LoneHouse
    front: str

    async def call(self, params: bytes) -> bytes:
        """The answer to a call, as it came; ``params`` without the braces."""
        if self.front == "lone":
            return await self._alone(params)
        body = b'{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{%b}}' % params
        async with visitor(self.front, self.inner.gateway, EVERYTHING) as client:
            if isinstance(client, HttpClient):
                headers = {"accept": client.accept, "content-type": "application/json", "mcp-session-id": client.session}
                return last(await client.http.post("/mcp", content=body, headers=headers))
            assert isinstance(client, LinesClient)
            await client.lines.stdin.send_all(body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")
            return msgspec.json.encode(await client.hear())

    async def _alone(self, params: bytes) -> bytes:
        said = msgspec.json.encode({f"{OURS}protocolVersion": NEW, f"{OURS}clientCapabilities": {}})
        own = params.replace(b'"_meta":{', b'"_meta":%b,' % said[:-1]) if b'"_meta"' in params else b'%b,"_meta":%b' % (params, said)
        body = b'{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{%b}}' % own
        client = self.inner.client()
        named = {"mcp-protocol-version": NEW, "mcp-method": "tools/call", "mcp-name": "b_echo"}
        headers = {"accept": client.accept, "content-type": "application/json"} | named
        return last(await client.http.post("/mcp", content=body, headers=headers))


def last(answer: httpx2.Response) -> bytes:
    """The reply itself, of an answer or a stream."""
    data = answer.content
    return data if data.startswith(b"{") else [line[6:] for line in data.splitlines() if line.startswith(b"data: {")][-1]


class Recorded(ScriptedBackend):
    """Answers each call with these bytes."""

    def __init__(self, result: bytes) -> None:
        super().__init__(name="b")
        self.result = result

    async def _play(self, step: object, session: ChannelSession, request: Request, number: int) -> None:
        session.receive(encode_result(request.id, Raw(self.result)))

    @property
    def asked(self) -> Request:
        """The last call that it got."""
        return next(one for one in reversed(self.received) if isinstance(one, Request) and one.method == "tools/call")


def written(members: Mapping[str, bytes]) -> bytes:
    return b",".join(b'"%b":%b' % (name.encode(), raw) for name, raw in members.items())


def members(raw: Any) -> dict[str, bytes]:
    found = decode_object(Raw(bytes(raw)))
    assert not isinstance(found, Malformed), found
    return {name: bytes(value) for name, value in found.items()}


def without_blanks(raw: bytes) -> bytes:
    """The texts here have none."""
    return raw.translate(None, b" \t\r\n")


@fronts
@backs
async def test_what_a_client_says_arrives_as_it_was_written(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = Recorded(b'{"content":[]}')
    async with lone_house(back, backend=backend, most=0) as inner:
        answer = members(await House(inner, front).call(written(PARAMS) + b',"_meta":{' + written(META) + b"}"))
        assert "result" in answer, answer
        got = {name: bytes(raw) for name, raw in backend.asked.params.items()}
        for name in ("arguments", "vendor"):
            assert without_blanks(got[name]) == without_blanks(PARAMS[name]), name
        meta = members(got["_meta"])
        assert {name: meta[name] for name in META} == META
        if back is Transport.CHILD:
            assert all(b"\n" not in raw and b"\r" not in raw for raw in got.values()), "a message is one line"


@pytest.mark.parametrize("front", ["http", "lone"])
@backs
async def test_what_a_backend_says_arrives_as_it_was_written(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = Recorded(b'{%b,"_meta":{%b}}' % (written(RESULT), written(META)))
    async with lone_house(back, backend=backend, most=0) as inner:
        got = members(members(await House(inner, front).call(b'"name":"b_echo","arguments":{}'))["result"])
        assert {name: got[name] for name in RESULT} == RESULT
        meta = members(got["_meta"])
        assert {name: meta[name] for name in META} == META
        assert set(got) - RESULT.keys() == {"_meta", *(["resultType"] if front == "lone" else [])}


@pytest.mark.parametrize("front", ["http", "lone"])
async def test_bytes_that_are_no_utf_8_are_refused_and_reach_nobody(front: str, autojump_clock: Clock) -> None:
    backend = Recorded(b'{"content":[]}')
    async with lone_house(Transport.FRAMES, backend=backend, most=0) as inner:
        answer = msgspec.json.decode(await House(inner, front).call(b'"name":"b_echo","arguments":{"a":"\xff"}'))
        assert answer["error"]["code"] == -32700
        assert all(not isinstance(one, Request) or one.method != "tools/call" for one in backend.received)


@pytest.mark.parametrize("front", ["http", "lone"])
@pytest.mark.parametrize("back", [back for back in Transport if back is not Transport.SOCKET])  # whose text frames hold nothing else
async def test_an_answer_that_is_no_utf_8_fails_its_call_at_once(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = Recorded(b'{"content":[{"type":"text","text":"\xff"}]}')
    async with lone_house(back, backend=backend, most=0) as inner:
        began = trio.current_time()
        answer = msgspec.json.decode(await House(inner, front).call(b'"name":"b_echo","arguments":{}'))
        assert answer["error"]["code"] == -32603
        assert trio.current_time() - began < 1
