"""Bad input from clients and from backends: a clear error each time, and everybody else goes on."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.answers import message_in
from tests.kit.asgi import AsgiTransport
from tests.kit.messages import HELLO

from sluicegate import Builder, Outside
from sluicegate.config.model import SecurityConfig, TimeoutSettings
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.outside import ProcessSpec
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.processes import ProcessTable
from sluicegate.testing.script import Garble, Reset, Result, Step

Clock = trio.testing.MockClock
LIMIT = 1_000_000
TIMEOUT = 20.0
BOTH = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
BOMB = 100_000
NEAR_THE_LIMIT = range(900, 1000)
"""Depths around that at which Python gives up, wherever it is called from."""


@attrs.define
class Client:
    """One session with the gateway."""

    http: httpx2.AsyncClient
    session: str = ""

    async def post(self, body: bytes | dict[str, Any]) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post("/mcp", content=content, headers=BOTH | ({"mcp-session-id": self.session} if self.session else {}))

    async def open(self) -> None:
        self.session = (await self.post(a_request("initialize", HELLO))).headers["mcp-session-id"]
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def works(self, tool: str = "ok_echo", id: object = "still") -> bool:
        """Whether a call is answered as it should be."""
        answer = message_in(await self.post(a_request("tools/call", {"name": tool, "arguments": {}}, id)))
        return bool(answer["id"] == id and answer["result"]["content"][0]["text"].startswith("echo {} #"))


@attrs.define
class Desk:
    """A gateway with a backend ``b`` that may misbehave and one, ``ok``, that does not; a client that may, and one that does not."""

    gateway: Gateway
    network: MemoryNetwork
    bad: ScriptedBackend
    client: Client
    other: Client


def a_request(method: str, params: object, id: object = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


@asynccontextmanager
async def desk(*steps: Step) -> AsyncGenerator[Desk, None]:
    bad, good, network = ScriptedBackend(*steps, name="b", resources=["file:///a"], prompts=["greet"]), ScriptedBackend(), MemoryNetwork()
    config = Builder("x").backend("b", bad.connector, timeout=TimeoutSettings(seconds=TIMEOUT)).backend("ok", good.connector).config()
    config = attrs.evolve(config, security=SecurityConfig(max_body_size=LIMIT))
    servers = {"b": bad.connector, "ok": good.connector}
    async with trio.open_nursery() as nursery:
        async with open_gateway(config, servers=servers, outside=Outside(listen=network.listen)) as gateway:
            await nursery.start(gateway.serve)
            await gateway.settled()
            transport = AsgiTransport(gateway.asgi_app, nursery)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None) as http:
                client, other = Client(http), Client(http)
                await client.open()
                await other.open()
                yield Desk(gateway, network, bad, client, other)
        nursery.cancel_scope.cancel()


# -- from clients, over HTTP

CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":%b}'

REFUSED: dict[str, tuple[bytes, int, object]] = {
    # what is sent in a session, the code and the id of the answer, whose status is 400
    "nothing": (b"", -32700, None),
    "cut off": (b'{"jsonrpc":"2.0","id":7,"method":"ping"', -32700, None),
    "no JSON": (b"GET / HTTP/1.1", -32700, None),
    "two messages": (b'{"jsonrpc":"2.0","id":7,"method":"ping"}{"jsonrpc":"2.0","id":8,"method":"ping"}', -32700, None),
    "not a number": (CALL % b'{"name":"ok_echo","arguments":{"a":NaN}}', -32700, None),
    "a comment": (b'{"jsonrpc":"2.0","id":7,"method":"ping"} // hello', -32700, None),
    "a byte order mark": (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":7,"method":"ping"}', -32700, None),
    "UTF-16": ('{"jsonrpc":"2.0","id":7,"method":"ping"}'.encode("utf-16"), -32700, None),
    "UTF-8 that is none": (CALL % b'{"name":"ok_echo","arguments":{"a":"\xc3\x28"}}', -32700, None),
    "UTF-8 that is none, in a name": (b'{"jsonrpc":"2.0","id":7,"method":"ping","\xff":1}', -32700, None),
    "half a surrogate as id": (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', -32700, None),
    "a depth bomb": (b"[" * BOMB, -32600, None),
    "a depth bomb of objects": (b'{"a":' * BOMB, -32700, None),
    "a depth bomb in arguments": (CALL % (b'{"name":"ok_echo","arguments":{"a":' + b"[" * BOMB + b"]" * BOMB + b"}}"), -32700, None),
    "a depth bomb as id": (b'{"jsonrpc":"2.0","method":"ping","id":' + b"[" * BOMB + b"]" * BOMB + b"}", -32700, None),
    "text": (b'"ping"', -32600, None),
    "null": (b"null", -32600, None),
    "a null id": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None),
    "an id that is a list": (b'{"jsonrpc":"2.0","id":[7],"method":"ping"}', -32600, None),
    "an id that is a fraction": (b'{"jsonrpc":"2.0","id":7.5,"method":"ping"}', -32600, None),
    "an endless id": (b'{"jsonrpc":"2.0","id":' + b"7" * 5000 + b',"method":"ping"}', -32600, None),
    "no version": (b'{"id":7,"method":"ping"}', -32600, 7),
    "another version": (b'{"jsonrpc":2.0,"id":7,"method":"ping"}', -32600, 7),
    "a method that is a number": (b'{"jsonrpc":"2.0","id":"a","method":1}', -32600, "a"),
    "no method": (b'{"jsonrpc":"2.0","id":7}', -32600, 7),
    "parameters in a list": (CALL % b'["ok_echo"]', -32600, 7),
    "parameters in text": (CALL % b'"ok_echo"', -32600, 7),
    "a request that answers": (b'{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}', -32600, 7),
    "keys that differ by case": (b'{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call"}', -32600, 7),
    "an id in two spellings": (b'{"jsonrpc":"2.0","id":7,"ID":8,"method":"ping"}', -32600, 7),
    "names that differ by case": (CALL % b'{"name":"ok_echo","Name":"b_echo"}', -32600, 7),
    "a name in capitals": (CALL % b'{"NAME":"b_echo"}', -32600, 7),
    "a batch": (b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]', -32600, None),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_no_message_is_refused_and_others_go_on(what: str, autojump_clock: Clock) -> None:
    body, code, its_id = REFUSED[what]
    async with desk() as here:
        answer = await here.client.post(body)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/json"
        message = answer.json()
        assert (message["error"]["code"], message["id"]) == (code, its_id)
        assert 10 < len(message["error"]["message"]) < 200
        assert await here.other.works()
        assert await here.client.works()
        assert here.bad.calls == 0


MISTAKEN: dict[str, tuple[str, object, int]] = {
    # method and parameters of a request that can be read, and the code of its answer, whose status is 200
    "a name that is a number": ("tools/call", {"name": 7}, -32602),
    "a name that is null": ("tools/call", {"name": None}, -32602),
    "no name": ("tools/call", {"arguments": {}}, -32602),
    "a name that nobody has": ("tools/call", {"name": "x_" + "y" * 10_000}, -32602),
    "a URI that is a list": ("resources/read", {"uri": ["b+file:///a"]}, -32602),
    "no URI": ("resources/read", {}, -32602),
    "a prompt that is an object": ("prompts/get", {"name": {"a": 1}}, -32602),
    "a reference that is text": ("completion/complete", {"ref": "b_greet", "argument": {}}, -32602),
    "a reference of no kind": ("completion/complete", {"ref": {"type": "ref/none", "name": "b_greet"}}, -32602),
    "a cursor that is a number": ("tools/list", {"cursor": 7}, -32602),
    "a cursor of somebody else": ("tools/list", {"cursor": "bm9wZQ=="}, -32602),
    "a method that nobody has": ("tools/delete", {}, -32601),
    "a method with a line break": ("tools/\ncall", {}, -32601),
}


@pytest.mark.parametrize("what", MISTAKEN)
async def test_a_request_with_the_wrong_parameters_is_answered_under_its_id(what: str, autojump_clock: Clock) -> None:
    method, params, code = MISTAKEN[what]
    async with desk() as here:
        answer = await here.client.post(a_request(method, params, "seven"))
        assert answer.status_code == 200
        message = answer.json()
        assert (message["error"]["code"], message["id"]) == (code, "seven")
        assert "internal" not in message["error"]["message"]
        assert here.bad.calls == 0
        assert await here.other.works()


@pytest.mark.parametrize(
    "params",
    [
        b'{"name":"ok_echo","name":"b_echo","arguments":{}}',
        b'{"name":"ok_echo","n\\u0061me":"b_echo","arguments":{}}',
        b'{"arguments":{"a":1},"name":"b_echo","arguments":{}}',
    ],
)
async def test_of_a_key_that_came_twice_the_last_counts_for_us_and_for_the_backend(params: bytes, autojump_clock: Clock) -> None:
    async with desk() as here:
        message = message_in(await here.client.post(CALL % params))
        assert message["result"]["content"][0]["text"] == "echo {} #1"
        sent = here.bad.received[-1]
        assert {key: bytes(value) for key, value in sent.params.items()} == {"name": b'"echo"', "arguments": b"{}"}
        assert await here.other.works()


@pytest.mark.parametrize("params", [{"arguments": {"a": None}}, {"_meta": {"a": 3}}, {"more": [None]}])
async def test_what_is_the_backends_to_judge_reaches_it_as_it_came(params: dict[str, Any], autojump_clock: Clock) -> None:
    async with desk() as here:
        message = (await here.client.post(a_request("tools/call", {"name": "b_echo"} | params))).json()
        assert message["id"] == 1
        assert "result" in message
        sent = here.bad.received[-1].params
        assert {key: json.loads(bytes(sent[key])) for key in params} == params
        assert await here.other.works()


async def test_an_id_that_is_in_use_is_refused_and_the_first_call_goes_on(autojump_clock: Clock) -> None:
    answers: list[Any] = []
    async with desk(Garble(b"{}")) as here, trio.open_nursery() as nursery:

        async def hang() -> None:
            answers.append((await here.client.post(a_request("tools/call", {"name": "b_echo"}, 5))).json())

        nursery.start_soon(hang)
        await trio.testing.wait_all_tasks_blocked(0.01)
        again = (await here.client.post(a_request("tools/call", {"name": "ok_echo"}, 5))).json()
        assert (again["error"]["code"], again["id"]) == (-32600, 5)
        assert await here.other.works(id=5), "ids are a client's own"
        assert answers == []
        await here.client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
    assert answers[0]["error"]["message"] == "request cancelled: the caller cancelled it"


async def test_every_depth_up_to_the_limit_is_served_or_refused_and_never_a_bug(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    refused = 0
    async with desk() as here:
        for depth in NEAR_THE_LIMIT:
            params = b'{"name":"b_echo","arguments":{"a":' + b"[" * depth + b"]" * depth + b"}}"
            message = message_in(await here.client.post(CALL % params))
            assert message.get("error", {"code": -32700})["code"] == -32700
            refused += "error" in message
        assert 0 < refused < len(NEAR_THE_LIMIT)
        assert await here.other.works()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("size", [LIMIT + 1, 10 * LIMIT])
async def test_a_body_that_is_too_large_is_refused(size: int, autojump_clock: Clock) -> None:
    async with desk() as here:
        answer = await here.client.post(b" " * size)
        assert answer.status_code == 413
        error = {"code": -32600, "message": f"Request body exceeds the maximum size of {LIMIT} bytes"}
        assert answer.json() == {"jsonrpc": "2.0", "id": None, "error": error}
        assert await here.other.works()
        assert await here.client.works()


# -- from clients, over a connection

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
RAW: dict[str, tuple[bytes, bytes, int]] = {
    # a request's head, what is sent again and again afterwards, the status
    "a large body is announced": (HEAD + b"Content-Length: 99999999999\r\n\r\n", b"", 413),
    "a body has no end": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n", 413),
    "it is not HTTP": (b'{"jsonrpc":"2.0","id":7,"method":"ping"}\r\n\r\n', b"", 400),
    "a header has no end": (b"POST /mcp HTTP/1.1\r\nX: ", b"x" * 65536, 431),
}


async def pour(stream: trio.abc.Stream, again: bytes) -> int:
    """Send something again and again until nobody takes it any more; how often it was taken."""
    count = 0
    while again and count < 1000:
        try:
            await stream.send_all(again)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            break
        count += 1
        await trio.testing.wait_all_tasks_blocked()
    return count


@pytest.mark.parametrize("what", RAW)
async def test_a_connection_that_sends_nonsense_is_answered_and_closed(what: str, autojump_clock: Clock) -> None:
    head, again, status = RAW[what]
    async with desk() as here:
        stream = await here.network.open_stream("127.0.0.1", 40000)
        await stream.send_all(head)
        count = await pour(stream, again)
        answer = b""
        with trio.fail_after(30):
            while part := await stream.receive_some():
                answer += part
        assert int(answer.split()[1]) == status
        assert count * len(again) <= 5 * LIMIT
        assert await here.other.works()


# -- from a client on stdio


@pytest.mark.parametrize("what", REFUSED)
async def test_a_line_that_is_no_message_is_refused_on_stdio_too(what: str, autojump_clock: Clock) -> None:
    body, code, its_id = REFUSED[what]
    async with desk() as here, trio.open_nursery() as nursery:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(here.gateway.serve_stdio, theirs, theirs)
        opening = [json.dumps(a_request("initialize", HELLO)).encode(), b'{"jsonrpc":"2.0","method":"notifications/initialized"}']
        lines = [*opening, body, CALL % b'{"name":"ok_echo","arguments":{}}']
        await ours.send_all(b"".join(line + b"\n" for line in lines))
        await trio.testing.wait_all_tasks_blocked()
        answers = [json.loads(line) for line in bytes(await ours.receive_some()).splitlines()]
        refusals = [(answer["error"]["code"], answer["id"]) for answer in answers if "error" in answer]
        if what == "nothing":
            assert refusals == []
        elif what == "UTF-16":
            assert set(refusals) == {(-32700, None)}, "a line break in the middle of a character makes it two lines"
        else:
            assert refusals == [(code, its_id)]
        assert sum("result" in answer for answer in answers) == 2
        assert await here.other.works()
        await ours.send_eof()


# -- from backends

NOISE = [
    b"Server v1.0 ready",
    b"\x00\xff\xfe",
    b"{",
    b"null",
    b"[" * BOMB,
    b'{"a":' * BOMB,
    b"[]",
    b'{"jsonrpc":"2.0","id":null,"result":{}}',
    b'{"jsonrpc":"2.0","id":"x","result":{}}',
    b'{"jsonrpc":"2.0","id":999999,"result":{}}',
    b'{"jsonrpc":"2.0","id":99999999999999999999999999999999,"result":{}}',
    b'{"jsonrpc":"2.0","id":4.0,"result":{}}',
    b'{"jsonrpc":"2.0","result":{}}',
    b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[]}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":[]}',
    b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":7}',
    b'{"jsonrpc":"2.0","method":"notifications/of/its/own"}',
]


def own_id(here: Desk) -> bytes:
    """The id under which the backend got its latest call."""
    request = next(message for message in reversed(here.bad.received) if message.method == "tools/call")
    return bytes(getattr(request, "id"))  # noqa: B009  a notification has none


async def ask(here: Desk, answers: list[Any]) -> None:
    answers.append(message_in(await here.client.post(a_request("tools/call", {"name": "b_echo", "arguments": {}}, "mine"))))


@pytest.mark.parametrize("noise", NOISE, ids=lambda line: line[:50].decode("latin-1"))
async def test_noise_from_a_backend_is_no_answer_and_hurts_nobody(noise: bytes, autojump_clock: Clock) -> None:
    """Nothing usable comes, so the deadline ends the call, and not the backend's connection."""
    answers: list[Any] = []
    async with desk(Garble(noise)) as here:
        (session,) = here.bad.sessions
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, here, answers)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert await here.other.works()
            assert answers == []
        assert trio.current_time() - began == pytest.approx(TIMEOUT)
        assert (answers[0]["id"], answers[0]["error"]["code"], answers[0]["error"]["data"]["reason"]) == ("mine", -32010, "timeout")
        assert here.bad.cancelled == [1], "and it is told"
        here.bad.steps = ()
        assert await here.client.works("b_echo")
        assert here.bad.sessions == [session]


