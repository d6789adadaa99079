"""Events for people, on stderr: set up by the command line only, never on import."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

__all__ = ["LEVELS", "configure"]

LEVELS = ("debug", "info", "warning", "error")
QUIET = ("httpx2", "httpcore2", "hypercorn", "mcp", "asyncio")
"""Libraries that tell of every request at ``info``."""


def configure(level: str = "info", *, json: bool = False, stream: TextIO | None = None) -> None:
    """Send events of at least this level to a stream, as text or as one JSON object a line.

    Raises:
        ValueError: the level is none of `LEVELS`.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    out = stream or sys.stderr
    renderer: structlog.typing.Processor
    if json:
        renderer = structlog.processors.JSONRenderer()
    else:  # plain tracebacks, because pretty ones show local variables, and with them secrets
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback)
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if json:
        last.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.processors.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[*last, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.INFO)
