"""What waits for a backend's writer, and what may skip it."""

from __future__ import annotations

import attrs
import trio
import trio.testing

from sluicegate.channel.outbox import Frame, Outbox
from sluicegate.protocol.calls import Call
from sluicegate.testing import cancel_at_every_checkpoint
from sluicegate.testing.checkpoints import Trial


@attrs.define
class Pipe:
    """Takes as many bytes at once as there is room, and sends what the writer brings."""

    outbox: Outbox = attrs.field(factory=Outbox)
    room: int = 1000
    taken: bytes = b""

    def send_now(self, data: bytes) -> int:
        sent = min(self.room, len(data))
        self.room -= sent
        self.taken += data[:sent]
        return sent

    async def write(self) -> None:
        self.outbox.send_now = self.send_now
        while (frame := await self.outbox.next_frame()) is not None:
            self.taken += frame


def a_frame(frame: bytes) -> Frame:
    return Frame(frame, Call("tools/call", "x", {}))


async def test_a_message_skips_a_writer_that_has_nothing_to_do(autojump_clock: object) -> None:
    """It has left when ``put`` returns, and its call knows when."""
    pipe = Pipe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.write)
        await trio.testing.wait_all_tasks_blocked()
        frame = a_frame(b"hello")
        pipe.outbox.put(frame)
        assert pipe.taken == b"hello"
        assert frame.left
        assert frame.call is not None
        assert frame.call.sent_at == trio.current_time()
        assert len(pipe.outbox) == 0
        nursery.cancel_scope.cancel()


async def test_the_rest_of_a_message_goes_before_all_others(autojump_clock: object) -> None:
    """No other message gets in between, however many come before the writer wakes up."""
    pipe = Pipe(room=3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.write)
        await trio.testing.wait_all_tasks_blocked()
        first, second = a_frame(b"[first]"), a_frame(b"[second]")
        pipe.outbox.put(first)
        pipe.outbox.put(second)
        assert (pipe.taken, first.left, second.left) == (b"[fi", True, False)
        pipe.room = 1000
        pipe.outbox.put(a_frame(b"[third]"))
        await trio.testing.wait_all_tasks_blocked()
        assert pipe.taken == b"[first][second][third]"
        assert not pipe.outbox.is_full
        nursery.cancel_scope.cancel()


async def test_a_message_that_finds_no_room_can_still_be_taken_back(autojump_clock: object) -> None:
    """Not a byte of it has left, so the backend never hears of it."""
    pipe = Pipe(room=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.write)
        await trio.testing.wait_all_tasks_blocked()
        frame = a_frame(b"hello")
        pipe.outbox.put(frame)
        assert not frame.left
        pipe.outbox.take_back(frame)
        pipe.room = 1000
        await trio.testing.wait_all_tasks_blocked()
        assert pipe.taken == b""
        nursery.cancel_scope.cancel()


async def test_nothing_leaves_before_there_is_a_writer_or_after_the_end(autojump_clock: object) -> None:
    pipe = Pipe()
    pipe.outbox.send_now = pipe.send_now
    pipe.outbox.put(a_frame(b"early"))
    assert pipe.taken == b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.write)
        await trio.testing.wait_all_tasks_blocked()
        assert pipe.taken == b"early"
        pipe.outbox.close()
        pipe.outbox.put(a_frame(b"late"))
    assert pipe.taken == b"early"


async def test_an_outbox_that_is_closed_holds_nothing_any_more() -> None:
    outbox = Outbox(most=2, most_bytes=10)
    for _ in range(4):
        outbox.put(a_frame(b"x" * 5))
    assert (len(outbox), outbox.is_full, outbox.is_bursting) == (4, True, True)
    outbox.close()
    assert (len(outbox), outbox.is_full, outbox.is_bursting) == (0, False, False)


