"""Reading lines from a stream, in portions after each of which others get their turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from .lines import LineSplitter, Oversized

__all__ = ["in_pieces", "is_quick", "read_lines"]

PIECE = 1024
"""Bytes that are looked at without letting others go on: some tens of messages, which take less than a millisecond."""
FEW_LINES = 32
"""A chunk with fewer line ends is read as it is: it is quick to look at, and may be part of something large."""


def in_pieces(chunk: bytes) -> Sequence[bytes]:
    """The chunk in pieces after each of which others should get their turn; one that has few lines is the only piece."""
    return (chunk,) if is_quick(chunk) else [chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE)]


def is_quick(chunk: bytes) -> bool:
    """Whether the chunk is small enough, or has few enough lines, to be looked at as a whole."""
    return len(chunk) <= PIECE or chunk.count(b"\n") + chunk.count(b"\r") <= FEW_LINES


async def read_lines(
    stream: trio.abc.ReceiveStream,
    limit: int,
    take: Callable[[bytes | Oversized], None],
    wait_for_room: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Hand over all lines up to the end of the stream, however that comes.

    Args:
        stream: what to read.
        limit: the longest line in bytes.
        take: gets each line, without its end; the last one need not have had any.
        wait_for_room: awaited before more is read; not at the end, when nothing more comes.
    """
    lines = LineSplitter(limit)
    while True:
        try:
            chunk = bytes(await stream.receive_some())
        except trio.BrokenResourceError:
            break
        if not chunk:
            break
        for piece in (chunk,) if len(chunk) <= PIECE else in_pieces(chunk):
            for line in lines.feed(piece):
                take(line)
            if wait_for_room is not None:
                await wait_for_room()
            if len(piece) < len(chunk):
                await trio.lowlevel.checkpoint()
    for line in lines.end():
        take(line)
