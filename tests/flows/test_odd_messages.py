"""Halves of characters, very many members, numbers beyond all bounds, ids in another spelling: from clients and from backends."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport

from sluicegate import Builder
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Garble, Step

# The numbers that are promised. Taken from the source they would move with it.
MOST_MEMBERS = 512

Clock = trio.testing.MockClock
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
HELLO = b'{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}'
REQUEST = b'{"jsonrpc":"2.0","id":%b,"method":"%b","params":%b}'
TIMEOUT = 20.0


@attrs.define
class Desk:
    """One session with a gateway, and the backend ``b`` behind it."""

    http: httpx2.AsyncClient
    backend: ScriptedBackend
    session: str = ""

    async def post(self, body: bytes) -> httpx2.Response:
        return await self.http.post("/mcp", content=body, headers=HEADERS | ({"mcp-session-id": self.session} if self.session else {}))

    async def call(self, answers: list[bytes], own_id: bytes = b'"mine"') -> None:
        answers.append((await self.post(REQUEST % (own_id, b"tools/call", b'{"name":"b_echo","arguments":{}}'))).content)

    async def answered_with(self, rest: bytes, own_id: bytes = b"%d") -> bytes:
        """What the client gets where the backend answers this beside its id; at once, or this fails."""
        answers: list[bytes] = []
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.call, answers)
            await trio.testing.wait_all_tasks_blocked(0.01)
            number = int(getattr(self.backend.received[-1], "id"))  # noqa: B009  a notification has none
            self.backend.sessions[0].receive(b'{"jsonrpc":"2.0","id":%b,%b}' % (own_id % number, rest))
        assert trio.current_time() - began < 1
        return answers[0]


@asynccontextmanager
async def desk(*steps: Step) -> AsyncGenerator[Desk, None]:
    backend = ScriptedBackend(*steps, name="b")
    async with trio.open_nursery() as nursery:
        async with Builder("x").backend("b", backend.connector, timeout={"seconds": TIMEOUT}).open() as gateway:
            await gateway.settled()
            async with httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://127.0.0.1:8080") as http:
                here = Desk(http, backend)
                here.session = (await here.post(REQUEST % (b"1", b"initialize", HELLO))).headers["mcp-session-id"]
                yield here
        nursery.cancel_scope.cancel()


def many(count: int) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % number for number in range(count)) + b"}"


CROWDED = {
    "the envelope": b'{"jsonrpc":"2.0","id":7,"method":"ping",' + many(MOST_MEMBERS)[1:],
    "the parameters": REQUEST % (b"7", b"tools/call", b'{"name":"b_echo",' + many(MOST_MEMBERS)[1:]),
    "the metadata": REQUEST % (b"7", b"tools/call", b'{"name":"b_echo","_meta":%b}' % many(MOST_MEMBERS + 1)),
}


@pytest.mark.parametrize("where", CROWDED)
async def test_a_request_with_too_many_members_is_refused_with_a_number(where: str, autojump_clock: Clock) -> None:
    async with desk() as here:
        answer = await here.post(CROWDED[where])
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, -32600)
        assert f"more than {MOST_MEMBERS} members" in error["message"]
        assert here.backend.calls == 0


async def test_a_tools_arguments_may_have_any_number_of_members(autojump_clock: Clock) -> None:
    async with desk() as here:
        arguments = many(50_000)
        answer = await here.post(REQUEST % (b"7", b"tools/call", b'{"name":"b_echo","arguments":%b}' % arguments))
        assert answer.json()["result"]["content"][0]["text"].startswith('echo {"k0":1')
        assert bytes(here.backend.received[-1].params["arguments"]) == arguments


async def test_half_a_character_of_a_client_is_refused_with_words_that_say_so(autojump_clock: Clock) -> None:
    async with desk() as here:
        answer = await here.post(REQUEST % (b"7", b"tools/call", b'{"name":"b_echo","arguments":{"a":"\\ud800"}}'))
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, -32700)
        assert "half of a surrogate pair (\\ud800, byte 90)" in error["message"]


async def test_half_a_character_of_a_backend_costs_that_character_and_one_warning(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(Garble(b"")) as here:
        with caplog.at_level(logging.WARNING):
            answer = await here.answered_with(b'"result":{"content":[{"type":"text","text":"\\ud83d\\ude00 \\ud800"}]}')
        assert json.loads(answer)["result"]["content"][0]["text"] == "\U0001f600 \ufffd"
        assert b"\\ud83d\\ude00 \\ufffd" in answer, "nothing else is written anew"
        warnings = [record for record in caplog.records if "half a character" in record.message]
        assert len(warnings) == 1
        assert warnings[0].__dict__["backend"] == "b"


@pytest.mark.parametrize("null", [b'"_meta":null', b'"_meta" : null'])
async def test_metadata_of_an_answer_that_is_null_is_left_out(null: bytes, autojump_clock: Clock) -> None:
    async with desk(Garble(b"")) as here:
        answer = await here.answered_with(b'"result":{"content":[],%b,"n":1.10,"structuredContent":{"_meta":null}}' % null)
        assert b'"result":{"content":[],"n":1.10,"structuredContent":{"_meta":null}}' in answer, "what a tool made is its own"


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        (b'"result":{},' + many(MOST_MEMBERS)[1:-1], "no message of the protocol"),
        (b'"result":{"text":"%b"}' % (rb"\ud800" * 10_001), "half of a surrogate pair"),
    ],
    ids=["very many members", "made of halves"],
)
async def test_an_answer_that_is_too_odd_fails_its_call_at_once(rest: bytes, says: str, autojump_clock: Clock) -> None:
    async with desk(Garble(b"")) as here:
        error = json.loads(await here.answered_with(rest))["error"]
        assert (error["code"], error["data"]["reason"], error["data"]["backend"]) == (-32603, "bad_answer", "b")
        assert says in error["message"]


@pytest.mark.parametrize(
    "result",
    [
        b'{"content":[],"structuredContent":{"a":1e400,"b":[-1E+999]}}',
        b'{"content":[{"type":"text","text":"","n":%b}]}' % (b"7" * 5000),
        b'{"content":[{"type":1e400,"n":%b}],"_meta":{"a":1.10}}' % (b"7" * 5000),
        b'{"content":[],"_meta":{"a":null},"more":null}',
        b'{"content":[{"type":"resource_link","name":"n","n":1e400,"size":%b,"uri":"x"}]}' % (b"7" * 5000),
    ],
)
async def test_members_of_a_result_pass_as_they_came(result: bytes, autojump_clock: Clock) -> None:
    """P-25: numbers that no language holds included. Only what holds a URI is written anew."""
    async with desk(Garble(b"")) as here:
        answer = await here.answered_with(b'"result":%b,"server":{"took":3}' % result)
        before, uri, after = result.partition(b'"uri":"x"')
        assert answer.startswith(b'{"jsonrpc":"2.0","id":"mine","result":' + before)
        assert answer.endswith(after + b"}")
        assert (b'"uri":"' in answer) == bool(uri)


@pytest.mark.parametrize("spelling", [b"%d.0", b"%de0", b'"%d"'])
async def test_an_id_in_another_spelling_is_the_id(spelling: bytes, autojump_clock: Clock) -> None:
    async with desk(Garble(b"")) as here:
        assert json.loads(await here.answered_with(b'"result":{"content":[]},"error":null', spelling))["result"] == {"content": []}


@pytest.mark.parametrize("own_id", [b"1.0", b"1e2", b'"\\u0061"', b"123456789012345678901234567890"])
async def test_a_client_gets_its_id_as_it_wrote_it(own_id: bytes, autojump_clock: Clock) -> None:
    async with desk() as here:
        answers: list[bytes] = []
        await here.call(answers, own_id)
        assert answers[0].startswith(b'{"jsonrpc":"2.0","id":%b,"result":' % own_id)
        request = here.backend.received[-1]
        assert int(getattr(request, "id")) < 2**53  # noqa: B009  a notification has none


async def test_an_id_in_two_spellings_is_one_id(autojump_clock: Clock) -> None:
    answers: list[Any] = []
    async with desk(Garble(b"")) as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.call, answers, b"7")
        await trio.testing.wait_all_tasks_blocked(0.01)
        error = (await here.post(REQUEST % (b"7.0", b"ping", b"{}"))).json()
        assert (error["id"], error["error"]["code"]) == (7.0, -32600)
        nursery.cancel_scope.cancel()