async def test_a_message_that_left_in_two_parts_takes_no_room_any_more(autojump_clock: object) -> None:
    """However many there were: what is counted when a rest has to wait is given back when it leaves, and not a byte more."""
    pipe = Pipe(Outbox(most_bytes=100))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.write)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            pipe.room = 10
            pipe.outbox.put(a_frame(b"x" * 110))
            assert (pipe.outbox.is_full, pipe.outbox.is_bursting) == (True, False)
            await trio.testing.wait_all_tasks_blocked()
            assert (pipe.outbox.is_full, pipe.outbox.is_bursting) == (False, False)
        pipe.outbox.send_now = None
        for size, is_full in ((99, False), (1, True)):
            pipe.outbox.put(a_frame(b"x" * size))
            assert pipe.outbox.is_full is is_full
        nursery.cancel_scope.cancel()


async def test_a_message_that_was_taken_back_takes_no_room_any_more(autojump_clock: object) -> None:
    outbox = Outbox(most=3, most_bytes=100)
    frames = [a_frame(b"x" * 49), a_frame(b"x" * 50), a_frame(b"x")]
    for frame in frames:
        outbox.put(frame)
    for frame in frames[1:]:
        outbox.take_back(frame)
    assert len(outbox) == 1
    for size, is_full in ((50, False), (1, True)):
        outbox.put(a_frame(b"x" * size))
        assert outbox.is_full is is_full


async def test_what_the_writer_has_in_its_hands_counts_until_it_comes_for_more(nursery: trio.Nursery) -> None:
    written: list[int] = []
    outbox = Outbox(on_written=lambda: written.append(outbox.size))
    for frame in (b"one", b"three"):
        outbox.put(a_frame(frame))
    assert (outbox.size, outbox.is_empty, outbox.holds(b"one"), outbox.holds(b"two")) == (8, False, True, False)
    assert await outbox.next_frame() == b"one"
    assert (outbox.size, outbox.holds(b"one"), written) == (8, False, [])
    assert await outbox.next_frame() == b"three"
    assert (outbox.size, len(outbox), outbox.is_empty, written) == (5, 0, False, [5])
    nursery.start_soon(outbox.next_frame)
    await trio.testing.wait_all_tasks_blocked()
    assert (outbox.size, outbox.is_empty, written) == (0, True, [5, 0])
    nursery.cancel_scope.cancel()


async def test_a_writer_that_is_cut_at_any_step_leaves_what_it_has_not_taken_to_the_next_one() -> None:
    pipe = Pipe()

    async def scenario() -> None:
        nonlocal pipe
        pipe = Pipe(room=8)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.write)
            for text in (b"skips it", b"waits ", b"waits, too "):
                await trio.testing.wait_all_tasks_blocked()
                pipe.outbox.put(a_frame(text))
            await trio.testing.wait_all_tasks_blocked()
            pipe.outbox.close()

    async def check(trial: Trial[None]) -> None:
        before, waiting = pipe.taken, len(pipe.outbox)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.write)
            await trio.testing.wait_all_tasks_blocked()
            assert len(pipe.outbox) == 0
            assert (pipe.taken != before) == bool(waiting)
            pipe.outbox.close()
        assert (pipe.outbox.size, pipe.outbox.is_empty) == (0, True)
        assert b"skips itwaits waits, too ".startswith(pipe.taken)
        assert trial.cut or pipe.taken.endswith(b"waits, too ")

    assert await cancel_at_every_checkpoint(scenario, check) > 3


async def test_1024_messages_or_64_mebibytes_may_wait_and_of_what_nobody_waits_for_twice_as_much() -> None:
    outbox, bounds = Outbox(), list[tuple[int, bool, bool]]()
    for count in range(1, 2050):
        outbox.put(Frame(b"x"))
        if count in (1023, 1024, 2047, 2048):
            bounds.append((count, outbox.is_full, outbox.is_bursting))
    assert bounds == [(1023, False, False), (1024, True, False), (2047, True, False), (2048, True, True)]
    large = b"x" * 67_108_863
    outbox = Outbox()
    full = []
    for data in (large, b"x", large, b"x"):
        outbox.put(Frame(data))
        full.append((outbox.is_full, outbox.is_bursting))
    assert full == [(False, False), (True, False), (True, False), (True, True)]


async def test_an_outbox_that_is_closed_counts_nothing_any_more() -> None:
    outbox = Outbox()
    outbox.put(Frame(b"hello"))
    outbox.close()
    assert (outbox.size, outbox.is_empty, await outbox.next_frame()) == (0, True, None)