USELESS = {
    "an error that is text": b'"error":"it did not work"',
    "an error that is null": b'"error":null',
    "an error that is a list": b'"error":[]',
    "an error without a code": b'"error":{"message":"no"}',
    "an error whose code is no whole number": b'"error":{"code":1.5,"message":"no"}',
    "an error whose code is out of range": b'"error":{"code":1e400,"message":"no"}',
    "an error whose code is text": b'"error":{"code":"E1","message":"no"}',
    "an error whose message is a number": b'"error":{"code":1,"message":2}',
    "a result that is text": b'"result":"fine"',
    "a result that is a number": b'"result":3',
    "a result that is null": b'"result":null',
    "a result that is a list": b'"result":[{"content":[]}]',
}


@pytest.mark.parametrize("what", USELESS)
async def test_an_answer_that_cannot_be_used_is_told_as_one_at_once(what: str, autojump_clock: Clock) -> None:
    answers: list[Any] = []
    async with desk(Garble(b"")) as here:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, here, answers)
            await trio.testing.wait_all_tasks_blocked(0.01)
            here.bad.sessions[0].receive(b'{"jsonrpc":"2.0","id":%b,%b}' % (own_id(here), USELESS[what]))
        assert trio.current_time() - began < 1
        error = answers[0]["error"]
        assert (answers[0]["id"], error["code"], error["data"]["reason"], error["data"]["backend"]) == ("mine", -32603, "bad_answer", "b")
        assert "cannot be used" in error["message"]
        assert '"no"' not in error["message"], "what it did say is for the operator"
        assert await here.other.works()
        here.bad.steps = ()
        assert await here.client.works("b_echo")


