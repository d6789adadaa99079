"""Any stream with a fault: what whoever uses it sees, and when."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate.testing.injections.kinds import Delay, Drip, DropAnswer, Garble, Hang, Injection, Refuse, Reset, ToolFails, Truncate
from sluicegate.testing.injections.streams import FaultyStream
from sluicegate.testing.memory_wire import memory_pair

SAID = b"0123456789"


async def heard(fault: Injection | None) -> tuple[bytes, str, float]:
    """What arrives of ten bytes and an end, how it ends, and how long that takes; no longer than ten seconds."""
    began = trio.current_time()
    inner, far = memory_pair()
    stream, data, end = FaultyStream(inner, fault), b"", "nothing more"
    with trio.move_on_after(10):
        try:
            await stream.send_all(b"hello")
            await far.send_all(SAID)
            await far.send_eof()
            while piece := await stream.receive_some():
                data += piece
            end = "end"
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            end = str(error)
    took = trio.current_time() - began
    await stream.aclose()
    return data, end, round(took, 6)


@pytest.mark.parametrize(
    ("fault", "data", "end", "seconds"),
    [
        (None, SAID, "end", 0.0),
        (ToolFails(), SAID, "end", 0.0),
        (Delay(2), SAID, "end", 2.0),
        (Delay(1, Reset("gone")), b"", "gone", 1.0),
        (Drip(3, 0.5), SAID, "end", 2.5),
        (Drip(0, 0.1), SAID, "end", 1.1),
        (Truncate(), b"01234", "end", 0.0),
        (Truncate(3), b"012", "end", 0.0),
        (Truncate(0), b"", "end", 0.0),
        (Garble(b"xyz"), b"xyz", "end", 0.0),
        (Reset("cable pulled"), b"", "cable pulled", 0.0),
        (Refuse(), b"", "the connection was refused", 0.0),
        (Hang(), b"", "nothing more", 10.0),
        (DropAnswer(), b"", "nothing more", 10.0),
    ],
)
async def test_a_stream_fails_as_its_fault_says(
    fault: Injection | None, data: bytes, end: str, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    assert await heard(fault) == (data, end, seconds)


async def test_a_request_is_heard_where_only_the_answer_fails(autojump_clock: trio.testing.MockClock) -> None:
    for fault, expected in ((DropAnswer(), b"hello"), (Truncate(), b"hello"), (Hang(), b""), (Reset(), b"")):
        inner, far = memory_pair()
        stream = FaultyStream(inner, fault)
        await stream.send_all(b"hello")
        await inner.send_eof()
        assert await far.receive_some() == expected


@pytest.mark.parametrize("fault", [Hang(), DropAnswer(), Delay(100), Drip(1, 100)])
async def test_closing_a_stream_wakes_who_waits_on_its_fault(fault: Injection, autojump_clock: trio.testing.MockClock) -> None:
    inner, far = memory_pair()
    stream = FaultyStream(inner, fault)
    await far.send_all(SAID)

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.sleep(1)
        await stream.aclose()
    assert trio.current_time() == 1.0
    assert stream.is_readable


async def test_a_fault_may_come_and_go_while_the_stream_is_used(autojump_clock: trio.testing.MockClock) -> None:
    inner, far = memory_pair()
    stream = FaultyStream(inner)
    await far.send_all(b"a")
    assert await stream.receive_some() == b"a"
    before = stream.is_readable
    stream.fault = Drip(1, 1)
    await far.send_all(b"bc")
    assert (before, stream.is_readable) == (False, True)
    assert await stream.receive_some() == b"b"
    stream.fault = None
    assert await stream.receive_some() == b"c"
    await stream.wait_send_all_might_not_block()
    assert trio.current_time() == 1.0


async def test_a_stream_with_a_fault_keeps_the_rules_of_streams() -> None:
    async def make() -> tuple[FaultyStream, FaultyStream]:
        left, right = memory_pair()
        return FaultyStream(left), FaultyStream(right)

    async def make_clogged() -> tuple[FaultyStream, FaultyStream]:
        left, right = memory_pair(1)
        await left.send_all(b"x")
        await right.send_all(b"x")
        return FaultyStream(left), FaultyStream(right)

    await trio.testing.check_two_way_stream(make, make_clogged)
