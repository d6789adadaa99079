"""The one kind of buffer that lines of a log wait in: bounded, never in the way, and it knows what it lost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import attrs
import msgspec

__all__ = ["MOST_LINES", "Buffer"]

MOST_LINES = 10_000
"""Lines that may wait for a slow reader of the log; the oldest are dropped, and their number is told."""
MOST_BYTES = 8 * 1024 * 1024
"""Of all of them together."""


def _lost(count: int) -> bytes:
    return msgspec.json.encode({"event": "lost lines", "lost": count})


@attrs.define(eq=False, repr=False)
class Buffer:
    """Lines on their way to something that may be slow, full or gone. Filled from one thread and emptied from another.

    The garbage collector may run anywhere in here, and what it ends may print: that adds a line in the middle of adding or taking others.
    """

    on_news: Callable[[], None] = lambda: None
    """Called after each line; must not block."""
    lost: Callable[[int], bytes] = _lost
    """The line that says how many were lost."""
    most_lines: int = MOST_LINES
    most_bytes: int = MOST_BYTES
    slack: int = 1
    """So many times as much may wait before anything is dropped: where whoever fills it looks whether it `is_full`, and mostly can help it."""
    dropped: int = attrs.field(default=0, init=False)
    """Lines that were lost."""
    _told: int = attrs.field(default=0, init=False)
    """How many of those the log itself has told of."""
    _waiting: deque[bytes] = attrs.field(factory=deque, init=False)
    _size: int = attrs.field(default=0, init=False)
    _limit: int = attrs.field(init=False)
    _limit_bytes: int = attrs.field(init=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)

    def __attrs_post_init__(self) -> None:
        self._limit, self._limit_bytes = self.most_lines * self.slack, self.most_bytes * self.slack

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> int:
        """Lines that nobody has taken yet."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Of all of them together."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether no more should wait."""
        return len(self._waiting) >= self.most_lines or self._size >= self.most_bytes

    def put(self, line: bytes) -> None:
        """Add one line without its line break; never blocks."""
        with self._lock:
            waiting = self._waiting
            waiting.append(line)
            self._size += len(line)
            while len(waiting) > self._limit or self._size > self._limit_bytes:
                self._size -= len(waiting.popleft())
                self.dropped += 1
        self.on_news()

    def take(self) -> Batch | None:
        """Everything that waits, behind a line about what was lost; None if there is nothing to write."""
        following: deque[bytes] = deque()
        with self._lock:
            lines, self._waiting = self._waiting, following
            self._size = 0
            told = self.dropped
        if not lines:
            return None
        first = (self.lost(told - self._told),) if told > self._told else ()
        return Batch((*first, *lines), len(lines), told)

    def wrote(self, batch: Batch) -> None:
        """A batch was written."""
        self._told = batch.told

    def failed(self, batch: Batch) -> None:
        """A batch was not: its lines are lost, and the next one that can be written tells."""
        with self._lock:
            self.dropped += batch.count


class Batch(msgspec.Struct, frozen=True):
    """What is written at once."""

    lines: tuple[bytes, ...]
    """Without their line breaks; the first may be about what was lost."""
    count: int
    """Those that were put in."""
    told: int
    """Lost lines that are known once it is written."""

    @property
    def data(self) -> bytes:
        """All of it as text."""
        return b"\n".join(self.lines) + b"\n"
