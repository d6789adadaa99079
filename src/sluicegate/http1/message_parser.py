"""What requests and responses have in common: how their bytes are cut before llhttp gets them, and counted.

A head and a chunked body both end with an empty line, and a sized body after as many bytes as it said. So llhttp gets pieces that
never reach beyond the next such place. Thus it is always known how many bytes went into what (what reaches no callback is counted by
nobody else: a header value of 25 MiB, or a chunk extension), and a message looks the same however it was cut on its way.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import MutableSequence
from typing import Protocol

import attrs
import httptools

from .framing import EMPTY_LINE, RefusedMessage, chunk_overhead_allowed, find_in_chunks, undecided

__all__ = ["CHUNKED", "HEADERS", "LINE", "OVER", "SIZED", "UNTIL_EOF", "MessageParser", "append_piece"]

LINE, HEADERS, CHUNKED, SIZED, UNTIL_EOF, OVER = range(6)
"""What the next byte belongs to. Plain numbers: members of an enumeration take four times as long to look up, a dozen times per message."""

SMALL_PIECE = 1024
"""Pieces shorter than this grow instead of multiplying: a body that comes in single bytes must not take fifty times its size."""


class Feedable(Protocol):
    """A parser of httptools."""

    def feed_data(self, data: bytes, /) -> None:
        """Parse, and call back."""


def append_piece(pieces: MutableSequence[bytes], piece: bytes) -> None:
    """Add to a body."""
    if pieces and len(pieces[-1]) < SMALL_PIECE:
        pieces[-1] += piece
    else:
        pieces.append(piece)


@attrs.define(eq=False, repr=False)
class MessageParser:
    """All messages in one direction of a connection, in order."""

    _max_head: int = attrs.field(init=False)
    """Bytes of the first line and all headers of one message."""
    _llhttp: Feedable | None = attrs.field(default=None, init=False)
    """Made for the first head that is not known: many connections never carry one."""
    _stage: int = attrs.field(default=LINE, init=False)
    _kept: bytes = attrs.field(default=b"", init=False)
    """What came, and was not enough to go on with."""
    _headers: list[tuple[bytes, bytes]] = attrs.field(factory=list, init=False)
    _used: int = attrs.field(init=False)
    """Bytes of this head, or of this chunked body, so far."""
    _left: int = attrs.field(init=False)
    """Bytes of the sized body that are still to come."""
    _content: int = attrs.field(init=False)
    """Bytes of this body so far, without what is around them."""
    _passed: bool = attrs.field(init=False)
    """The head of this message was known, so llhttp sees nothing of the message."""

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Read on. Never raises."""
        everything = self._kept + data if self._kept else bytes(data)
        self._kept = b""
        position = 0
        size = len(everything)
        try:
            while position < size:
                used = self._read(everything, position)
                if used == 0:
                    self._kept = everything[position:]
                    return
                position += used
        except RefusedMessage as refused:
            self._stage = OVER
            self._refuse(refused)

    def close(self) -> None:
        """Read no more. It and llhttp hold each other, and only the garbage collector would part them: 100 objects for each connection."""
        self._stage = OVER
        self._llhttp = None

    @abstractmethod
    def _read_line(self, data: bytes, start: int) -> int:
        """Read the first line of a message, and on; bytes used, 0 if there are too few."""

    @abstractmethod
    def _read_raw(self, data: bytes, start: int) -> None:
        """Take all that is there: it is no part of a message that says where it ends."""

    @abstractmethod
    def on_body(self, piece: bytes) -> None:
        """Some of the body."""

    @abstractmethod
    def on_message_complete(self) -> None:
        """The message has ended."""

    @abstractmethod
    def _make_llhttp(self) -> Feedable:
        """A parser for the next message, which calls back."""

    @abstractmethod
    def _refuse(self, refused: RefusedMessage) -> None:
        """There will be no further message."""

    def _read(self, data: bytes, start: int) -> int:
        """Read one piece: bytes used, 0 if there are too few to tell."""
        stage = self._stage
        if stage == LINE:
            return self._read_line(data, start)
        if stage <= CHUNKED:  # or in the headers
            return self._read_up_to_empty_line(data, start)
        used = len(data) - start
        if stage == SIZED:
            used = min(used, self._left)
            self._left -= used
            if self._passed:
                self._pass_body(data[start : start + used])
            else:
                self._give(data[start : start + used])
        else:
            self._read_raw(data, start)
        return used

    def _read_up_to_empty_line(self, data: bytes, start: int) -> int:
        found = find_in_chunks(data, start) if self._stage == CHUNKED else data.find(EMPTY_LINE, start)
        used = (found + len(EMPTY_LINE) if found >= 0 else len(data) - undecided(data, start)) - start
        self._used += used
        if self._stage == CHUNKED:
            self._give(data[start : start + used])
            self._check_overhead()
            return used
        if self._used > self._max_head:
            raise RefusedMessage(431, "head too large")
        self._give(data[start : start + used])
        return used

    def _begin_known(self, length: int) -> None:
        """Go on with the body, of which something is still to come, after a head that was known."""
        self._content = 0
        self._stage, self._left, self._passed = SIZED, length, True

    def _pass_body(self, piece: bytes) -> None:
        self.on_body(piece)
        if not self._left:
            self.on_message_complete()

    def _check_overhead(self) -> None:
        """Look how much of a chunked body was no content; to be called at its end, too."""
        if self._stage == CHUNKED and self._used - self._content > chunk_overhead_allowed(self._content):
            raise RefusedMessage(400, "more chunk overhead than content")

    def _give(self, piece: bytes) -> None:
        if self._llhttp is None:
            self._llhttp = self._make_llhttp()
        try:
            self._llhttp.feed_data(piece)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserUpgrade:
            self._decline_upgrade()
        except httptools.HttpParserError as error:
            raise RefusedMessage(400, str(error)) from None

    def _decline_upgrade(self) -> None:
        """After a head, llhttp takes what follows for another protocol."""
        raise RefusedMessage(400, "another protocol")
