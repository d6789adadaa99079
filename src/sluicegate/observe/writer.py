"""A thread that writes the daemon's log, because a pipe that nobody reads, a full disk or a slow terminal must not hold up the event loop."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

import attrs

from .buffer import Buffer

__all__ = ["LogWriter"]

PAUSE_SECONDS = 0.05
"""Between two batches: waking a thread costs as much for one line as for hundreds."""
TROUBLE_SECONDS = 0.5
"""Before the next attempt after one that failed."""
MOST_WRITTEN = 65_536
"""Bytes at a time."""


def _nothing_due() -> float | None:
    return None


@attrs.define(eq=False, repr=False)
class LogWriter:
    """Writes what is put into its buffer to a descriptor, from a thread of its own that never keeps the process from ending."""

    descriptor: int
    buffer: Buffer
    due: Callable[[], float | None] = _nothing_due
    """Puts in what has become due; seconds until it wants to be asked again, None if only new lines matter."""
    _news: SimpleQueue[None] = attrs.field(factory=SimpleQueue, init=False)
    """An event would do, but for the garbage collector: what that ends may print, and nobody may set an event in the middle of setting it."""
    _is_awake: bool = attrs.field(default=False, init=False)
    _end: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.buffer.on_news = self.wake
        self._thread = threading.Thread(target=self._run, name="sluicegate log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to write."""
        if not self._is_awake:
            self._is_awake = True
            self._news.put(None)

    def close(self, seconds: float) -> bool:
        """Write what is waiting, within that time; whether all of it was."""
        self._end.set()
        self._news.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with suppress(Empty):
                self._news.get(timeout=self.due())
            self._is_awake = False
            ending = self._end.is_set()
            written = self._write()
            if ending:
                return
            self._end.wait(PAUSE_SECONDS if written else TROUBLE_SECONDS)

    def _write(self) -> bool:
        batch = self.buffer.take()
        if batch is None:
            return True
        try:
            _write_all(self.descriptor, batch.data)
        except OSError:  # nobody can be told but by the next line that can be written
            self.buffer.failed(batch)
            return False
        self.buffer.wrote(batch)
        return True


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest[:MOST_WRITTEN]) :]
        except BlockingIOError:  # another program has made the terminal non-blocking
            select.select([], [descriptor], [], 1.0)
