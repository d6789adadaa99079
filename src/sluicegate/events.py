"""Loggers for events: structured, and quiet until the embedding program configures ``logging``.

A library must not print. So events go through the standard library's loggers under ``sluicegate.…``, with their fields as ``extra``;
`sluicegate.observe.log.configure` makes lines of them for the daemon.
"""

from __future__ import annotations

import logging
from typing import cast

import structlog

__all__ = ["Logger", "get_logger"]

Logger = structlog.stdlib.BoundLogger

_TAKEN = (frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}) - {"exc_info", "stack_info"}
"""Attributes of a log record, which ``extra`` must not overwrite."""


def _clear_of_records(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {f"{key}_" if key in _TAKEN else key: value for key, value in event.items()}


def get_logger(name: str) -> Logger:
    """A logger whose methods take an event and its fields: ``log.warning("backend is down", backend="time")``."""
    wrapped = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, _clear_of_records, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=Logger,
        cache_logger_on_first_use=True,
    )
    return cast("Logger", wrapped)
