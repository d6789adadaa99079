"""Loggers for events: structured, and quiet until the embedding program configures ``logging``.

A library must not print. So events go through the standard library's loggers under ``sluicegate.…``, with their fields as ``extra`` and, for
programs whose format shows the message alone, behind the event in its text; `sluicegate.observe.log` makes lines of them for the daemon.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Mapping
from typing import Self, cast

import attrs
import structlog

__all__ = ["LogEvent", "Logger", "Seldom", "get_logger", "quoted"]

Logger = structlog.stdlib.BoundLogger

_TAKEN = (frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}) - {"exc_info", "stack_info"}
"""Attributes of a log record, which ``extra`` must not overwrite."""
_PLAIN = re.compile(r"[!#-&(-<>-~]+")
"""What needs no quotes: no blanks, quotes or equals signs."""


class LogEvent(str):
    """The message of a log record: equal to the event alone, and told with its fields, which costs nothing until somebody shows it."""

    __slots__ = ("event", "fields")

    def __new__(cls, event: str, fields: Mapping[str, object]) -> Self:
        """An event and its fields."""
        made = super().__new__(cls, event)
        made.event, made.fields = event, fields
        return made

    event: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        told = " ".join(f"{name}={quoted(str(value))}" for name, value in self.fields.items())
        return f"{self.event}: {told}" if told else self.event

    def __reduce__(self) -> tuple[type[LogEvent], tuple[str, dict[str, object]]]:
        return LogEvent, (self.event, dict(self.fields))


def quoted(value: str) -> str:
    """A value as it stands in a line of text: on one line, and where it ends can be seen."""
    return value if _PLAIN.fullmatch(value) else repr(value)


def _clear_of_records(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {f"{key}_" if key in _TAKEN else key: value for key, value in event.items()}


def _as_message(logger: logging.Logger, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    arguments = structlog.stdlib.render_to_log_kwargs(logger, method, event)
    return {**arguments, "msg": LogEvent(arguments["msg"], arguments["extra"])}


def get_logger(name: str) -> Logger:
    """A logger whose methods take an event and its fields: ``log.warning("backend is down", backend="time")``."""
    wrapped = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, _clear_of_records, _as_message],
        wrapper_class=Logger,
        cache_logger_on_first_use=True,
    )
    return cast("Logger", wrapped)


@attrs.define(eq=False, repr=False)
class Seldom:
    """Says whether it is time to tell again of something that may happen very often, at the cost of a look into a dict."""

    seconds: float = 60.0
    """It is told of so often."""
    most: int = 64
    """Different things that are remembered; of those there may be any number."""
    _told: dict[Hashable, tuple[float, int]] = attrs.field(factory=dict, init=False)
    """When each was told of last, and how often it has happened since."""

    def turn(self, what: Hashable, now: float) -> int | None:
        """How often it has happened since it was told of; None if it is not to be told of now. ``now`` is in seconds, of any clock."""
        at, passed_over = self._told.pop(what, (float("-inf"), 0))
        is_due = now - at >= self.seconds
        if not is_due or len(self._told) < self.most or self._make_room(now):
            self._told[what] = (now, 0) if is_due else (at, passed_over + 1)
            return passed_over if is_due else None
        return None

    def _make_room(self, now: float) -> bool:
        """Forget what was told of long ago; whether there was such a thing."""
        old = [what for what, (at, _) in self._told.items() if now - at >= self.seconds]
        for what in old:
            del self._told[what]
        return bool(old)
