"""What takes records and never keeps anybody waiting: a buffer, a thread that seals and writes, and a door for when both are full."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import attrs
import msgspec
import trio

from ...telling.loggers import get_logger
from ...telling.statistics import counter, gauge, snapshot
from ..buffer import Buffer
from ..stamps import stamp
from ..writing_thread import TROUBLE_SECONDS, WritingThread
from .chain import Chain
from .record_target import RecordTarget

__all__ = ["AuditStatistics", "DirectLedger", "Ledger", "ThreadLedger"]

log = get_logger("sluicegate.audit")

SLACK = 16
"""Times as many records as may wait before nothing new begins: for what has begun, and for what cannot be kept out, which is what is no HTTP at all."""
FAREWELL_SECONDS = 5.0
"""How long the end of a gateway waits for records to be written."""


@attrs.frozen(repr=False)
class AuditStatistics:
    """What becomes of records."""

    records: int = attrs.field(metadata=counter("audit_records", "Records of the audit that were written."))
    dropped: int = attrs.field(metadata=counter("audit_records_dropped", "Records of the audit that were lost, for want of room."))
    waiting: int = attrs.field(metadata=gauge("audit_records_waiting", "Records of the audit that are not written yet."))
    is_failing: bool = attrs.field(metadata=gauge("audit_is_failing", "Whether records of the audit cannot be written now."))


class Ledger(Protocol):
    """Takes records."""

    def put(self, record: bytes) -> None:
        """Take one: a JSON object, not sealed yet. Never blocks."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether nothing new should begin, because there would be no room for its record."""
        ...

    async def room(self) -> None:
        """Return when there is."""
        ...

    def statistics(self) -> AuditStatistics:
        """What has become of records until now."""
        ...


@attrs.define(eq=False, repr=False)
class DirectLedger:
    """Hands each record on at once, to what cannot block (implements `Ledger`)."""

    take: Callable[[bytes], None]
    chain: Chain = attrs.field(factory=Chain)

    is_full = False

    def put(self, record: bytes) -> None:
        """Seal it, and hand it on."""
        self.take(self.chain.seal(record))

    async def room(self) -> None:
        """There is room."""
        await trio.lowlevel.checkpoint()

    def statistics(self) -> AuditStatistics:
        """Nothing waits."""
        return AuditStatistics(self.chain.seq, 0, 0, is_failing=False)


@attrs.define(eq=False, repr=False)
class ThreadLedger:
    """Has them written by a thread of its own (implements `Ledger`)."""

    target: RecordTarget
    wall: Callable[[], float]
    blocks: bool
    """Whether there is a time when nothing new should begin; else the oldest records are dropped, and counted."""
    most: int
    """Records that may wait."""
    chain: Chain = attrs.field(factory=Chain)
    is_failing: bool = attrs.field(default=False, init=False)
    buffer: Buffer = attrs.field(init=False)
    _thread: WritingThread = attrs.field(init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _opens: trio.Event | None = attrs.field(default=None, init=False)
    """For who waits for room."""

    def __attrs_post_init__(self) -> None:
        self._thread = WritingThread(self._write, self._tidy, "sluicegate audit", is_stubborn=True)
        self.buffer = Buffer(self._thread.wake, self._lost, self.most, slack=SLACK if self.blocks else 1)

    @property
    def is_full(self) -> bool:
        """Whether nothing new should begin."""
        return self.blocks and self.buffer.is_full

    def put(self, record: bytes) -> None:
        """Take one; the thread does the rest."""
        self.buffer.put(record)

    async def room(self) -> None:
        """Return when there is some."""
        await trio.lowlevel.checkpoint()
        while self.is_full:
            opens = self._opens = self._opens if self._opens is not None else trio.Event()
            if self.is_full:  # else it was emptied before anybody could know that somebody waits
                await opens.wait()

    def statistics(self) -> AuditStatistics:
        """What has become of records until now."""
        return snapshot(AuditStatistics, self)

    @property
    def records(self) -> int:
        """So many are in the chain."""
        return self.chain.seq

    @property
    def dropped(self) -> int:
        """So many are lost."""
        return self.buffer.dropped

    @property
    def waiting(self) -> int:
        """So many have not been taken yet."""
        return len(self.buffer)

    def open(self) -> None:
        """Begin; raises `OSError` if records cannot be written there. It may block for a moment."""
        records = self.target.resume(self.chain)
        try:
            self.target.write([self.chain.seal(record) for record in records])
        except OSError:
            with suppress(OSError):
                self.target.close()
            raise

    def start(self) -> None:
        """From here on records are written."""
        self._token = trio.lowlevel.current_trio_token()
        self._thread.start()

    def close(self, seconds: float = FAREWELL_SECONDS) -> None:
        """Write what is waiting, within that time. It blocks."""
        ended = self._thread.close(seconds)
        if not ended or self.is_failing or len(self.buffer):
            log.error("the audit could not be written to its end", records=len(self.buffer))
        if ended:
            try:
                self.target.close()
            except Exception as error:  # noqa: BLE001  whatever it is, the end of the gateway goes on
                log.error("the audit could not be closed", error=repr(error))  # noqa: TRY400  what failed is plain
        log.info("the audit ends", seq=self.chain.seq, chain=self.chain.last)

    def _write(self) -> bool:
        """Seal and write what waits; in the thread. What the target keeps is written before anything else is taken."""
        try:
            self.target.write(())
            first = self.target.turn(self.chain) if len(self.buffer) else ()
            batch = self.buffer.take()
            if batch is not None:
                self.buffer.wrote(batch)  # whatever comes now, the target has its lines
                self._let_in()
                self.target.write([self.chain.seal(record) for record in (*first, *batch.lines)])
        except Exception as error:  # noqa: BLE001  a thread that ended would keep everybody outside for good
            self._failed(error)
            return False
        if self.is_failing:
            log.info("the audit can be written again", waiting=len(self.buffer), dropped=self.dropped)
        self.is_failing = False
        return True

    def _tidy(self) -> float | None:
        """Do what has become due; in the thread. Whether that can be done again, the next attempt to write tells."""
        try:
            return self.target.tidy()
        except Exception as error:  # noqa: BLE001  as above
            self._failed(error)
            return TROUBLE_SECONDS

    def _failed(self, error: Exception) -> None:
        if not self.is_failing:
            log.error("the audit cannot be written; it is tried again", error=repr(error), blocks=self.blocks)
        self.is_failing = True

    def _let_in(self) -> None:
        if self._opens is not None and self._token is not None:
            self._token.run_sync_soon(self._open_door)

    def _open_door(self) -> None:
        if self._opens is not None:
            self._opens.set()
            self._opens = None

    def _lost(self, count: int) -> bytes:
        return msgspec.json.encode({"event": "lost", "time": stamp(self.wall()), "records": count})
