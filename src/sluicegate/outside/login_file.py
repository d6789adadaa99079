"""Where a login at a backend is kept: in a file that only its owner can read, beside the configuration."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec

from .blocking import RunBlocking, run_blocking
from .secret_file import read_secret, write_whole

__all__ = ["LoginFile"]

_LONGEST = 100
LARGEST = 256 * 1024


class LoginFile(msgspec.Struct, frozen=True):
    """That of one backend (implements `LoginStore`)."""

    path: Path
    run_blocking: RunBlocking = run_blocking

    @classmethod
    def of(cls, folder: Path, backend: str, run: RunBlocking) -> LoginFile:
        """In this folder; a name of any letters makes a name of a file, and no two the same."""
        name = quote(backend, safe=" ").replace(".", "%2E")
        short = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{hashlib.sha256(backend.encode()).hexdigest()[:16]}"
        return cls(folder / f"{short}.json", run)

    async def load(self) -> bytes | None:
        """What is there, if there is anything; raises `OSError`."""
        return await self.run_blocking(self._load)

    async def save(self, content: bytes) -> None:
        """Put this in its place; raises `OSError`."""
        await self.run_blocking(partial(write_whole, self.path, content))

    def _load(self) -> bytes | None:
        try:
            return read_secret(self.path, LARGEST)
        except FileNotFoundError:
            return None
