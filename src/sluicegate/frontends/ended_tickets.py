"""Which session tickets have ended before their time: what must never be taken in again.

How many there are is bounded for each key, and of these for each principal. Where that many of his have ended, all his tickets of that key are taken
for ended, and where that many of all have, all are: one that is refused costs its client a handshake, one that is taken in would open a session that
its client has closed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

import attrs
import trio

from ..protocol.sealing_key import SealingKey
from ..telling.loggers import Seldom, get_logger
from .ticket_keys import SealedTicket
from .tickets import owner_of

__all__ = ["EndedTickets", "KeyStore"]

log = get_logger("sluicegate.frontend")

MOST_OF_ONE, MOST_OF_ALL = 16_384, 32_768
"""Ended tickets of one key: of one principal, and of all of them. There is another key long before."""
OWNER, RECORD = 6, 16
"""Bytes by which one is known: digests of whose it is, and behind it of the ticket."""
MOST_READ = 65_536 * RECORD
"""Bytes that are read of one key: several processes may have told of the same, or each of more than counts."""
AT_ONCE = 1024 * RECORD
"""Bytes of those of others that are looked at before somebody else has a turn."""


class KeyStore(Protocol):
    """Where keys, and what has ended, outlive the process (`sluicegate.outside.key_folder.KeyFolder`)."""

    @property
    def place(self) -> str:
        """Where that is, for people."""
        ...

    async def load(self) -> list[SealingKey]:
        """All keys; raises `OSError`."""
        ...

    async def add(self, key: SealingKey) -> None:
        """One more; raises `OSError`."""
        ...

    async def drop(self, key: SealingKey) -> None:
        """One less; raises `OSError`."""
        ...

    async def ends(self, after: Mapping[SealingKey, int]) -> dict[SealingKey, bytes]:
        """What was appended for each key beyond so many bytes; raises `OSError`."""
        ...

    async def end(self, key: SealingKey, record: bytes) -> None:
        """Append what has ended; raises `OSError`."""
        ...


@attrs.define(eq=False, repr=False)
class _Ends:
    """Of one key."""

    records: set[bytes] = attrs.field(factory=set)
    read: int = 0
    """Bytes of the file that were read. A part of a record at its end would shift all that follow, so then nothing can be told any more."""

    _of_one: Counter[bytes] = attrs.field(factory=Counter, init=False)

    @property
    def is_full(self) -> bool:
        return len(self.records) >= MOST_OF_ALL or self.read >= MOST_READ or bool(self.read % RECORD)

    def has(self, record: bytes) -> bool:
        return record in self.records or not self._takes(record)

    def add(self, record: bytes) -> bool:
        """Whether it was not known, and is now."""
        if self.has(record):
            return False
        self.records.add(record)
        self._of_one[record[:OWNER]] += 1
        return True

    def take(self, data: bytes) -> None:
        for start in range(0, len(data), RECORD):
            self.add(data[start : start + RECORD])
        self.read += len(data)

    def _takes(self, record: bytes) -> bool:
        return self._of_one[record[:OWNER]] < MOST_OF_ONE and not self.is_full


def _record(ticket: SealedTicket) -> bytes:
    return owner_of(ticket)[:OWNER].ljust(OWNER) + hashlib.blake2b(ticket.text.encode(), digest_size=RECORD - OWNER).digest()


@attrs.define(eq=False, repr=False)
class EndedTickets:
    """Those that this process knows of, and where there is a store, those that others have told there."""

    store: KeyStore | None = None
    """None where nothing outlives the process."""
    _of: dict[SealingKey, _Ends] = attrs.field(factory=dict, init=False)
    _kept: list[SealingKey] = attrs.field(factory=list, init=False)
    """The keys that are in the store."""
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _asked: int = attrs.field(default=0, init=False)
    _answered: int = attrs.field(default=0, init=False)
    _failed: OSError | None = attrs.field(default=None, init=False)
    """Why the last look told nothing."""
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)

    def hold(self, own: list[SealingKey], kept: list[SealingKey]) -> None:
        """These are the keys, and no others: of this process alone, and those that are in the store."""
        self._of = {key: self._of.get(key) or _Ends() for key in (*own, *kept)}
        self._kept = kept

    def count(self, key: SealingKey) -> int:
        """How many are known to have ended."""
        ends = self._of.get(key)
        return 0 if ends is None else len(ends.records)

    def has(self, ticket: SealedTicket) -> bool:
        """Whether it is known to have ended, or cannot be told from those that have."""
        ends = self._of.get(ticket.key)
        return ends is not None and ends.has(_record(ticket))

    async def look(self) -> None:
        """Learn what others have ended until now; raises `OSError`. Many who ask at once are answered by one look, also by one that fails."""
        self._asked += 1
        number = self._asked
        async with self._turn:
            if self.store is not None and self._answered < number:
                await self._look(self.store)
            if self._failed is not None:
                raise self._failed.with_traceback(None)

    async def _look(self, store: KeyStore) -> None:
        asked, self._failed = self._asked, None
        known = {key: ends.read for key in self._kept if not (ends := self._of[key]).is_full}
        try:
            for key, data in (await store.ends(known)).items():
                await self._take(key, data)
        except OSError as error:
            self._failed = error
        self._answered = asked

    async def _take(self, key: SealingKey, data: bytes) -> None:
        for start in range(0, len(data), AT_ONCE):
            if key in self._of:
                self._of[key].take(data[start : start + AT_ONCE])
            await trio.lowlevel.checkpoint()

    async def add(self, ticket: SealedTicket) -> None:
        """It has ended: from the first moment on for this process, and after that for all."""
        ends = self._of.setdefault(ticket.key, _Ends())
        record = _record(ticket)
        if not ends.add(record) or self.store is None or ticket.key not in self._kept:
            return
        try:
            await self.store.end(ticket.key, record)
        except OSError as error:
            if (more := self._seldom.turn("end", trio.current_time())) is not None:
                log.warning(
                    "that a session has ended could not be written, and will be forgotten with the process", error=str(error), not_told=more
                )
