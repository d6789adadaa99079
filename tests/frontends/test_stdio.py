"""The stdio front on memory streams."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.messages import INITIALIZED, PING

from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.stdio import _Front, serve_stdio
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.routing.directory import ListChange
from sluicegate.testing.line_client import LineClient, open_line_client

# The numbers that are promised. Taken from the source they would move with it.
MOST_NOTES = 256
MOST_WAITING_BYTES = 4 * 1024 * 1024


@pytest.fixture
async def client(gate: Any, nursery: trio.Nursery) -> AsyncGenerator[LineClient, None]:
    async with open_line_client(partial(serve_stdio, gate.endpoint), nursery) as client:
        yield client


async def open_session(client: LineClient, talk: Any, version: str = "2025-11-25") -> Any:
    await client.send(talk.opening(version))
    answer = await client.next()
    await client.send(INITIALIZED)
    return answer


async def test_one_client_is_served_line_by_line(client: LineClient, talk: Any, autojump_clock: object) -> None:
    answer = await open_session(client, talk, "2025-06-18")
    assert answer["result"]["protocolVersion"] == "2025-06-18"
    await client.send(talk.calling("echo", "a"), b"", b"   ", PING)
    replies = {reply["id"]: reply for reply in (await client.next(), await client.next())}
    assert replies["a"]["result"]["content"][0]["text"] == "hello"
    assert replies[1]["result"] == {}


async def test_notes_come_before_their_reply(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("chatty", 5))
    lines = [await client.next() for _ in range(4)]
    assert [line.get("id") for line in lines] == [None, None, None, 5]


async def test_a_cancelled_call_gets_no_answer(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("slow", 5))
    await trio.sleep(1)
    await client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}, PING)
    assert (await client.next())["id"] == 1
    with trio.move_on_after(100) as scope:
        await client.next()
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("line", "code", "id"),
    [
        (b"garbage", -32700, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700, None),
        (b"7", -32600, None),
        (b'{"jsonrpc":"2.0","id":3}', -32600, 3),
        (b"[" * 900, -32700, None),
        (b'{"jsonrpc":"2.0","id":4,"method":"ping","params":{"x":"' + b"x" * 5000 + b'"}}', -32600, 4),
        (b'{"jsonrpc":"2.0","id":"4","method":"ping","params":{"x":"' + b"x" * 5000 + b'"}}', -32600, "4"),
        (b"x" * 100_000, -32600, None),
    ],
)
async def test_a_bad_line_costs_one_error(
    client: LineClient, talk: Any, autojump_clock: object, line: bytes, code: int, id: object
) -> None:
    await open_session(client, talk, "2025-03-26")
    await client.send(line, {"jsonrpc": "2.0", "id": "after", "method": "ping"})
    first, second = sorted([await client.next(), await client.next()], key=lambda reply: reply["id"] == "after")
    assert (first["error"]["code"], first["id"]) == (code, id)
    assert second["id"] == "after"


async def test_there_is_no_session_without_initialize(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await client.send(INITIALIZED, talk.calling("echo", 1))
    error = (await client.next())["error"]
    assert (error["code"], error["data"]["code"]) == (-32600, "SG-106")
    assert "initialize first" in error["message"]
    await client.send(PING)
    assert (await client.next())["result"] == {}


@pytest.mark.parametrize("told", [(), (INITIALIZED,)], ids=["in silence", "with initialized"])
async def test_who_sends_everything_at_once_gets_everything_in_order(
    gate: Any, client: LineClient, talk: Any, autojump_clock: object, told: tuple[object, ...]
) -> None:
    async def settled() -> None:
        await trio.sleep(3)

    gate.endpoint.settled = settled
    await client.send(talk.opening(), *told, talk.calling("echo", 1))
    await client.stdin.aclose()
    assert [(await client.next())["id"] for _ in range(2)] == [0, 1]


async def test_who_goes_on_after_a_refused_initialize_is_told_to_send_it_again(
    gate: Any, client: LineClient, talk: Any, autojump_clock: object
) -> None:
    async def limited(call: Call) -> Reply:
        await trio.sleep(1)
        return Reply.failed(faults.rate_limited(1))

    gate.endpoint.own = {"initialize": limited}
    await client.send(talk.opening(), INITIALIZED, talk.calling("echo", 1))
    assert [(await client.next())["error"]["code"] for _ in range(2)] == [-32011, -32600]
    await client.send(talk.calling("echo", 2))
    assert (await client.next())["error"]["data"]["code"] == "SG-106"


async def test_an_initialize_that_cannot_be_read_costs_a_running_session_nothing(
    client: LineClient, talk: Any, autojump_clock: object
) -> None:
    await open_session(client, talk)
    await client.send({"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {}}, talk.calling("echo", 8))
    first, second = await client.next(), await client.next()
    assert (first["id"], first["error"]["code"]) == (7, -32602)
    assert (second["id"], "result" in second) == (8, True)
    with trio.move_on_after(10) as scope:
        await client.next()
    assert scope.cancelled_caught


async def test_a_batch_is_answered_as_one_line(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk, "2025-03-26")
    await client.send([talk.calling("echo", 1), INITIALIZED, talk.calling("slow", 2)])
    replies = await client.next()
    assert [reply["id"] for reply in replies] == [1, 2]


async def test_a_batch_in_another_revision_is_refused(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send([PING])
    assert (await client.next())["error"]["code"] == -32600


async def test_line_breaks_inside_a_reply_are_taken_out(client: LineClient, talk: Any, tools: Any, autojump_clock: object) -> None:
    async def pretty(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(Raw(b'{\n  "content": [],\r\n  "text": "a\\nb"\n}'))

    tools["pretty"] = pretty
    await open_session(client, talk)
    await client.send(talk.calling("pretty", 1))
    assert await client.line() == b'{"jsonrpc":"2.0","id":1,"result":{  "content": [],  "text": "a\\nb"}}'


async def test_replies_still_go_out_when_the_input_ends(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("chatty", 5))
    await client.stdin.aclose()
    lines = [await client.next() for _ in range(4)]
    assert lines[-1]["id"] == 5
    await client.ended.wait()
    assert trio.current_time() == 4


async def test_open_calls_are_answered_with_an_error_when_time_is_up(
    client: LineClient, talk: Any, tools: Any, autojump_clock: object
) -> None:
    async def endless(call: Call) -> Reply:
        await trio.sleep_forever()
        raise AssertionError

    tools["endless"] = endless
    await open_session(client, talk)
    await client.send(talk.calling("endless", 5))
    await client.stdin.aclose()
    assert (await client.next())["error"]["code"] == -32800
    await client.ended.wait()
    assert trio.current_time() == 5


async def test_a_client_that_reads_no_more_ends_everything(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("slow", 5))
    await client.stdout.aclose()
    await client.ended.wait()
    assert trio.current_time() == 5


async def test_changed_lists_are_told_once_and_after_the_handshake(
    client: LineClient, gate: Any, talk: Any, autojump_clock: object
) -> None:
    (announce,) = (listener for listener in gate.endpoint.directory._listeners.values() if "OwnPlace" in repr(listener))
    announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    await client.send(talk.opening())
    assert "result" in await client.next()
    await trio.sleep(10)
    await client.send(INITIALIZED)
    announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    assert await client.next() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    await client.send(PING)
    assert (await client.next())["id"] == 1


async def test_a_client_may_begin_anew(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("slow", 5))
    await trio.sleep(1)
    await client.send(talk.opening("2025-03-26", "again"))
    replies = {reply["id"]: reply for reply in (await client.next(), await client.next())}
    assert replies[5]["error"]["code"] == -32800
    assert replies["again"]["result"]["protocolVersion"] == "2025-03-26"


async def test_cancelling_the_front_is_bounded_and_says_goodbye(gate: Any, talk: Any, autojump_clock: object) -> None:
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    client = LineClient(to_us, from_us, trio.Event())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_stdio, gate.endpoint, stdin, stdout)
        await open_session(client, talk)
        await client.send(talk.calling("chatty", 5))
        await trio.sleep(1.5)
        nursery.cancel_scope.cancel()
    await stdout.aclose()
    assert trio.current_time() == 4
    assert [(await client.next()).get("id") for _ in range(4)] == [None, None, None, 5]


async def test_a_flood_of_calls_is_bounded(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.endpoint.limits = Limits(max_calls_per_session=2)
    await open_session(client, talk)
    await client.send(*(talk.calling("slow", number) for number in range(3)))
    refused = await client.next()
    assert (refused["id"], refused["error"]["data"]["reason"]) == (2, "overloaded")


def as_id(raw: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"method":"ping","params":{"x":"' % raw + b"x" * 5000 + b'"}}'


@pytest.mark.parametrize("raw", [b"4", b'"4"', b'"a\\"b\\u00e9"', b"123456789012345678901234567890", b"-7"])
async def test_an_oversized_request_is_refused_under_its_own_id(client: LineClient, talk: Any, autojump_clock: object, raw: bytes) -> None:
    await open_session(client, talk)
    await client.send(as_id(raw))
    line = await client.line()
    assert line.startswith(b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32600,' % raw)


@pytest.mark.parametrize("raw", [b"null", b"1.5", b"true", b'"\\ud800"', b'"\\x"', b'"\xff"'])
async def test_an_oversized_request_without_a_proper_id_is_refused_all_the_same(
    client: LineClient, talk: Any, autojump_clock: object, raw: bytes
) -> None:
    await open_session(client, talk)
    await client.send(as_id(raw))
    assert (await client.next())["id"] is None


async def test_an_oversized_answer_is_not_taken_for_a_request_of_ours(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(b'{"jsonrpc":"2.0","id":1,"result":{"x":"' + b"x" * 5000 + b'"}}', PING)
    replies = [await client.next(), await client.next()]
    assert sorted(str(reply["id"]) for reply in replies) == ["1", "None"]
    assert all(reply["id"] is None or reply.get("result") == {} for reply in replies)


@pytest.mark.parametrize("requested", [b"1e999", b"[" * 400 + b"]" * 400])
async def test_a_cancel_of_something_that_is_no_id_does_no_harm(
    client: LineClient, talk: Any, autojump_clock: object, requested: bytes
) -> None:
    await open_session(client, talk)
    await client.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%b}}' % requested, PING)
    assert (await client.next())["id"] == 1


async def test_initialize_in_a_batch_is_refused_and_the_session_goes_on(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk, "2025-03-26")
    await client.send([talk.opening("2025-11-25", id="again"), PING])
    replies = {reply["id"]: reply for reply in await client.next()}
    assert replies["again"]["error"]["code"] == -32600
    assert replies[1]["result"] == {}
    await client.send(talk.calling("echo", "after"))
    assert "result" in await client.next()


async def test_a_huge_batch_is_refused_as_a_whole(client: LineClient, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk, "2025-03-26")
    await client.send(b"[" + b"1," * 400 + b"1]")
    assert (await client.next())["error"]["code"] == -32600


async def test_a_result_as_deep_as_can_be_read_is_passed_on(client: LineClient, talk: Any, tools: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    for depth in (500, 900, 940, 960, 970, 980, 990):

        async def deep(call: Call, depth: int = depth) -> Reply:
            await trio.lowlevel.checkpoint()
            return Reply(Raw(b'{"content":' + b"[" * depth + b"\n" + b"]" * depth + b"}"))

        tools["deep"] = deep
        await client.send(talk.calling("deep", depth))
        assert b'"id":%d,' % depth in await client.line()


async def test_what_waits_for_a_client_that_does_not_read_is_bounded(gate: Any, talk: Any, tools: Any, autojump_clock: object) -> None:
    async def loud(call: Call) -> Reply:
        for _ in range(200):
            call.back.note(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"%b"}}' % (b"x" * 100_000))
        await trio.sleep(1)
        return Reply()

    tools["loud"] = loud
    ours, theirs = trio.testing.memory_stream_pair()
    reads = trio.Event()
    passes = ours.send_stream.send_all_hook
    assert passes is not None

    async def block() -> None:
        await reads.wait()
        await passes()

    ours.send_stream.send_all_hook = block
    front, client = _Front(gate.endpoint), LineClient(theirs.send_stream, theirs.receive_stream, trio.Event())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.write, ours.send_stream, nursery.cancel_scope)
        nursery.start_soon(front.tell_changes)
        front.session.opened = front.session.ready = True
        front._take(json.dumps(talk.calling("loud")).encode())
        for _ in range(50):
            front.hear(ListChange(frozenset({"notifications/tools/list_changed"})))
            front.wake()
            await trio.sleep(1)
        waiting, messages = front._outbox.size, len(front._outbox)
        reads.set()
        methods = []
        while "id" not in (message := await client.next()):
            methods.append(message.get("method"))
        front._shelter.cancel()
        nursery.cancel_scope.cancel()
    assert waiting < 2 * MOST_WAITING_BYTES
    assert messages < 100
    assert methods.count("notifications/tools/list_changed") == 1
    assert "result" in message


@pytest.mark.parametrize("why_not", ["", "it says no more", "it reads no more", "it reads too slowly"])
async def test_a_client_is_asked_unless_it_is_deaf_gone_or_behind(why_not: str, gate: Any) -> None:
    front = _Front(gate.endpoint)
    if why_not == "it says no more":
        front._deaf = True
    elif why_not == "it reads no more":
        front.gone = True
    for _ in range(MOST_NOTES if why_not == "it reads too slowly" else 0):
        front.note(PROGRESS)
    waiting = len(front._outbox)
    forget = front.ask(b"{}")
    assert (forget is None, len(front._outbox) - waiting) == (bool(why_not), 0 if why_not else 1)
    await trio.lowlevel.checkpoint()


PROGRESS = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}'


async def test_notes_wait_for_a_client_that_does_not_read_up_to_a_number_and_answers_always_do(gate: Any) -> None:
    front = _Front(gate.endpoint)
    for waiting in range(MOST_NOTES):
        front.note(PROGRESS)
        assert len(front._outbox) == waiting + 1
    front.note(PROGRESS)
    assert len(front._outbox) == MOST_NOTES
    front.reply(b"{}")
    front.reply(None)
    assert len(front._outbox) == MOST_NOTES + 1
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("before", "is_taken"), [(MOST_WAITING_BYTES - 2, True), (MOST_WAITING_BYTES - 1, False)])
async def test_a_note_waits_where_no_more_waits_than_may(gate: Any, before: int, is_taken: bool) -> None:
    front = _Front(gate.endpoint)
    front.reply(b"x" * before)  # and the end of its line
    front.note(PROGRESS)
    assert len(front._outbox) == 1 + is_taken
    await trio.lowlevel.checkpoint()


async def test_a_client_that_reads_nothing_is_waited_for_a_second_beyond_its_calls(
    gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    stdout.send_all_hook = trio.sleep_forever
    await LineClient(to_us, from_us).send(talk.opening(), INITIALIZED, talk.calling("slow", 1))
    await to_us.aclose()
    await serve_stdio(gate.endpoint, stdin, stdout)
    assert trio.current_time() == 6  # the call takes five


async def test_a_client_that_goes_while_its_last_calls_run_is_not_waited_for(
    gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    """It has closed its output first, and then its input: what comes of the calls reaches nobody."""
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    client = LineClient(to_us, from_us)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_stdio, gate.endpoint, stdin, stdout)
        await open_session(client, talk)
        await client.send(talk.calling("chatty", 1))
        await trio.testing.wait_all_tasks_blocked()
        await to_us.aclose()
        await trio.sleep(0.5)
        await from_us.aclose()
    assert trio.current_time() == 1  # the first note finds it gone


async def test_changes_of_a_tenth_of_a_second_are_told_as_one(
    client: LineClient, gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    await open_session(client, talk)
    await trio.sleep(10)
    (announce,) = (listener for listener in gate.endpoint.directory._listeners.values() if "OwnPlace" in repr(listener))
    announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    await client.next()
    assert trio.current_time() == pytest.approx(10.1)


STRAY = """
import os, trio
from sluicegate.outside.standard_streams import open_standard_streams

async def main():
    async with open_standard_streams() as (stdin, stdout):
        print("stray", flush=True)
        os.system("echo from a child")
        await stdout.send_all(b"a message: " + await stdin.receive_some())
    print("afterwards", flush=True)

trio.run(main)
"""


def test_what_else_is_printed_does_not_come_between_messages() -> None:
    done = subprocess.run([sys.executable, "-c", STRAY], input="hello\n", capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("a message: hello\nafterwards\n", "stray\nfrom a child\n")
