"""A file that only its owner can read, and that comes into being whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["first_of", "write_whole"]


def first_of(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in the file; where there is none it is made, and of several who make one at the same time the first has it. Raises `OSError`."""
    try:
        return path.read_bytes()
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
    return path.read_bytes()


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
