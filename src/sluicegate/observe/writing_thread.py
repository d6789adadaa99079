"""A thread that writes what tasks put down, in batches: a pipe that nobody reads, a full disk or a slow terminal must not hold up the event loop."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

import attrs

__all__ = ["TROUBLE_SECONDS", "WritingThread", "write_some"]

PAUSE_SECONDS = 0.05
"""Between two batches: waking a thread costs as much for one line as for hundreds."""
TROUBLE_SECONDS = 0.5
"""Before the next attempt after one that failed."""
MOST_WRITTEN = 65_536
"""Bytes at a time."""


@attrs.define(eq=False, repr=False)
class WritingThread:
    """It never keeps the process from ending."""

    write: Callable[[], bool]
    """Writes what is there; whether it could. What it raises counts as no."""
    due: Callable[[], float | None]
    """Does what has become due; seconds until it wants to be asked again, None if only news matter. What it raises is told by nobody but itself."""
    name: str
    is_stubborn: bool = False
    """Whether what could not be written is tried again at the end, too."""
    _news: SimpleQueue[None] = attrs.field(factory=SimpleQueue, init=False)
    """An event would do, but for the garbage collector: what that ends may print, and nobody may set an event in the middle of setting it."""
    _is_awake: bool = attrs.field(default=False, init=False)
    _end: threading.Event = attrs.field(factory=threading.Event, init=False)
    _until: float = attrs.field(default=0.0, init=False)
    """How long there may be attempts at the end."""
    _thread: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to write."""
        if not self._is_awake:
            self._is_awake = True
            self._news.put(None)

    def close(self, seconds: float) -> bool:
        """Write what is waiting, within that time; whether the thread has ended. It waits for that, so it is nothing for a task."""
        self._until = time.monotonic() + seconds if self.is_stubborn else 0.0
        self._end.set()
        self._news.put(None)
        self._thread.join(seconds + (TROUBLE_SECONDS if self.is_stubborn else 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with suppress(Empty):
                self._news.get(timeout=self._pause())
            self._is_awake = False
            ending = self._end.is_set()
            written = self._has_written()
            if ending and (written or time.monotonic() >= self._until):
                return
            if ending:
                time.sleep(PAUSE_SECONDS)
                self._news.put(None)
            else:
                self._end.wait(PAUSE_SECONDS if written else TROUBLE_SECONDS)
                if not written and self.is_stubborn:
                    self._news.put(None)

    def _pause(self) -> float | None:
        try:
            return self.due()
        except Exception:  # noqa: BLE001  whatever it is, what comes next must still be written
            return TROUBLE_SECONDS

    def _has_written(self) -> bool:
        try:
            return self.write()
        except Exception:  # noqa: BLE001  as above
            return False


def write_some(descriptor: int, data: memoryview) -> memoryview:
    """Write the beginning; what is left. Raises `OSError`."""
    try:
        return data[os.write(descriptor, data[:MOST_WRITTEN]) :]
    except BlockingIOError:  # another program has made the terminal non-blocking
        select.select([], [descriptor], [], 1.0)
        return data
