"""Values in a SQLite file, which several gateways on one machine may share.

One task works through a bounded queue, a batch at a time and each in a thread, so that never more than one thread is in the file, and none
when the task has ended. Who has asked waits for a quarter of a second, whatever the disk does.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import trio

from ...protocol.key_values import PATIENCE_SECONDS
from ..blocking import RunBlocking
from .presence import Presence
from .sqlite_file import SqliteFile

__all__ = ["SqliteValues"]

T = TypeVar("T")

MOST_WAITING = 256
BATCH = 32
TIDY_SECONDS = 5.0
MOST_SPACES = 1024
GOODBYE_SECONDS = 1.0
_SLOW = f"no answer for {PATIENCE_SECONDS:g} s"


@attrs.define(eq=False)
class _Job(Generic[T]):
    work: Callable[[SqliteFile], T]
    done: trio.Event = attrs.field(factory=trio.Event, init=False)
    result: T | None = attrs.field(default=None, init=False)

    def do(self, file: SqliteFile) -> None:
        self.result = self.work(file)


@attrs.define(eq=False)
class SqliteValues:
    """Implements `sluicegate.protocol.key_values.KeyValues`."""

    path: Path
    wall: Callable[[], float]
    run_blocking: RunBlocking
    _presence: Presence = attrs.field(init=False)
    _jobs: deque[_Job[Any]] = attrs.field(factory=deque, init=False)
    _sizes: dict[bytes, tuple[int, int]] = attrs.field(factory=dict, init=False)
    _bounds: dict[bytes, tuple[int, int]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._presence = Presence(str(self.path))

    @property
    def is_there(self) -> bool:
        """Whether it makes sense to ask it."""
        return self._presence.is_there

    # -- what is asked

    async def read(self, space: bytes, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The values under these keys."""
        now = self.wall()
        return await self._do(lambda file: file.read(space, keys, now))

    async def write(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bool:
        """Keep a value."""
        until = self.wall() + seconds
        return await self._do(lambda file: file.write(space, key, value, until)) or False

    async def add(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bytes | None:
        """Keep a value unless there is one; the one that is there then."""
        now = self.wall()
        return await self._do(lambda file: file.add(space, key, value, now, now + seconds))

    async def swap(self, space: bytes, key: bytes, old: bytes, new: bytes, seconds: float) -> bool:
        """Keep a value in the place of another one, if that is there."""
        until = self.wall() + seconds
        return await self._do(lambda file: file.swap(space, key, old, new, until)) or False

    async def delete(self, space: bytes, key: bytes) -> bool:
        """Keep it no longer."""
        return await self._do(lambda file: file.delete(space, key)) or False

    def size(self, space: bytes, most: int, most_bytes: int) -> tuple[int, int]:
        """How many it has, as was counted last; from now on it is kept within these bounds."""
        if space not in self._bounds and len(self._bounds) >= MOST_SPACES:
            oldest = next(iter(self._bounds))
            del self._bounds[oldest]
            self._sizes.pop(oldest, None)
        self._bounds[space] = most, most_bytes
        return self._sizes.get(space, (0, 0))

    async def _do(self, work: Callable[[SqliteFile], T]) -> T | None:
        if not self._presence.is_there or len(self._jobs) >= MOST_WAITING:
            await trio.lowlevel.checkpoint()
            return None
        job = _Job(work)
        self._jobs.append(job)
        self._presence.news.set()
        began = trio.current_time()
        try:
            with trio.move_on_after(PATIENCE_SECONDS):
                await job.done.wait()
        except trio.Cancelled:
            self._presence.left(began)
            raise
        if job.done.is_set():
            return job.result
        self._presence.lost(_SLOW)
        return None

    # -- the one task

    async def run(self) -> None:
        """Open the file, do what is asked, and open it anew where it fails, until cancelled."""
        while True:
            try:
                file = await self.run_blocking(partial(self._open, self.path))
                try:
                    self._presence.back()
                    await self._serve(file)
                finally:
                    self._presence.is_there = False
                    with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                        await self.run_blocking(file.close)
            except (sqlite3.Error, OSError) as error:
                self._presence.lost(str(error))
            finally:
                self._drop_jobs()
            await trio.sleep(self._presence.pause())

    @staticmethod
    def _open(path: Path) -> SqliteFile:
        file = SqliteFile.open(path)
        try:
            file.prove()
        except BaseException:
            file.close()
            raise
        return file

    async def _serve(self, file: SqliteFile) -> None:
        tidy_at = trio.current_time()
        while True:
            if self._jobs:
                await self._work(file)
            elif trio.current_time() >= tidy_at:
                more, sizes = await self.run_blocking(partial(_tidied, file, self.wall(), dict(self._bounds)))
                self._sizes |= sizes
                tidy_at = trio.current_time() + (0 if more else TIDY_SECONDS)
                await trio.lowlevel.checkpoint()
            else:
                self._presence.news = trio.Event()
                with trio.move_on_at(tidy_at):
                    await self._presence.news.wait()

    async def _work(self, file: SqliteFile) -> None:
        batch = [self._jobs.popleft() for _ in range(min(BATCH, len(self._jobs)))]

        def do() -> None:
            for job in batch:
                job.do(file)

        try:
            await self.run_blocking(do)
        finally:
            for job in batch:
                job.done.set()
        if not self._presence.is_there:  # somebody has waited too long for it; whether it is quicker now is to be tried
            raise TimeoutError(_SLOW)

    def _drop_jobs(self) -> None:
        while self._jobs:
            self._jobs.popleft().done.set()


def _tidied(file: SqliteFile, now: float, bounds: Mapping[bytes, tuple[int, int]]) -> tuple[bool, dict[bytes, tuple[int, int]]]:
    """Throw away what is of no use, a slice at a time. Whether there is more to do, and how much each space has."""
    more, sizes = file.purge(now), {}
    for space, (most, most_bytes) in bounds.items():
        count, room = sizes[space] = file.measure(space)
        if count > most or room > most_bytes:
            file.shrink(space)
            more = True
    return more, sizes
