"""The streams that a process was started with."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from .pipes import WritePipe

__all__ = ["open_standard_streams"]


@asynccontextmanager
async def open_standard_streams() -> AsyncGenerator[tuple[trio.abc.ReceiveStream, trio.abc.SendStream], None]:
    """Stdin and stdout as Trio streams. Meanwhile whatever else writes to stdout writes to stderr, because the client reads messages only (P-151)."""
    with open(os.dup(1), "wb", closefd=True) as original:  # noqa: ASYNC230, PTH123  a descriptor, not a file
        stdin, stdout = trio.lowlevel.FdStream(os.dup(0)), WritePipe(trio.lowlevel.FdStream(os.dup(1)))
        os.dup2(2, 1)
        try:
            async with stdin, stdout:
                yield stdin, stdout
        finally:
            os.dup2(original.fileno(), 1)
