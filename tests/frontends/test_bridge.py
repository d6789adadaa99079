"""``sluicegate connect``: stdio on one side, the real HTTP frontend on the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.messages import INITIALIZED

from sluicegate.bridge.stdio_server import CONNECT_SECONDS, bridge
from sluicegate.frontends.endpoint import Limits
from sluicegate.routing.directory import ListChange
from sluicegate.testing.line_client import LineClient, open_line_client


@pytest.fixture
async def client(gate: Any, nursery: trio.Nursery) -> AsyncGenerator[LineClient, None]:
    async def run(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream) -> None:
        await bridge("http://127.0.0.1:8080/mcp", {"authorization": "Bearer secret"}, stdin, stdout, transport=gate.transport)

    async with open_line_client(run, nursery) as client:
        yield client


async def open_session(client: LineClient, talk: Any) -> None:
    await client.send(talk.opening())
    assert (await client.next())["result"]["serverInfo"]["name"] == "gate"
    await client.send(INITIALIZED)
    await trio.sleep(0.1)


async def test_messages_pass_both_ways(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("echo", "e"), talk.calling("chatty", "c"))
    lines = [await client.next() for _ in range(5)]
    assert lines[0]["id"] == "e"
    assert [line.get("id") for line in lines[1:]] == [None, None, None, "c"]


async def test_changed_lists_reach_the_client(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    gate.app.sessions.announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    assert (await client.next())["method"] == "notifications/tools/list_changed"


async def test_a_cancel_reaches_the_call(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("slow", 5), {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
    assert (await client.next())["error"]["code"] == -32800


async def test_a_bad_line_gets_the_gateways_own_error(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(b"garbage")
    answer = await client.next()
    assert (answer["error"]["code"], answer["id"]) == (-32700, None)


async def test_the_session_ends_with_the_input(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    assert len(gate.app.sessions) == 1
    await client.stdin.aclose()
    await client.ended.wait()
    assert len(gate.app.sessions) == 0


async def test_a_restart_of_the_daemon_is_a_pause(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    gate.app.drain()
    gate.transport.down = True
    await client.send(talk.calling("echo", 7), talk.calling("echo", 8))
    await trio.sleep(10)
    old, transport = gate.app, gate.transport
    gate.rebuild()
    transport.app, transport.down = gate.app, False
    lines = [await client.next() for _ in range(3)]
    assert {line["id"] for line in lines if "id" in line} == {7, 8}
    assert [line["method"] for line in lines if "method" in line] == ["notifications/tools/list_changed"]  # told without being asked
    assert len(gate.app.sessions) == 1
    assert old is not gate.app
    await trio.sleep(5)
    gate.app.sessions.announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    assert (await client.next())["method"] == "notifications/tools/list_changed"


async def test_a_daemon_that_stays_away_is_told_of(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.transport.down = True
    await client.send(talk.opening(id="first"))
    answer = await client.next()
    assert answer["id"] == "first"
    assert "cannot be reached" in answer["error"]["message"]
    assert 10 < trio.current_time() + CONNECT_SECONDS < 20  # with an attempt that takes all its time


async def test_a_daemon_that_went_away_is_waited_for_not_longer_than_clients_wait(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    await open_session(client, talk)
    began = trio.current_time()
    gate.transport.down = True
    await client.send(talk.calling("echo", 1))
    assert "cannot be reached" in (await client.next())["error"]["message"]
    assert 40 < trio.current_time() - began + CONNECT_SECONDS < 55


async def test_an_absence_is_told_of_at_once_and_once(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [record.message for record in caplog.records if "cannot be reached" in record.message]

    gate.transport.down = True
    await client.send(talk.opening())
    await trio.sleep(0.01)
    assert len(told()) == 1
    await trio.sleep(5)
    gate.transport.down = False
    assert "result" in await client.next()
    assert len(told()) == 1
    gate.transport.down = True
    await client.send(talk.calling("echo", 1))
    await trio.sleep(1)
    assert len(told()) == 2


async def test_no_secret_of_the_address_is_told(
    gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    gate.transport.down = True
    url = "http://user:hush@127.0.0.1:8080/mcp?key=hush"
    serve = partial(bridge, url, {}, transport=gate.transport)
    async with open_line_client(serve, nursery) as client:
        await client.send(talk.opening())
        message = (await client.next())["error"]["message"]
    assert "http://127.0.0.1:8080/mcp" in message
    assert "hush" not in message + caplog.text + "".join(str(vars(record)) for record in caplog.records)


async def test_a_refused_client_gets_the_reason_under_its_own_id(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    from sluicegate.identity.bearer import BearerTokens

    gate.app.identity = BearerTokens(["another"])
    await client.send(talk.opening(id="first"))
    answer = await client.next()
    assert (answer["id"], answer["error"]["code"]) == ("first", -32007)


async def test_a_stream_that_breaks_is_resumed(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("chatty", 5))
    assert (await client.next())["params"]["progress"] == 0
    (session,) = gate.app.sessions._sessions.values()
    for line in session.downlinks - set(session.listeners):
        line.hang_up()
    lines = [await client.next() for _ in range(3)]
    assert [line.get("id") for line in lines] == [None, None, 5]


def app_saying(status: int, body: bytes, kind: bytes = b"application/json") -> Any:
    """A web server that answers everything alike."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    return app


