"""Records in a file that only grows: it is rotated by size, goes on over restarts, and belongs to one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import msgspec

from ...telling.loggers import get_logger
from ..stamps import stamp
from ..writing_thread import write_some
from .chain import MOST_TORN, Chain, ChainLink, read_link

__all__ = ["TrailFile"]

log = get_logger("sluicegate.audit")

TAIL_BYTES = 1024 * 1024
"""In which the last record of a file is looked for; one is much smaller."""
_NO_AUDIT = "the end of {} is no record of an audit; name another file, or move that one away"
_FULL = re.compile(r"\.[0-9]{12,}")
"""What is behind the name of a full one. Others number files, too, and mean something else."""
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
        try:
            return self._find_end(chain)
        except OSError:
            self.close()
            raise

    def _find_end(self, chain: Chain) -> Sequence[bytes]:
        *lines, end = _tail(self._descriptor, self._size).split(b"\n")
        at = next((at for at in reversed(range(len(lines))) if read_link(lines[at]) is not None), None)
        full = self.full
        if at is not None:
            _go_on(chain, lines[at], self.path)
        elif full:
            _go_on(chain, full[-1].read_bytes()[-TAIL_BYTES:].rpartition(b"\n")[0].rpartition(b"\n")[2], full[-1])
        if not self._size:
            return [self._heading(chain)]
        self._rest = b"\n" if end else b""
        link = read_link(end)
        if link is not None and link.follows(chain.last, chain.key):  # only its line break was cut off
            _go_on(chain, end, self.path)
            return []
        torn = lines if at is None else lines[at + 1 :]
        if end or torn:
            return [self._resumption(chain, torn, end, is_first=at is None)]
        return []

    def _resumption(self, chain: Chain, torn: Sequence[bytes], end: bytes, *, is_first: bool) -> bytes:
        """With what it goes on behind what crashes have cut off: lines, and the end of the file; where nothing is before them, by their heading."""
        begins = b'{"seq":%d,"event":"' % (chain.seq + 1)
        ours = [*torn, end] if is_first else torn
        if len(torn) >= MOST_TORN or not all(line.startswith(begins) or begins.startswith(line) for line in ours):
            raise FileExistsError(_NO_AUDIT.format(self.path))
        data = b"\n".join([*torn, end] if end else torn)
        return self._record("resumed", before=chain.last, torn_bytes=len(data), torn_sha256=hashlib.sha256(data).hexdigest())

    @property
    def full(self) -> list[Path]:
        """The files before this one, oldest first: their names end with the number of the last record in them."""
        beside = (path for path in self.path.parent.glob(f"{self.path.name}.*") if _FULL.fullmatch(path.suffix))
        return sorted(beside, key=lambda path: int(path.suffix[1:]))

    def turn(self, chain: Chain) -> Sequence[bytes]:
        """Begin another file where this one is full."""
        if self._descriptor >= 0 and not self._is_in_place():
            log.warning("the file of the audit was moved away; another is begun", seq=chain.seq, chain=chain.last)
            self.close()
        if self._descriptor < 0:  # or it could not be opened the last time
            return self._begin(chain)
        if not self.rotate_bytes or self._size < self.rotate_bytes:
            return []
        if self.sync != "never":  # before it gets its name: what cannot be synced is tried again
            os.fsync(self._descriptor)
        old = self.path.with_name(f"{self.path.name}.{chain.seq:012d}")
        self.path.rename(old)
        self.close()
        first = self._begin(chain)
        log.info("the audit has begun another file", full=str(old), seq=chain.seq, chain=chain.last)
        self._drop_old()
        return first

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _begin(self, chain: Chain) -> Sequence[bytes]:
        self._open()
        if self._size:
            self.close()
            raise FileExistsError(f"something else was put in the place of {self.path}; move it away")
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


def _go_on(chain: Chain, line: bytes, path: Path) -> None:
    """From the last record of what is there."""
    last: ChainLink | None = read_link(line)
    if last is None:
        raise FileExistsError(_NO_AUDIT.format(path))
    chain.seq, chain.last = last.seq, last.chain
