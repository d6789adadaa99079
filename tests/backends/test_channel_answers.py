"""Answers that are none: each costs the call it was meant for, at once, and no other."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate.backends.channel import ChannelSession
from sluicegate.channel.outbox import Outbox
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, decode_object

UNUSABLE = {
    "no version": b'{"id":1,"result":{}}',
    "both result and error": b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}',
    "neither result nor error": b'{"jsonrpc":"2.0","id":1}',
    "the id as text": b'{"jsonrpc":"1.0","id":"1","result":{}}',
    "keys that differ by case": b'{"jsonrpc":"2.0","id":1,"result":{},"Result":{}}',
    "UTF-8 that is none": b'{"jsonrpc":"2.0","id":1,"result":{"text":"\xff"}}',
    "levels without end": b'{"jsonrpc":"2.0","id":1,"result":' + b'{"a":[' * 5000 + b"]}" * 5000 + b"}",
    "levels without end, and the id behind them": b'{"result":' + b"[" * 100_000 + b"]" * 100_000 + b', "id":"1", "jsonrpc":"2.0"}\r',
    "an error with levels without end": b'{"error":{"code":1,"message":"x","data":' + b"[" * 5000 + b"]" * 5000 + b'},"id":1}',
    "a number that is none": b'{"jsonrpc":"2.0","id":1,"result":{"share":NaN}}',
    "a comma too many": b'{"jsonrpc":"2.0","result":{"a":[1,]},"id":1}',
    "its end is missing": b'{"jsonrpc":"2.0","id":1,"result":{"text":"so far',
    "something behind it": b'{"jsonrpc":"2.0","id":1,"result":{}} done.',
    "UTF-8 that is none in an error": b'{"jsonrpc":"2.0","error":{"code":1,"message":"\xc3\x28"},"id":1}',
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_an_answer_that_cannot_be_used_fails_its_call_at_once(what: str, autojump_clock: trio.testing.MockClock) -> None:
    session = ChannelSession("files", Heard())
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append(await session.request(Call("x", "x", {})))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await session.next_frame()
        await session.next_frame()
        session.receive(UNUSABLE[what])
        await trio.testing.wait_all_tasks_blocked()
        assert [reply.fault.reason for reply in replies if reply.fault] == ["bad_answer"]
        assert session.in_flight == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"method":7}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"1.0","id":9,"result":{}}',
        b'{"jsonrpc":"1.0","id":[1],"result":{}}',
        b'{"id":1',
        b"\xff",
        b'{"jsonrpc":"2.0","id":9,"result":NaN}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"params":' + b"[" * 5000 + b"]" * 5000 + b',"method":"x","id":1}',
        b'{"params":{"id":1,"result":' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"jsonrpc":"2.0","id":1,"params":' + b"[" * 5000,
        b'{"jsonrpc":"2.0","result":' + b"[" * 5000 + b'{"id":1}',
        b'{"id":1,"total":NaN}',
    ],
)
async def test_what_is_no_answer_to_a_call_fails_none(line: bytes, nursery: trio.Nursery) -> None:
    session = ChannelSession("files", Heard())
    nursery.start_soon(session.request, Call("x", "x", {}))
    await trio.testing.wait_all_tasks_blocked()
    await session.next_frame()

    session.receive(line)
    await trio.testing.wait_all_tasks_blocked()

    assert (session.in_flight, session.garbage) == (1, 1)
    nursery.cancel_scope.cancel()


async def test_nothing_is_kept_of_calls_that_were_taken_back(nursery: trio.Nursery) -> None:
    session = ChannelSession("files", Heard(), outbox=Outbox(3))
    for _ in range(10):
        with trio.move_on_after(0):
            assert (await session.request(Call("x", "x", {}))).fault is None

    nursery.start_soon(session.request, Call("y", "y", {}))
    await trio.testing.wait_all_tasks_blocked()

    assert b'"method":"y"' in (await session.next_frame() or b"")
    nursery.cancel_scope.cancel()


async def test_a_progress_token_of_null_asks_for_no_progress(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("files", Heard()), Heard()
    nursery.start_soon(session.request, Call("x", "x", {"_meta": Raw(b'{"progressToken":null}')}, back=back))
    await trio.testing.wait_all_tasks_blocked()

    frame = await session.next_frame()
    session.receive(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}')

    assert frame is not None
    message = decode_object(frame)
    assert isinstance(message, dict)
    assert bytes(message["params"]) == b'{"_meta":{}}'
    assert back.notes == []
    nursery.cancel_scope.cancel()


async def test_an_answer_that_comes_just_after_its_call_was_cancelled_is_no_surprise(autojump_clock: trio.testing.MockClock) -> None:
    session = ChannelSession("files", Heard())
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.request, Call("x", "x", {}))
            assert await session.next_frame() is not None
    session.receive(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert session.garbage == 0
    session.receive(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert session.garbage == 1
