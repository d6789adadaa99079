"""A folder in which keys outlive the process: one small file a key, and beside it what has ended of what was sealed with it.

Several processes may use one at the same time. No file is ever written anew: keys are added and dropped whole, and ends are appended, so
there is nothing to lock.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from ..protocol.sealing_key import SealingKey
from ..telling.loggers import get_logger
from .blocking import RunBlocking, run_blocking
from .secret_file import read_secret

__all__ = ["KeyFolder"]

log = get_logger("sluicegate.keys")

T = TypeVar("T")
PATIENCE_SECONDS = 5.0
_LINE = re.compile(rb"2 (\d{1,12}) ([A-Za-z0-9_-]{43}=)\n?")
"""The number of the format, when the key was made, and the key. It is that of what is kept of the key's ends, too: a key of another format is left
alone, because sessions that have ended under it could not be told from those that have not."""
_LONGEST = 100
_MOST_FILES = 256
_LARGEST = 1024 * 1024
"""Bytes that are read of what has ended; whoever counts them takes no more."""


class KeyFolder(msgspec.Struct, frozen=True):
    """It comes into being with the first key. Only its owner can read what is in it."""

    path: Path
    run_blocking: RunBlocking = run_blocking

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    async def load(self) -> list[SealingKey]:
        """All keys; raises `OSError` where there is such a folder and it cannot be read."""
        return await self._within(self._load)

    async def add(self, key: SealingKey) -> None:
        """Keep one more key; raises `OSError`."""
        await self._within(partial(self._add, key))

    async def drop(self, key: SealingKey) -> None:
        """Keep a key, and what has ended of it, no longer; raises `OSError`."""
        await self._within(partial(self._drop, key))

    async def ends(self, after: Mapping[SealingKey, int]) -> dict[SealingKey, bytes]:
        """For each key what was appended beyond so many bytes, where there is something; raises `OSError`."""
        return await self._within(partial(self._ends, dict(after)))

    async def end(self, key: SealingKey, record: bytes) -> None:
        """Append what has ended; raises `OSError`."""
        await self._within(partial(self._end, key, record))

    async def _within(self, work: Callable[[], T]) -> T:
        """Do it, or say that it takes too long: a disk that hangs must hold up neither clients nor the end of the process."""
        with trio.move_on_after(PATIENCE_SECONDS):
            return await self.run_blocking(work, abandon=True)
        raise TimeoutError(f"'{self.path}' has not answered for {PATIENCE_SECONDS:g} seconds")

    def _load(self) -> list[SealingKey]:
        try:
            names = sorted(path.name for path in self.path.iterdir() if path.suffix == ".key")
        except FileNotFoundError:
            return []
        return [key for name in names[:_MOST_FILES] if (key := _read(self.path / name)) is not None]

    def _add(self, key: SealingKey) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (ignored := self.path / ".gitignore").exists():
            ignored.write_text("*\n", encoding="ascii")
        file = self._file(key, "key")
        fresh = file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as output:
                output.write(b"2 %d %b\n" % (key.made, base64.urlsafe_b64encode(key.secret)))
                output.flush()
                os.fsync(descriptor)
            fresh.rename(file)
        except OSError:
            fresh.unlink(missing_ok=True)  # it may be tried again
            raise

    def _drop(self, key: SealingKey) -> None:
        for kind in ("ended", "key"):
            self._file(key, kind).unlink(missing_ok=True)

    def _ends(self, after: Mapping[SealingKey, int]) -> dict[SealingKey, bytes]:
        found = {}
        for key, known in after.items():
            try:
                with self._file(key, "ended").open("rb") as file:
                    file.seek(known)
                    data = file.read(_LARGEST)
            except FileNotFoundError:
                continue
            if data:
                found[key] = data
        return found

    def _end(self, key: SealingKey, record: bytes) -> None:
        descriptor = os.open(self._file(key, "ended"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, record)
        finally:
            os.close(descriptor)

    def _file(self, key: SealingKey, kind: str) -> Path:
        return self.path / f"{key.id}.{kind}"


def _read(path: Path) -> SealingKey | None:
    try:
        line = read_secret(path, _LONGEST)
    except FileNotFoundError:  # another process has dropped it meanwhile
        return None
    except OSError as error:
        log.warning("a key cannot be read", file=str(path), error=str(error))
        return None
    found = _LINE.fullmatch(line)
    if found is None:
        log.warning("a file holds no key and is left alone", file=str(path))
        return None
    return SealingKey(int(found[1]), base64.urlsafe_b64decode(found[2]))
