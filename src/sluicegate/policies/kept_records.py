"""Answers as they are kept outside of this process, and which of them hold no more.

Who shares them has not heard the same news. So each space has one *mark*: a name that nobody can guess, and the last things that have
changed. A record carries the mark that was there before its answer was asked for, and holds as long as nothing has changed since. To forget
everything is to write another mark, which takes one step however much there is; what is out of reach then goes when its time is over.
A mark that is lost takes all records with it, since the next one has another name.
"""

from __future__ import annotations

import math
from typing import Self

import msgspec

from ..protocol.calls import Reply
from ..protocol.changes import is_about
from ..protocol.messages import Raw
from .store import Stored

__all__ = ["FORMAT", "Mark", "read_record", "written"]

FORMAT = 1
"""Of marks and records; one that another version of the gateway has written otherwise is not found."""
MOST_CHANGES = 32
"""That a mark has; who has missed more takes it that everything has changed."""
_FORESEEN_SECONDS = 5.0
"""So much may the clocks of two gateways differ, that an answer seems to come from the future."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What a record has to be measured by."""

    name: bytes
    count: int = 0
    """How many single things have changed."""
    changed: tuple[str, ...] = ()
    """The last of them."""

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """From its bytes; None where these are something else."""
        try:
            return msgspec.msgpack.decode(raw, type=cls)
        except msgspec.DecodeError:
            return None

    def written(self) -> bytes:
        """As bytes."""
        return msgspec.msgpack.encode(self)

    def with_change(self, name: str) -> Mark:
        """After one more thing has changed."""
        return Mark(self.name, self.count + 1, (*self.changed, name)[-MOST_CHANGES:])

    def holds(self, record: _Record) -> bool:
        """Whether nothing has changed, since the answer was asked for, that it is about."""
        missed = self.count - record.count
        if record.mark != self.name or not 0 <= missed <= len(self.changed):
            return False
        return not any(is_about(record.name, changed) for changed in self.changed[len(self.changed) - missed :])


class _Record(msgspec.Struct, frozen=True, array_like=True):
    mark: bytes
    count: int
    name: str
    at: float
    """By the clock on the wall."""
    seconds: float
    lasting: float
    """For how many seconds it is of use, stale or not."""
    counts_down: bool
    result: bytes


_decode = msgspec.msgpack.Decoder(_Record).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def written(stored: Stored, mark: Mark, now: float, wall: float) -> bytes:
    """An answer as bytes.

    Args:
        stored: on Trio's clock.
        mark: the one that was there before it was asked for.
        now: on Trio's clock, too.
        wall: the same moment by the clock on the wall.
    """
    at, lasting = wall - (now - stored.at), stored.until - stored.at
    record = _Record(
        mark.name, mark.count, stored.name, at, stored.seconds, lasting, stored.counts_down, bytes(memoryview(stored.reply.result))
    )
    return msgspec.msgpack.encode(record)


def read_record(value: bytes, mark: Mark, now: float, wall: float) -> Stored | None:
    """The answer again, on Trio's clock; None where it does not hold, or is none."""
    try:
        record = _decode(value)
        if not mark.holds(record) or not all(map(math.isfinite, (record.at, record.seconds, record.lasting))):
            return None
        _members(record.result)  # it is put into messages as it is
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    age = wall - record.at
    if not -_FORESEEN_SECONDS <= age < record.lasting:
        return None
    at = now - max(0.0, age)
    return Stored(Reply(Raw(record.result)), record.name, at, record.seconds, at + record.lasting, counts_down=record.counts_down)
