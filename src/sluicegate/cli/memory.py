"""How the daemon's process treats memory: what concerns the whole process is for a program to decide, and not for a library."""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
from collections.abc import Callable
from types import ModuleType

__all__ = ["give_memory_back", "load_structlog", "settle_memory"]

GIVE_BACK_SECONDS = 10.0

KEPT = 8 * 1024 * 1024
"""Bytes of freed memory that are kept at hand, and the largest block that is cut out of them."""
GIVEN_BACK = 512 * 1024
"""Bytes beyond those that go back to the system at a time. All of them took 5 ms, again and again while many connections came and went."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
THRESHOLDS = 50_000, 10, 100
"""When the garbage collector looks at young, older and all objects: by how many there are more than at its last look. While many connections come
and go, 1 000 and 5 000 made it look all the time, 6 to 47 ms each, and find nothing."""


def load_structlog() -> None:
    """Load it without what it names and a gateway never uses.

    It takes rich for tracebacks where that is installed, and ours are plain: 4 MiB and 40 ms. Methods for asyncio need asyncio, and nobody calls
    them: 2 MiB and 10 ms.
    """
    if not sys.modules.keys() & {"structlog", "rich", "asyncio"}:
        sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's word for "there is none"
        sys.modules["asyncio"] = _Later("asyncio")
        try:
            importlib.import_module("structlog")
        finally:
            del sys.modules["rich"], sys.modules["asyncio"]


class _Later(ModuleType):
    """Stands for a module that is loaded when something of it is used."""

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module(self.__name__), name)


def settle_memory() -> None:
    """Make large messages cheap and pauses rare; to be called when the program is loaded.

    The C library gives the end of its heap back to the system after every large message and asks for it again for the next one, a page at a
    time: of 3.6 ms for a result of a mebibyte, that was 2. And calls leave no garbage, so what the collector finds to look at is what lives:
    with 10 000 open streams it took 250 ms to look at all of it, again and again while they came, and found nothing.
    """
    mallopt = _of_the_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_TOP_PAD, KEPT - GIVEN_BACK)
        mallopt(_M_MMAP_THRESHOLD, KEPT)
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def give_memory_back() -> None:
    """Now and then give the system what is free between what lives, until cancelled.

    After a hundred answers of a mebibyte that nobody read, 100 MiB of such holes stayed for good. Looking for them takes microseconds where
    there are none.
    """
    import trio

    malloc_trim = _of_the_c_library("malloc_trim")
    while malloc_trim is not None:
        await trio.sleep(GIVE_BACK_SECONDS)
        malloc_trim(0)


def _of_the_c_library(name: str) -> Callable[..., object] | None:
    """A function that only the GNU library has."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
