"""What a channel session holds for a backend that does not read, or says absurd things: never more than a stated bound."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate.backends.channel import ChannelSession
from sluicegate.channel.outbox import Outbox
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause
from sluicegate.protocol.messages import Raw


def call_of_size(size: int = 1) -> Call:
    return Call("x", "x", {"text": Raw(b'"%s"' % (b"x" * size))})


async def test_pings_of_a_backend_that_does_not_read_do_not_pile_up(caplog: pytest.LogCaptureFixture) -> None:
    left = 0
    session = ChannelSession("files", Heard(), outbox=Outbox(10))
    for number in range(1000):
        session.receive(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % number)
    with trio.move_on_after(0):
        while await session.next_frame():
            left += 1

    assert left == 20
    dropped = [record.__dict__["what"] for record in caplog.records if "a message to it is dropped" in record.getMessage()]
    assert dropped == ["the answer to ping"] * 980


async def test_an_answer_that_is_dropped_is_named(caplog: pytest.LogCaptureFixture) -> None:
    session = ChannelSession("files", Heard(), outbox=Outbox(1))
    for number, method in enumerate(("ping", "ping", "roots/list")):
        session.receive(b'{"jsonrpc":"2.0","id":%d,"method":"%b"}' % (number, method.encode()))
    assert [record.__dict__["what"] for record in caplog.records] == ["the answer to roots/list"]
    await trio.lowlevel.checkpoint()


async def test_calls_are_refused_once_too_many_bytes_wait(nursery: trio.Nursery) -> None:
    session = ChannelSession("files", Heard(), outbox=Outbox(most_bytes=1000))
    nursery.start_soon(session.request, call_of_size(1000))
    await trio.testing.wait_all_tasks_blocked()

    refused = await session.request(call_of_size())
    await session.next_frame()
    nursery.start_soon(session.request, call_of_size())
    await trio.testing.wait_all_tasks_blocked()

    assert refused.fault is not None
    assert refused.fault.cause is Cause.OVERLOAD
    assert session.in_flight == 2
    nursery.cancel_scope.cancel()


async def test_bytes_of_a_call_that_was_taken_back_are_free_again(nursery: trio.Nursery) -> None:
    session = ChannelSession("files", Heard(), outbox=Outbox(most_bytes=1000))
    with trio.move_on_after(0):
        await session.request(call_of_size(1000))
    nursery.start_soon(session.request, call_of_size())
    await trio.testing.wait_all_tasks_blocked()

    assert session.in_flight == 1
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("token", [b"9" * 5000, b"-1", b"1.5", b'"1"', b"null", b"[1]"])
async def test_a_progress_token_that_is_not_ours_is_ignored(token: bytes) -> None:
    session = ChannelSession("files", Heard())

    session.receive(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,"progress":1}}' % token)

    assert session.garbage == 0


async def test_an_oversized_answer_is_never_charged_to_a_call_that_was_not_sent(nursery: trio.Nursery) -> None:
    session = ChannelSession("files", Heard())
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append(await session.request(call_of_size()))

    nursery.start_soon(ask)
    await trio.testing.wait_all_tasks_blocked()

    assert not session.settle_oversized(None, 1000)
    await session.next_frame()
    assert session.settle_oversized(None, 1000)
    await trio.testing.wait_all_tasks_blocked()
    assert len(replies) == 1


@pytest.mark.parametrize(("later", "charged"), [(0, False), (59.9, False), (60, True), (100_000, True)])
async def test_an_oversized_answer_without_an_id_is_not_charged_to_who_is_alone_soon_after_a_call_was_cancelled(
    later: float, charged: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """It may be the answer to that one, which was on its way. Servers need not answer it, so one cancel must not hold for ever."""
    session = ChannelSession("files", Heard())
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            async with trio.open_nursery() as calls:
                calls.start_soon(session.request, call_of_size())
                await session.next_frame()
        await session.next_frame()
        nursery.start_soon(session.request, call_of_size())
        await session.next_frame()

        await trio.sleep(later)
        assert session.settle_oversized(None, 1000) == charged
        await trio.testing.wait_all_tasks_blocked()
        assert session.in_flight == (0 if charged else 1)
        nursery.cancel_scope.cancel()
