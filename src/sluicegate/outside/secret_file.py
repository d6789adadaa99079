"""A file that only its owner can read, and that comes into being whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from ..telling.loggers import get_logger

__all__ = ["first_of", "read_secret", "write_whole"]

log = get_logger("sluicegate.keys")

LARGEST = 64 * 1024
"""Bytes of a key."""


def read_secret(path: Path, most: int = LARGEST, mask: int = 0o077) -> bytes:
    """What a regular file holds: a pipe would be waited for. Raises `OSError`.

    Args:
        path: where it is.
        most: the first so many bytes are read.
        mask: rights that others should not have; where they do, the log tells so. 0 is for who has been told.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(f"'{path}' is no regular file")
        content = file.read(most)
    if mode & mask:
        log.warning("a secret can be read by others", file=str(path), advice=f"chmod {stat.S_IMODE(mode) & ~mask:o}")
    return content


def first_of(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in the file; where there is none it is made, and of several who make one at the same time the first has it. Raises `OSError`."""
    try:
        return read_secret(path)
    except FileNotFoundError:
        pass
    folder(path.parent)
    fresh = _written(path, make())
    try:
        os.link(fresh, path)
    except FileExistsError:  # somebody else was quicker
        pass
    finally:
        fresh.unlink()
    return read_secret(path)


def write_whole(path: Path, content: bytes) -> None:
    """Put this in the place of what was there; who is cut in between leaves one of the two. Raises `OSError`."""
    folder(path.parent)
    fresh = _written(path, content)
    try:
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # else the new name may be lost with the machine, and with it what was given up for it
    finally:
        os.close(descriptor)


def folder(path: Path) -> None:
    """A folder that is nobody else's business, nor that of a repository."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (ignored := path / ".gitignore").exists():
        ignored.write_text("*\n", encoding="ascii")


def _open_at_once(path: str, flags: int) -> int:
    """Opening a pipe would wait, too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _written(path: Path, content: bytes) -> Path:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return fresh
