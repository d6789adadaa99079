"""Reading a file that a configuration names: only a regular one, and only so much of it.

A pipe waits for who writes to it, and a device may never end; whoever reads them while a configuration is checked does not come back.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .documents import Unreadable

__all__ = ["regular_bytes", "regular_text"]


def _open_at_once(path: str, flags: int) -> int:
    """Opening a pipe would wait, too."""
    return os.open(path, flags | os.O_NONBLOCK)


def regular_bytes(path: Path, most: int) -> bytes:
    """The whole content, at most ``most`` bytes, which are whole MiB; raises `Unreadable`."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("it is a pipe, a socket or a device, not a regular file")
            content = file.read(most + 1)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    except ValueError:  # a path that holds a NUL character
        raise Unreadable("it is no path") from None
    if len(content) > most:
        raise Unreadable(f"it is over {most // 1024**2} MiB")
    return content


def regular_text(path: Path, most: int) -> str:
    """The same as UTF-8 text, without a byte order mark; raises `Unreadable`."""
    try:
        return regular_bytes(path, most).decode("utf-8-sig")
    except ValueError:
        raise Unreadable("it is no UTF-8 text") from None
