"""What writes the daemon's log."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from .buffer import Buffer
from .writing_thread import WritingThread, write_some

__all__ = ["LogWriter"]


def _nothing_due() -> float | None:
    return None


@attrs.define(eq=False, repr=False)
class LogWriter:
    """Writes what is put into its buffer to a descriptor, from a thread of its own. What cannot be written is lost, and counted."""

    descriptor: int
    buffer: Buffer
    due: Callable[[], float | None] = _nothing_due
    """Puts in what has become due; seconds until it wants to be asked again, None if only new lines matter."""
    _thread: WritingThread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = WritingThread(self._write, self.due, "sluicegate log")
        self.buffer.on_news = self._thread.wake

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, seconds: float) -> bool:
        """Write what is waiting, within that time; whether all of it was."""
        return self._thread.close(seconds)

    def _write(self) -> bool:
        batch = self.buffer.take()
        if batch is None:
            return True
        rest = memoryview(batch.data)
        try:
            while rest:
                rest = write_some(self.descriptor, rest)
        except OSError:  # nobody can be told but by the next line that can be written
            self.buffer.failed(batch)
            return False
        self.buffer.wrote(batch)
        return True
