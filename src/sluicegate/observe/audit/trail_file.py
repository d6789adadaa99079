"""Records in a file that only grows: it is rotated by size, goes on over restarts, and belongs to one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import msgspec

from ...telling.loggers import get_logger
from ..stamps import stamp
from ..writing_thread import write_some
from .chain import Chain, ChainLink, read_link

__all__ = ["TrailFile"]

log = get_logger("sluicegate.audit")

TAIL_BYTES = 1024 * 1024
"""In which the last record of a file is looked for; one is much smaller."""
SYNC_SECONDS = 1.0
"""With ``second``: so long a record may be written and not yet be on the disk."""


@attrs.define(eq=False, repr=False)
class TrailFile:
    """Implements `RecordTarget`."""

    path: Path
    rotate_bytes: int
    """From where on another file is begun; 0 is never."""
    keep_files: int
    """Of those that are full; 0 is all."""
    sync: str
    """When what is written must be on the disk: ``never``, after each ``batch``, or within a ``second``."""
    wall: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    _descriptor: int = attrs.field(default=-1, init=False)
    _size: int = attrs.field(default=0, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)
    """Sealed, and not written yet."""
    _unsynced_since: float | None = attrs.field(default=None, init=False)

    def resume(self, chain: Chain) -> Sequence[bytes]:
        """Open it, alone, and find out where its chain has got to."""
        self._open()
        tail = _tail(self._descriptor, self._size)
        if not self._size:
            full = self.full
            if full:
                _go_on(chain, full[-1].read_bytes()[-TAIL_BYTES:].rpartition(b"\n")[0], full[-1])
            return [self._heading(chain)]
        whole, _, torn = tail.rpartition(b"\n")
        _go_on(chain, whole, self.path)
        if not torn:
            return []
        self._rest = b"\n"
        return [self._record("resumed", torn_bytes=len(torn), torn_sha256=hashlib.sha256(torn).hexdigest())]

    @property
    def full(self) -> list[Path]:
        """The files before this one, oldest first: their names end with the number of the last record in them."""
        beside = (path for path in self.path.parent.glob(f"{self.path.name}.*") if path.suffix[1:].isdecimal())
        return sorted(beside, key=lambda path: int(path.suffix[1:]))

    def turn(self, chain: Chain) -> Sequence[bytes]:
        """Begin another file where this one is full."""
        if self._descriptor < 0:  # it could not be opened the last time
            self._open()
            return [self._heading(chain)]
        if not self.rotate_bytes or self._size < self.rotate_bytes:
            return []
        if self.sync != "never":  # before it gets its name: what cannot be synced is tried again
            os.fsync(self._descriptor)
        old = self.path.with_name(f"{self.path.name}.{chain.seq:012d}")
        self.path.rename(old)
        self.close()
        self._open()
        log.info("the audit has begun another file", full=str(old), seq=chain.seq, chain=chain.last)
        self._drop_old()
        return [self._heading(chain)]

    def _drop_old(self) -> None:
        """A file that cannot be removed must not cost the new one its heading."""
        try:
            for path in self.full[: -self.keep_files] if self.keep_files else []:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("an old file of the audit cannot be removed", error=repr(error))

    def write(self, lines: Sequence[bytes]) -> None:
        """Append them."""
        self._rest += b"".join(line + b"\n" for line in lines)
        rest = memoryview(self._rest)
        if rest and self._unsynced_since is None:
            self._unsynced_since = self.clock()
        try:
            while rest:
                left = write_some(self._descriptor, rest)
                self._size += len(rest) - len(left)
                rest = left
        finally:
            self._rest = bytes(rest)
        self.tidy()

    def tidy(self) -> float | None:
        """See to it that what was written is on the disk in time."""
        since = self._unsynced_since
        if self.sync == "never" or since is None:
            return None
        left = 0.0 if self.sync == "batch" else since + SYNC_SECONDS - self.clock()
        if left <= 0:
            os.fsync(self._descriptor)
            self._unsynced_since = None
        return max(left, 0.0) or None

    def close(self) -> None:
        """Let it go."""
        if self._descriptor < 0:
            return
        try:
            if self.sync != "never":
                os.fsync(self._descriptor)
        finally:
            descriptor, self._descriptor, self._unsynced_since = self._descriptor, -1, None
            os.close(descriptor)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise BlockingIOError("another process writes its audit there") from None
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size

    def _heading(self, chain: Chain) -> bytes:
        """With what each file begins: by it a file can be verified without the one before it."""
        return self._record("file", before=chain.last)

    def _record(self, event: str, **members: object) -> bytes:
        return msgspec.json.encode({"event": event, "time": stamp(self.wall()), **members})


def _tail(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, TAIL_BYTES, max(size - TAIL_BYTES, 0))


def _go_on(chain: Chain, whole: bytes, path: Path) -> None:
    """From the last record of what is there."""
    last: ChainLink | None = read_link(whole.rpartition(b"\n")[2])
    if last is None:
        raise FileExistsError(f"the end of {path} is no record of an audit; name another file, or move that one away")
    chain.seq, chain.last = last.seq, last.chain
