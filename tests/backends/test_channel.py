"""A channel session: ids, progress, cancellation and faults, without any transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from tests.kit.calls import a_call
from tests.kit.heard import Heard

from sluicegate.backends.channel import ChannelSession
from sluicegate.channel.outbox import Outbox
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause
from sluicegate.protocol.messages import Notification, Request, decode
from sluicegate.protocol.why import Why


@asynccontextmanager
async def running(session: ChannelSession, call: Call, replies: list[Reply]) -> AsyncGenerator[trio.CancelScope, None]:
    """Run one request beside the block; its reply is appended."""
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            replies.append(await session.request(call))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        yield scope


async def sent(session: ChannelSession) -> Request | Notification:
    with trio.fail_after(1):
        frame = await session.next_frame()
    assert frame is not None
    message = decode(frame)
    assert isinstance(message, Request | Notification)
    return message


async def test_an_answer_reaches_the_call_that_asked(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies):
        request = await sent(session)
        assert isinstance(request, Request)
        session.receive(b'{"jsonrpc":"2.0","id":%b,"result":{"a":1.10}}' % request.id)
    assert [bytes(reply.result) for reply in replies] == [b'{"a":1.10}']
    assert session.in_flight == 0


async def test_an_id_that_comes_back_as_text_is_recognised(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies):
        request = await sent(session)
        assert isinstance(request, Request)
        session.receive(b'{"jsonrpc":"2.0","id":"%b","result":{}}' % request.id)
    assert [reply.fault for reply in replies] == [None]


@pytest.mark.parametrize("number", [b"1.0", b"1e0", b'"1"'])
async def test_an_id_and_a_token_that_come_back_in_another_spelling_are_recognised(
    number: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    """Some encoders write every number as a fraction."""
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    call = a_call("t", back=Heard(), _meta=b'{"progressToken":7.0}')
    async with running(session, call, replies):
        await sent(session)
        if number != b'"1"':
            session.receive(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,"progress":1}}' % number)
        session.receive(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % number)
    assert [reply.fault for reply in replies] == [None]
    assert isinstance(call.back, Heard)
    assert call.back.notes == (
        [b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7.0,"progress":1}}'] if number != b'"1"' else []
    )


@pytest.mark.parametrize(
    ("given", "sent_on"),
    [
        (b"null", b'{"name":"t"}'),
        (b'{"progressToken":null,"other":null}', b'{"name":"t","_meta":{"other":null}}'),
        (b'{"progressToken":null}', b'{"name":"t","_meta":{}}'),
        (b"[]", b'{"name":"t","_meta":[]}'),
        (b'{"progressToken":"x"}', b'{"name":"t","_meta":{"progressToken":1}}'),
    ],
)
async def test_metadata_that_says_nothing_is_left_out(given: bytes, sent_on: bytes, autojump_clock: trio.testing.MockClock) -> None:
    """P-25: there are servers that drop a request with a null in these places, without an answer."""
    session = ChannelSession("b", Heard())
    async with running(session, a_call("t", back=Heard(), _meta=given), []) as scope:
        frame = await session.next_frame()
        assert frame == b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b}' % sent_on
        scope.cancel()


@pytest.mark.parametrize(("error", "code"), [(b'{"code":-32000.0,"message":"m"}', -32000), (b'{"message":"m","code":7}', 7)])
async def test_a_code_in_any_spelling_is_taken_and_sent_on_as_it_came(
    error: bytes, code: int, autojump_clock: trio.testing.MockClock
) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies):
        await sent(session)
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":null,"error":%b,"server":"x"}' % error)
    fault = replies[0].fault
    assert fault is not None
    assert (fault.cause, fault.code, fault.encode()) == (Cause.BACKEND, code, error)


async def test_a_null_error_beside_a_result_is_none(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies):
        await sent(session)
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":{"a":null},"error":null}')
    assert [(reply.fault, bytes(reply.result)) for reply in replies] == [(None, b'{"a":null}')]


async def test_code_message_and_data_of_a_backend_are_kept(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    error = b'{"code":-32002,"message":"none","data":{"x":1e2}}'
    async with running(session, a_call("t", back=Heard()), replies):
        await sent(session)
        session.receive(b'{"jsonrpc":"2.0","id":1,"error":%b}' % error)
    fault = replies[0].fault
    assert fault is not None
    assert (fault.cause, fault.code) == (Cause.BACKEND, -32002)
    assert error == fault.encode()


async def test_progress_comes_home_under_the_callers_own_token(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    call = a_call("t", back=Heard(), _meta=b'{"progressToken":"mine","other":null}')
    async with running(session, call, replies):
        request = await sent(session)
        assert bytes(request.params["_meta"]) == b'{"progressToken":1,"other":null}'
        session.receive(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}')
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":{}}')
        session.receive(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":2}}')
    assert isinstance(call.back, Heard)
    assert call.back.notes == [b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":1}}']


async def test_a_cancelled_call_tells_the_backend_under_our_id(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies) as scope:
        await sent(session)
        scope.cancel()
    note = await sent(session)
    assert (note.method, bytes(note.params["requestId"])) == ("notifications/cancelled", b"1")
    assert session.in_flight == 0


async def test_a_call_cancelled_in_the_queue_never_leaves(autojump_clock: trio.testing.MockClock) -> None:
    session, replies, call = ChannelSession("b", Heard()), list[Reply](), a_call("t", back=Heard())
    async with running(session, call, replies) as scope:
        scope.cancel()
    session.tell("notifications/x", {})
    assert (await sent(session)).method == "notifications/x"
    assert (call.sent_at, call.trail.sent) == (None, False)


async def test_losing_the_connection_fails_every_call_that_was_on_it(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies), running(session, a_call(back=Heard()), replies):
        await sent(session)
        session.close(Why("exit status 9"))
    causes = {reply.fault.cause: reply.fault.started for reply in replies if reply.fault is not None}
    assert causes == {Cause.TRANSPORT: True, Cause.UNAVAILABLE: False}
    later = await session.request(a_call("t", back=Heard()))
    assert later.fault is not None
    assert "exit status 9" in later.fault.message
    assert await session.wait_closed() == Why("exit status 9")
    assert await session.next_frame() is None


@pytest.mark.parametrize(
    "line",
    [
        b"Listening on port 3",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":77,"result":{}}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b"[" * 100_000,
    ],
)
async def test_garbage_is_counted_and_hurts_nobody(line: bytes, autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies):
        await sent(session)
        session.receive(line)
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert [reply.fault for reply in replies] == [None]
    assert session.garbage == 1


async def test_a_second_answer_to_one_id_is_dropped(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard()), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies):
        await sent(session)
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":{"first":1}}')
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":{"second":1}}')
    assert [bytes(reply.result) for reply in replies] == [b'{"first":1}']
    assert session.garbage == 1


async def test_a_backend_that_does_not_read_is_overload_and_not_unbounded_memory(autojump_clock: trio.testing.MockClock) -> None:
    session, replies = ChannelSession("b", Heard(), outbox=Outbox(1)), list[Reply]()
    async with running(session, a_call("t", back=Heard()), replies) as scope:
        refused = await session.request(a_call("t", back=Heard()))
        scope.cancel()
    assert refused.fault is not None
    assert (refused.fault.cause, refused.fault.started) == (Cause.OVERLOAD, False)


async def test_ping_is_answered_here_and_other_questions_are_refused(autojump_clock: trio.testing.MockClock) -> None:
    session = ChannelSession("b", Heard())
    session.receive(b'{"jsonrpc":"2.0","id":"p","method":"ping"}')
    session.receive(b'{"jsonrpc":"2.0","id":2,"method":"roots/list"}')
    assert await session.next_frame() == b'{"jsonrpc":"2.0","id":"p","result":{}}'
    refusal = decode(await session.next_frame() or b"")
    assert b"-32601" in bytes(refusal.error)  # type: ignore[union-attr, arg-type]


async def test_what_belongs_to_no_call_goes_to_the_inbox(autojump_clock: trio.testing.MockClock) -> None:
    heard = Heard()
    ChannelSession("b", heard).receive(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
    assert heard.methods == ["notifications/tools/list_changed"]