async def test_a_second_answer_reaches_nobody(autojump_clock: Clock) -> None:
    answers: list[Any] = []
    async with desk(Garble(b"")) as here:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, here, answers)
            await trio.testing.wait_all_tasks_blocked(0.01)
            for text in (b"first", b"second"):
                here.bad.sessions[0].receive(b'{"jsonrpc":"2.0","id":%b,"result":{"content":[],"text":"%b"}}' % (own_id(here), text))
        assert [answer["result"]["text"] for answer in answers] == ["first"]
        here.bad.steps = ()
        assert await here.client.works("b_echo")
        assert await here.other.works()


@pytest.mark.parametrize(
    "result",
    [
        b'{"content":7}',
        b'{"content":[7,null,{"type":"resource_link"},{"type":"resource","resource":[]}]}',
        b'{"content":[{"type":"resource_link","uri":7}],"_meta":"none"}',
        b"{}",
    ],
)
async def test_an_odd_result_is_the_clients_to_judge_and_comes_as_it_is(result: bytes, autojump_clock: Clock) -> None:
    async with desk(Result(result)) as here:
        answer = await here.client.post(a_request("tools/call", {"name": "b_echo", "_meta": {"sluicegate/route": True}}))
        assert answer.status_code == 200
        assert answer.json()["result"].items() >= json.loads(result).items()
        assert await here.other.works()


