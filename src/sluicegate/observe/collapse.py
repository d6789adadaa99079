"""What is said again and again is said once a minute, with a count; what backends write is let through at a bounded rate.

A backend that fails, or a client that is refused, may do so ten thousand times a second. The first line of each kind is shown at once, and the
last one when its minute is over, with the number of those that were not shown.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable

import attrs
import msgspec

__all__ = ["TALK", "Collapse"]

TALK = frozenset({"sluicegate.backend.message", "sluicegate.routing", "sluicegate.frontend.large"})
"""Loggers of what backends say and list: each of their lines tells of another thing, so these have a rate instead."""
EXACT = frozenset({"sluicegate.faults", "sluicegate.backend.stderr", "sluicegate.reload"})
"""Loggers whose every line is shown: somebody has asked for them, or they have a rate already."""
CHANGES = frozenset({"sluicegate.supervisor", "sluicegate.health", "sluicegate.breaker", "sluicegate.outlier", "sluicegate.gateway.fleet"})
"""Loggers of what a backend goes through: ready, down and ready again is no repetition, as long as it is not for ever."""
MOST_CHANGES = 10
"""Lines of one kind that these show in a minute."""
MINUTE = 60.0
MOST_KINDS = 1024
"""Kinds of lines that are remembered; of one more, the one that came first is told of early."""
BURST, PER_SECOND = 200.0, 5.0
"""Lines that one backend may write at once, and how many for ever."""
LONGEST_VALUE = 100

_IDENTIFY = ("backend", "primary", "member", "mirror", "namespace", "list", "reason", "state", "status", "transport", "kind", "fault")
"""Fields that tell one kind of line from another. Their values are our own words or the configuration's: no peer can make new kinds."""


class _Kind(msgspec.Struct):
    """One kind of line, and what was held back of it."""

    until: float
    """When its minute is over."""
    shown: int = 1
    held: int = 0
    last: logging.LogRecord | None = None


class _Talk(msgspec.Struct):
    """One backend that writes."""

    at: float
    left: float = BURST
    held: int = 0
    until: float = 0.0
    last: logging.LogRecord | None = None


@attrs.define(eq=False, repr=False)
class Collapse:
    """Decides which records are shown. Not thread-safe: whoever has it holds a lock."""

    show: Callable[[logging.LogRecord], None]
    clock: Callable[[], float]
    """Seconds that only go forward."""
    _kinds: OrderedDict[Hashable, _Kind] = attrs.field(factory=OrderedDict, init=False)
    _talks: OrderedDict[Hashable, _Talk] = attrs.field(factory=OrderedDict, init=False)

    def take(self, record: logging.LogRecord) -> None:
        """Show a record, or hold it back and count it."""
        if record.name in TALK:
            self._listen(record)
        elif record.name in EXACT:
            self.show(record)
        else:
            self._count(record)

    def _count(self, record: logging.LogRecord) -> None:
        now, key = self.clock(), _kind_of(record)
        self._end_minutes(now)
        kind = self._kinds.get(key)
        if kind is None:
            while len(self._kinds) >= MOST_KINDS:
                self._tell(self._kinds.popitem(last=False)[1])
            self._kinds[key] = _Kind(now + MINUTE)
            self.show(record)
        elif kind.shown < MOST_CHANGES and record.name in CHANGES:
            kind.shown += 1
            self.show(record)
        else:
            kind.held += 1
            kind.last = record
            record.exc_info = None  # the first one had it, and it keeps much alive

    def _listen(self, record: logging.LogRecord) -> None:
        now, key = self.clock(), (record.name, getattr(record, "backend", None))
        talk = self._talks.get(key)
        if talk is None:
            while len(self._talks) >= MOST_KINDS:
                self._tell_of_talk(self._talks.popitem(last=False)[1])
            talk = self._talks[key] = _Talk(now)
        talk.left = min(BURST, talk.left + (now - talk.at) * PER_SECOND)
        talk.at = now
        if talk.left >= 1.0:
            talk.left -= 1.0
            self.show(record)
            return
        if not talk.held:
            talk.until = now + MINUTE
        talk.held += 1
        talk.last = record

    def due(self) -> float | None:
        """Tell of what was held back in minutes that are over; seconds until the next one is, None if nothing is held back."""
        now = self.clock()
        self._end_minutes(now)
        for talk in [talk for talk in self._talks.values() if talk.held and talk.until <= now]:
            self._tell_of_talk(talk)
        times = [kind.until for kind in self._kinds.values() if kind.held] + [talk.until for talk in self._talks.values() if talk.held]
        return max(0.0, min(times) - now) if times else None

    def _end_minutes(self, now: float) -> None:
        while self._kinds and next(iter(self._kinds.values())).until <= now:
            self._tell(self._kinds.popitem(last=False)[1])

    def finish(self) -> None:
        """Tell of everything that was held back: it is the end."""
        while self._kinds:
            self._tell(self._kinds.popitem(last=False)[1])
        for talk in self._talks.values():
            self._tell_of_talk(talk)

    def _tell(self, kind: _Kind) -> None:
        if kind.last is not None:
            kind.last.repeated = kind.held
            self.show(kind.last)

    def _tell_of_talk(self, talk: _Talk) -> None:
        if talk.last is not None:
            told = logging.makeLogRecord({**vars(talk.last), "msg": "lines of a backend were left out", "levelno": logging.WARNING})
            told.levelname, told.left_out = "WARNING", talk.held
            for field in ("line", "said", "severity", "kind", "item", "target", "bytes", "hint"):
                vars(told).pop(field, None)
            talk.held, talk.last = 0, None
            self.show(told)


def _kind_of(record: logging.LogRecord) -> Hashable:
    fields = vars(record)
    return (
        record.name,
        record.levelno,
        str.__str__(record.msg) if isinstance(record.msg, str) else "",
        *(str(fields[name])[:LONGEST_VALUE] for name in _IDENTIFY if name in fields),
        _bug_of(record),
    )


def _bug_of(record: logging.LogRecord) -> Hashable:
    """Which bug a traceback shows: another one under the same words must not be taken for it. As many as there are lines of code."""
    error = record.exc_info[1] if record.exc_info else None
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), None if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
