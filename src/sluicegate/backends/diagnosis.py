"""Why a child process could not be started, and how one ended: in words for the operator."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

from ..outside import ProcessSpec
from ..protocol.why import Why

__all__ = ["how_it_ended", "printable", "why_not_started"]

LONGEST_LINE = 500
"""Characters of one line of stderr that are shown."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Terminal colours and other control characters."""


def why_not_started(spec: ProcessSpec, error: OSError) -> str:
    """What to tell about a command that could not be started, and what was searched."""
    where = Path(spec.cwd) if spec.cwd is not None else Path()
    if spec.cwd is not None and not where.is_dir():
        return f"working directory '{spec.cwd}' {'is no directory' if where.exists() else 'does not exist'}"
    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES) or error.strerror != os.strerror(
        error.errno
    ):  # who has words of his own
        return f"command '{spec.command}' cannot be started: {error.strerror or error}"
    searched = spec.env.get("PATH", "")
    if "/" in spec.command:
        found = where / spec.command if (where / spec.command).exists() else None
        missing = f"command '{spec.command}' does not exist" + (f" (looked for from '{where}')" if not spec.command.startswith("/") else "")
    else:
        name = shutil.which(spec.command, path=searched)
        found = Path(name) if name is not None else None
        missing = f"command '{spec.command}' was not found; PATH searched: {searched or '(empty)'}"
    if error.errno == errno.EACCES:
        return f"command '{found or spec.command}' may not be executed: {error.strerror}"
    if found is not None:
        return f"command '{found}' is there, but the interpreter named in its first line is not"
    return missing


def how_it_ended(returncode: int | None, otherwise: str, last_words: Iterable[str]) -> Why:
    """The exit status or signal, or else what the process did; and for the operator the last lines of its stderr."""
    if returncode is None:
        ending = otherwise
    elif returncode < 0:
        ending = f"killed by {_name(-returncode)}"
    else:
        ending = f"exited with status {returncode}"
    tail = "".join(f"\n  {line}" for line in last_words)
    return Why(ending, f"{ending}; its stderr ended with:{tail}" if tail else ending)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def printable(line: bytes) -> str:
    """One line of stderr, fit for a log and a message."""
    clean = _ESCAPES.sub("", line.decode(errors="replace")).rstrip()
    return clean if len(clean) <= LONGEST_LINE else clean[:LONGEST_LINE] + "…"
