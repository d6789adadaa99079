"""The three standard streams, also where whoever started us left some of them closed; and how many descriptors there may be."""

from __future__ import annotations

import os
import sys

__all__ = ["allow_descriptors", "open_standard_descriptors"]

OTHERS = 512
"""Descriptors for all that is no client: backends, files, pipes of children."""


def open_standard_descriptors() -> None:
    """Put nothing where a standard stream is closed; else the next socket would be taken for it, and the log written into that."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, and all below are open
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace", closefd=False))


def allow_descriptors(connections: int) -> bool:
    """Raise the soft limit so far that so many clients can connect; False where the hard one forbids it. 1024 is a common default."""
    if sys.platform == "win32":
        return True
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHERS if hard == resource.RLIM_INFINITY else min(connections + OTHERS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted == connections + OTHERS
