"""Events for people, on stderr: set up by the command line only, never on import."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import msgspec
import structlog

from ..protocol.blot import Blot, shown, unblotted
from ..telling.loggers import LogEvent
from .buffer import Buffer
from .collapse import Collapse
from .printed import Printed
from .stamps import stamp
from .writer import LogWriter

__all__ = ["LEVELS", "configure", "logging_to", "show_from"]

LEVELS = ("debug", "info", "warning", "error")
QUIET = ("httpx2", "httpcore2", "hypercorn", "mcp", "asyncio")
"""Libraries that tell of every request at ``info``."""
FAREWELL_SECONDS = 1.0
"""How long the end of the process may wait for whoever reads the log."""

_LETTERS = re.compile(r"[^ -~\t\n]+")
"""What may be more than a letter."""
_OURS = frozenset({"level", "timestamp", "logger"})
"""Fields in which no secret can be."""
_TRACES = frozenset({"exception", "stack"})
"""Fields that are shown whole, however long."""


def configure(level: str = "info", *, json: bool = False, stream: TextIO | None = None) -> None:
    """Send events of at least this level to a stream, as text or as one JSON object a line: for commands that end by themselves.

    Raises:
        ValueError: the level is none of `LEVELS`.
    """
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(json=json, colors=out.isatty(), blot=unblotted, wall=time.time))
    _install(handler, level)


@contextmanager
def logging_to(
    descriptor: int,
    level: str,
    *,
    json: bool = False,
    blot: Blot = unblotted,
    wall: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Buffer]:
    """Send events, and what is printed on stderr, to a descriptor through one buffer, for the length of a block; other lines may be put into it, too.

    Nothing that happens at the other end is noticed inside: whoever does not read loses lines. Afterwards the descriptor leads nowhere if it
    still has not taken them.

    Args:
        descriptor: of an open file, pipe or terminal.
        level: the lowest that is shown.
        json: one JSON object a line instead of text.
        blot: takes known secrets out of every field.
        wall: time of day.
        clock: seconds that only go forward, for what is shown once a minute.

    Raises:
        ValueError: the level is none of `LEVELS`.
    """
    buffer = Buffer(lost=_as_json if json else _as_text)
    handler = _Handler(_formatter(json=json, colors=os.isatty(descriptor), blot=blot, wall=wall), buffer, clock)
    before = _install(handler, level)
    writer = LogWriter(descriptor, buffer, handler.due)
    printed, sys.stderr = sys.stderr, Printed(buffer, descriptor, blot)
    writer.start()
    try:
        yield buffer
    finally:
        sys.stderr.flush()
        sys.stderr = printed
        handler.finish()
        logging.getLogger().handlers[:] = before
        if not writer.close(FAREWELL_SECONDS):
            _cut_off(descriptor)


def show_from(level: str) -> None:
    """Show events of at least this level from now on; raises `ValueError` if it is none of `LEVELS`."""
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    logging.getLogger().setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.INFO)


def _install(handler: logging.Handler, level: str) -> list[logging.Handler]:
    """Have this handler and no other; those that were there before."""
    show_from(level)
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [handler]
    return before


class _Handler(logging.Handler):
    """Formats what is shown, and puts it into the buffer."""

    def __init__(self, formatter: logging.Formatter, buffer: Buffer, clock: Callable[[], float]) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.buffer = buffer
        self.collapse = Collapse(self._show, clock)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.collapse.take(record)
        except Exception:  # noqa: BLE001  whatever a library has put into its record
            self.handleError(record)

    def due(self) -> float | None:
        """Show what has become due; called by the writer."""
        assert self.lock is not None
        with self.lock:
            return self.collapse.due()

    def finish(self) -> None:
        """Show what was held back."""
        assert self.lock is not None
        with self.lock:
            self.collapse.finish()

    def _show(self, record: logging.LogRecord) -> None:
        try:
            self.buffer.put(self.format(record).encode(errors="backslashreplace"))
        except Exception:  # noqa: BLE001  one record that cannot be shown must not end the writer, who asks for what is due
            self.handleError(record)


def _formatter(*, json: bool, colors: bool, blot: Blot, wall: Callable[[], float]) -> logging.Formatter:
    renderer: structlog.typing.Processor
    if json:
        renderer = structlog.processors.JSONRenderer()
    else:  # plain tracebacks, because pretty ones show local variables, and with them secrets
        renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback)

    def blotted(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {key: value if key in _OURS else _without_secrets(value, blot, whole=key in _TRACES) for key, value in fields.items()}

    def stamped(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**fields, "timestamp": stamp(wall())}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _event_alone,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.add_log_level,
            structlog.stdlib.add_logger_name,
            stamped,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            blotted,
            *([] if json else [_legible]),
            renderer,
        ],
    )


def _event_alone(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Ours carry their fields in the message, too, for whoever shows nothing else."""
    message = fields["_record"].msg
    return {**fields, "event": message.event} if isinstance(message, LogEvent) else fields


def _legible(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Nothing that would move a terminal's cursor, or hide: names are others' words. Tracebacks and messages may have several lines."""
    return {key: _LETTERS.sub(_spelled, value) if isinstance(value, str) else value for key, value in fields.items()}


def _spelled(found: re.Match[str]) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in found[0])


def _without_secrets(value: object, blot: Blot, *, whole: bool = False) -> object:
    if isinstance(value, str):
        return blot(value) if whole else shown(value, blot)
    if isinstance(value, list | tuple):
        return [_without_secrets(one, blot) for one in value]
    if isinstance(value, dict):
        return {key: _without_secrets(one, blot) for key, one in value.items()}
    return value if isinstance(value, int | float | None) else blot(str(value))


def _as_json(count: int) -> bytes:
    return msgspec.json.encode(
        {"event": "lost lines", "lost": count, "level": "warning", "logger": __name__, "timestamp": stamp(time.time())}
    )


def _as_text(count: int) -> bytes:
    return f"{stamp(time.time())} [warning  ] lost lines [{__name__}] lost={count}".encode()


def _cut_off(descriptor: int) -> None:
    """Let nothing that is still said at the very end wait for a reader who does not read."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
