"""The network in memory keeps to what a stream promises, and behaves as TCP does."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream, memory_pair


async def make_pair() -> tuple[MemoryStream, MemoryStream]:
    await trio.lowlevel.checkpoint()
    return memory_pair(100)


async def make_clogged_pair() -> tuple[MemoryStream, MemoryStream]:
    ours, theirs = memory_pair(100)
    await ours.send_all(b"a" * 100)
    await theirs.send_all(b"a" * 100)
    return ours, theirs


async def test_it_is_a_stream(autojump_clock: object) -> None:
    await trio.testing.check_half_closeable_stream(make_pair, make_clogged_pair)


async def test_who_does_not_read_holds_up_who_sends(autojump_clock: object, nursery: trio.Nursery) -> None:
    ours, theirs = memory_pair(100)

    @nursery.start_soon
    async def send() -> None:
        await ours.send_all(b"a" * 250)
        await ours.send_eof()

    await trio.sleep(1)
    got = []
    while data := await theirs.receive_some():
        got.append(len(data))
        await trio.sleep(1)
    assert got == [100, 100, 50]


@pytest.mark.parametrize("resets", [False, True])
async def test_closing_with_unread_bytes_may_reset(autojump_clock: object, *, resets: bool) -> None:
    ours, theirs = memory_pair(100, resets=resets)
    await ours.send_all(b"never read")
    await theirs.send_all(b"the last word")
    await theirs.aclose()
    if resets:
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive_some()
    else:
        assert await ours.receive_some() == b"the last word"


async def test_it_can_be_asked_whether_there_is_something_to_read(autojump_clock: object) -> None:
    ours, theirs = memory_pair(100)
    answers = [ours.is_readable]
    await theirs.send_all(b"a")
    answers.append(ours.is_readable)
    await ours.receive_some()
    answers.append(ours.is_readable)
    await theirs.send_eof()
    answers.append(ours.is_readable)
    assert answers == [False, True, False, True]


async def test_nobody_is_there_until_somebody_listens(autojump_clock: object) -> None:
    network = MemoryNetwork()
    with pytest.raises(ConnectionRefusedError):
        await network.open_stream("a", 80)
    (listener,) = await network.listen("a", 80)
    ours = await network.open_stream("a", 80)
    theirs = await listener.accept()
    await theirs.send_all(b"hello")
    assert await ours.receive_some() == b"hello"
    await listener.aclose()
    with pytest.raises(ConnectionRefusedError):
        await network.open_stream("a", 80)