STRANGERS = [
    (200, b"<html>\n<body>Welcome</body>\n</html>", b"text/html"),
    (200, b'{"status":"ok"}', b"application/json"),
    (200, b"", b"application/json"),
    (202, b"", b"application/json"),
    (204, b"", b"application/json"),
    (200, b'{"jsonrpc":"2.0","id":"another","result":{}}', b"application/json"),
    (200, b"data: garbage\n\n", b"text/event-stream"),
    (200, b'data: {"jsonrpc":"2.0","id":"another","result":{}}\n\n', b"text/event-stream"),
    (302, b"", b"text/html"),
    (404, b"<html>not here</html>", b"text/html"),
    (500, b"\xff\xfe", b"text/plain"),
]


@pytest.mark.parametrize(("status", "body", "kind"), STRANGERS)
async def test_what_is_no_mcp_server_costs_one_error(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object, status: int, body: bytes, kind: bytes
) -> None:
    gate.transport.app = app_saying(status, body, kind)
    await client.send(talk.opening(id="first"), b'{"jsonrpc":"2.0","id":"next","method":"ping"}')
    replies = [await client.next(), await client.next()]
    assert [reply["id"] for reply in replies] == ["first", "next"]
    assert all(reply["error"]["code"] == -32603 for reply in replies)


