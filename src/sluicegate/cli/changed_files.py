"""Waiting until files have changed, however an editor, a copy or a mounted volume changes them.

Each is looked at again and again, instead of asking the system to tell: notices belong to an inode or a folder, and get lost where a file is
replaced by another, where a folder on its way is a link that comes to lead elsewhere (as in volumes of Kubernetes), and on mounts from other
machines. A look at ten files takes 20 µs, in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import trio

from ..outside.blocking import RunBlocking

__all__ = ["LOOK_SECONDS", "watch"]

LOOK_SECONDS = 0.5
"""Between two looks. What has changed is told of once it is the same in two of them, since a file may be written bit by bit."""
Look = tuple[tuple[int, ...] | None, ...]


async def watch(files: Callable[[], Iterable[Path]], changed: Callable[[], None], in_thread: RunBlocking) -> None:
    """Call ``changed`` whenever one of the files is another, and once at the beginning, for what has changed while nobody looked.

    Args:
        files: which they are now; those that a link leads to are meant.
        changed: must not block.
        in_thread: runs a function that blocks; one that hangs, as on a dead mount, is waited for.
    """
    before: Look | None = None
    is_due = True
    while True:
        now = await in_thread(lambda: tuple(map(_look, sorted(files()))), abandon=True)
        if now != before:
            is_due, before = True, now
        elif is_due:
            is_due = False
            changed()
        await trio.sleep(LOOK_SECONDS)


def _look(path: Path) -> tuple[int, ...] | None:
    """What differs wherever the content does; None where there is nothing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
