"""LineSplitter as they come from a stream: whole, in order, and with room for others in between."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate.channel.lines import Oversized, as_line
from sluicegate.channel.reading import in_pieces, is_quick, read_lines


@pytest.mark.parametrize("last", [b"", b"rest"])
async def test_all_lines_are_handed_over_and_the_last_without_its_end(last: bytes) -> None:
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    taken: list[bytes | Oversized] = []
    await ours.send_all(b"one\n\ntwo\n" + last)
    await ours.aclose()
    await read_lines(theirs, 10, taken.append)
    assert taken == [b"one", b"", b"two", *([last] if last else [])]


class Breaking(trio.abc.ReceiveStream):
    """Says something and breaks."""

    def __init__(self) -> None:
        self.left = [b"one\ntw", b"o"]

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        del max_bytes
        await trio.lowlevel.checkpoint()
        if not self.left:
            raise trio.BrokenResourceError
        return self.left.pop(0)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_stream_that_breaks_has_ended() -> None:
    taken: list[bytes | Oversized] = []
    await read_lines(Breaking(), 10, taken.append)
    assert taken == [b"one", b"two"]


async def test_others_get_their_turn_between_pieces_that_are_full_of_lines() -> None:
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    taken: list[bytes | Oversized] = []
    seen: list[int] = []
    await ours.send_all(b"x\n" * 4096)
    await ours.aclose()

    async def watch() -> None:
        while len(taken) < 4096:
            seen.append(len(taken))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await read_lines(theirs, 10, taken.append)
    assert len(set(seen)) >= 4  # of eight pieces; in a turn of the loop either may be first


async def test_nothing_more_is_read_while_there_is_no_room(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    taken: list[bytes | Oversized] = []
    room = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_lines, theirs, 10, taken.append, room.wait)
        await ours.send_all(b"one\n")
        await trio.sleep(1)
        await ours.send_all(b"two\n")
        await trio.sleep(1)
        assert taken == [b"one"]
        room.set()
        await ours.aclose()
    assert taken == [b"one", b"two"]


@pytest.mark.parametrize(("message", "line"), [(b"{}", b"{}\n"), (b'{\r\n"a":\n1}', b'{"a":1}\n')])
def test_a_message_is_one_line(message: bytes, line: bytes) -> None:
    assert as_line(message) == line


@pytest.mark.parametrize(
    ("chunk", "quick"),
    [
        (b"\n" * 1024, True),
        (b"\n" * 1025, False),
        (b"\n" * 20 + b"\r" * 12 + b"x" * 1024, True),
        (b"\n" * 20 + b"\r" * 13 + b"x" * 1024, False),
        (b"x" * 100_000, True),
    ],
)
def test_a_chunk_is_looked_at_as_a_whole_where_it_is_small_or_has_few_lines(chunk: bytes, quick: bool) -> None:
    """At most a kibibyte, or 32 line ends of both kinds together."""
    assert is_quick(chunk) is quick
    assert (len(in_pieces(chunk)) == 1) is quick
    assert b"".join(in_pieces(chunk)) == chunk
    assert quick or max(map(len, in_pieces(chunk))) == 1024