async def test_an_answer_without_end_is_cut(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluicegate.bridge.daemon_answer.LONGEST_MESSAGE", 10_000)
    long = b'{"jsonrpc":"2.0","id":"first","result":{"x":"' + b"x" * 10_000 + b'"}}'
    for what, body, kind in (("an answer", long, b"application/json"), ("an event", b"data: " + long + b"\n\n", b"text/event-stream")):
        gate.transport.app = app_saying(200, body, kind)
        await client.send(talk.opening(id="first"))
        answer = await client.next()
        assert (answer["id"], answer["error"]["code"]) == ("first", -32603)
        assert f"the gateway sent {what} of more than 10000 bytes" in answer["error"]["message"]


async def test_a_stream_that_breaks_after_the_reply_brings_no_second_one(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    from tests.kit.asgi import HangUp

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        reply = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
        await send({"type": "http.response.body", "body": reply + reply, "more_body": True})
        raise HangUp

    gate.transport.app = app
    await client.send(talk.calling("echo", 1))
    assert (await client.next())["result"] == {}
    with trio.move_on_after(100) as scope:
        await client.next()
    assert scope.cancelled_caught


async def test_calls_made_while_the_session_is_opened_again_wait_for_it(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    async def settled() -> None:
        await trio.sleep(8)

    await open_session(client, talk)
    gate.app.sessions.end_all()
    gate.endpoint.settled = settled
    await client.send(talk.calling("echo", 1))
    await trio.sleep(2)
    await client.send(talk.calling("echo", 2))
    replies = [line for line in [await client.next() for _ in range(3)] if "id" in line]
    assert {reply["id"] for reply in replies} == {1, 2}
    assert all("result" in reply for reply in replies)


async def test_a_session_that_cannot_be_opened_again_now_can_be_later(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    await open_session(client, talk)
    gate.app.sessions.end_all()
    limits, gate.app.sessions.limits = gate.app.sessions.limits, Limits(max_sessions=0)
    await client.send(talk.calling("echo", 1))
    assert "cannot be reached" in (await client.next())["error"]["message"]
    gate.app.sessions.limits = limits
    await client.send(talk.calling("echo", 2))
    replies = [line for line in [await client.next() for _ in range(2)] if "id" in line]
    assert [(reply["id"], "result" in reply) for reply in replies] == [(2, True)]


async def test_a_gateway_that_forgets_every_session_at_once_costs_one_error_a_call(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    await open_session(client, talk)
    gate.app._mcp.table = Forgetful(gate.app.sessions)
    await client.send(talk.calling("echo", 1))
    while "id" not in (answer := await client.next()):
        pass
    assert (answer["id"], "forgets" in answer["error"]["message"]) == (1, True)


@attrs.define(eq=False)
class Forgetful:
    """A session table that knows nobody."""

    table: Any

    def open(self, *what: Any) -> Any:
        return self.table.open(*what)

    def find(self, *what: Any) -> None:
        return None


async def test_open_calls_are_answered_when_the_input_ends(client: LineClient, talk: Any, tools: Any, autojump_clock: object) -> None:
    async def endless(call: Any) -> Any:
        await trio.sleep_forever()

    tools["endless"] = endless
    await open_session(client, talk)
    await client.send(talk.calling("endless", 5))
    await client.stdin.aclose()
    answer = await client.next()
    assert (answer["id"], answer["error"]["code"]) == (5, -32800)
    await client.ended.wait()
    assert trio.current_time() < 6


async def test_the_end_of_the_input_is_noticed_while_the_daemon_is_away(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    gate.transport.down = True
    await client.send(talk.opening(id="first"), INITIALIZED, talk.calling("echo", 2))
    await client.stdin.aclose()
    for own in ("first", 2):  # also what was read and had to wait
        answer = await client.next()
        assert (answer["id"], answer["error"]["code"]) == (own, -32603)
    await client.ended.wait()
    assert trio.current_time() < 15


async def test_a_client_that_reads_late_still_gets_the_last_answer_whole(gate: Any, talk: Any, tools: Any, autojump_clock: object) -> None:
    async def large(call: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return talk.result("x" * 100_000)

    tools["large"] = large
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    passes = stdout.send_all_hook
    assert passes is not None

    async def lag() -> None:
        await trio.sleep(0.5)
        await passes()

    stdout.send_all_hook = lag
    client = LineClient(to_us, from_us, trio.Event())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge_to, gate, stdin, stdout)
        await open_session(client, talk)
        await client.send(talk.calling("large", 1))
        await client.stdin.aclose()
        assert len((await client.next())["result"]["content"][0]["text"]) == 100_000


async def bridge_to(gate: Any, stdin: Any, stdout: Any) -> None:
    await bridge("http://127.0.0.1:8080/mcp", {}, stdin, stdout, transport=gate.transport)
    await stdout.aclose()


async def test_news_come_again_after_something_in_between_was_out_of_order(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    async def out_of_order(scope: Any, receive: Any, send: Any) -> None:
        await (app_saying(502, b"Bad Gateway") if scope["method"] == "GET" else gate.app)(scope, receive, send)

    gate.transport.app = out_of_order
    await open_session(client, talk)
    await trio.sleep(20)
    gate.transport.app = gate.app
    await trio.sleep(20)
    gate.app.sessions.announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    with trio.fail_after(10):
        assert (await client.next())["method"] == "notifications/tools/list_changed"


async def test_a_gateway_without_a_stream_for_news_is_not_asked_again(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    async def without_get(scope: Any, receive: Any, send: Any) -> None:
        await (app_saying(405, b"") if scope["method"] == "GET" else gate.app)(scope, receive, send)

    gate.transport.app = without_get
    await open_session(client, talk)
    requests = gate.transport.requests
    await trio.sleep(100)
    assert gate.transport.requests == requests


async def test_a_gateway_that_forgot_the_session_before_it_answered_costs_one_error(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    """Nobody can tell whether the call was carried out, so it is not sent again; the next one finds a new session."""
    await open_session(client, talk)
    await client.send(talk.calling("chatty", 5))
    assert (await client.next())["params"]["progress"] == 0
    (session,) = gate.app.sessions._sessions.values()
    transport = gate.transport
    gate.rebuild()
    transport.app = gate.app
    for line in list(session.downlinks):
        line.hang_up()
    answer = await client.next()
    while "id" not in answer:
        answer = await client.next()
    assert (answer["id"], "whether the call was carried out is not known" in answer["error"]["message"]) == (5, True)
    await client.send(talk.calling("echo", 6))
    while (answer := await client.next()).get("id") != 6:
        pass
    assert "result" in answer


async def test_a_session_that_is_opened_again_gets_the_whole_handshake(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    """Some servers refuse everything before the end of the handshake; and before its client has said so, nobody else may."""

    def handshakes() -> list[tuple[str, bool]]:
        return [(session.id, session.ready) for session in gate.app.sessions._sessions.values()]

    await client.send(talk.opening())
    await client.next()
    ((first, _),) = handshakes()
    gate.app.sessions.end_all()
    await client.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert (await client.next())["id"] == 1
    ((second, is_ready),) = handshakes()
    assert (second != first, is_ready) == (True, False)
    await client.send(INITIALIZED)
    await trio.sleep(1)
    gate.app.sessions.end_all()
    await client.send({"jsonrpc": "2.0", "id": 2, "method": "ping"})
    lines = [await client.next() for _ in range(2)]
    assert {line.get("id", line.get("method")) for line in lines} == {2, "notifications/tools/list_changed"}
    ((third, is_ready),) = handshakes()
    assert (third not in (first, second), is_ready) == (True, True)


async def test_so_many_requests_may_be_open_and_one_more_is_refused(
    client: LineClient, talk: Any, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluicegate.bridge.stdio_server.MOST_OPEN", 3)
    await open_session(client, talk)
    await client.send(*(talk.calling("slow", number) for number in range(3)))
    await client.send(talk.calling("echo", "one more"), {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}})
    refused = await client.next()
    assert (refused["id"], "3 requests are open already" in refused["error"]["message"]) == ("one more", True)
    answers = [await client.next() for _ in range(3)]
    assert [(answer["id"], "result" in answer) for answer in sorted(answers, key=lambda one: one["id"])] == [
        (0, False),
        (1, True),
        (2, True),
    ]
    await client.send(talk.calling("echo", "now"))
    assert "result" in await client.next()
