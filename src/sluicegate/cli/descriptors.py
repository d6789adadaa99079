"""The three standard streams, also where whoever started us left some of them closed."""

from __future__ import annotations

import os
import sys

__all__ = ["open_standard_descriptors"]


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
