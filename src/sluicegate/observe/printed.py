"""What is printed on stderr while the daemon runs: warnings of Python and of libraries, which must not wait for a reader either."""

from __future__ import annotations

import io
import os

from ..protocol.blot import Blot, unblotted
from .buffer import Buffer

__all__ = ["Printed"]

LONGEST_LINE = 65_536
"""Characters that are kept of a line without an end."""


class Printed(io.TextIOBase):
    """Stands in the place of ``sys.stderr``; its lines go into the log's buffer."""

    def __init__(self, buffer: Buffer, descriptor: int, blot: Blot = unblotted) -> None:
        self._buffer_of_log = buffer
        self._descriptor = descriptor
        self._blot = blot
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the stub has an attribute
        """Of what is written."""
        return "utf-8"

    def writable(self) -> bool:
        """It is for nothing else."""
        return True

    def fileno(self) -> int:
        """Where it goes in the end."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Take a text; every whole line of it is passed on."""
        *lines, rest = (self._rest + text).split("\n")
        for line in lines:
            self._pass_on(line)
        self._rest = rest[:LONGEST_LINE]
        return len(text)

    def flush(self) -> None:
        """Pass on a line that has no end yet."""
        if self._rest:
            self._pass_on(self._rest)
            self._rest = ""

    def _pass_on(self, line: str) -> None:
        self._buffer_of_log.put(self._blot(line).encode(errors="backslashreplace"))