async def test_results_of_every_depth_come_through_or_are_a_clear_error(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    steps = [Result(b'{"content":[],"structuredContent":{"a":' + b"[" * depth + b"]" * depth + b"}}") for depth in NEAR_THE_LIMIT]
    async with desk(*steps, Reset()) as here:
        for _step in steps:
            answer = await here.client.post(a_request("tools/call", {"name": "b_echo", "arguments": {}}))
            assert b'"result"' in answer.content or b'"timeout"' in answer.content or b'"bad_answer"' in answer.content
        assert await here.other.works()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_backend_that_says_nothing_is_given_up_at_the_deadline(autojump_clock: Clock) -> None:
    answers: list[Any] = []
    async with desk() as here:
        here.bad.mute = True
        began = trio.current_time()
        await ask(here, answers)
        assert trio.current_time() - began == pytest.approx(TIMEOUT)
        assert answers[0]["error"]["message"] == "request timed out: 'b_echo' took longer than 20 s"
        assert await here.other.works()
        here.bad.mute = False
        assert await here.client.works("b_echo")


# -- line breaks in deep messages, which stdio must take out again


async def plain_server(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
    """A stdio server without any JSON library that could give up at a depth of its own."""
    text = b""
    async for chunk in stdin:
        *lines, text = (text + bytes(chunk)).split(b"\n")
        for line in lines:
            if found := re.match(rb'\{"jsonrpc":"2.0","id":([0-9]+),"method":"([^"]+)"', line):
                result = PLAIN.get(found[2], b'{"content":[]}')
                await stdout.send_all(b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (found[1], result))
    return 0


PLAIN = {
    b"initialize": b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"p","version":"1"}}',
    b"tools/list": b'{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}',
}


async def test_a_deep_call_with_line_breaks_costs_a_stdio_backend_nothing(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture, nursery: trio.Nursery
) -> None:
    table = ProcessTable(nursery)
    table.add("plain", plain_server)
    async with Builder("x").backend("p", ["plain"]).open(strict=True, outside=Outside(open_process=table.open_process)) as gateway:
        async with httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://127.0.0.1:8080") as http:
            client = Client(http)
            await client.open()
            for depth in NEAR_THE_LIMIT:
                params = b'{"name":"p_echo","arguments":{"a":\n' + b"[" * depth + b"\n" + b"]" * depth + b"}}"
                message = (await client.post(CALL % params)).json()
                assert message.get("error", {"code": -32700})["code"] == -32700
        assert len(table.started) == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
